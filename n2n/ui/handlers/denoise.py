"""The Denoise tab: pick a picture, make it noisy, denoise it, look at it, take it away."""

import functools
import math
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, replace
from html import escape

from n2n import images
from n2n.denoiser import Denoised
from n2n.noise import NOISES, Noise, Parameter, create_noise
from n2n.ui.handlers import models, network, numbers, pictures, samples, words
from n2n.ui.handlers.network import Progress
from n2n.ui.handlers.pictures import Picture, Pixels
from n2n.ui.handlers.quality import Quality, quality, ssim
from n2n.ui.handlers.store import Result, Scene, store
from n2n.ui.handlers.views import SAMPLES, Look, Shown, crop_box, denoised_pixels, show
from n2n.ui.limits import limits

QUICK_MS = 1500  # a run below this follows every change by itself
FIRST_MS = 10_000  # and one below this the opening of a page
LARGE_MEGAPIXELS = 2.0  # above, the noise shows on a detail first and SSIM comes last
PREVIEW_PX = 320
START, AGAIN = "Denoise", "Denoise again"
ADD, ALREADY = "Add noise", "My photo is already noisy"
PRESETS = {
    "Phone at night": ("poisson-gaussian", 0.05, 0.001),
    "Old scan": ("gaussian", 15.0),
    "Few photons": ("poisson", 8.0),
    "Film grain": ("correlated-gaussian", 25.0, 1.0),
    "Missing pixels": ("missing-pixels", 0.3),
    "Text over it": ("text", 0.15),
}


@dataclass(frozen=True)
class Settings:
    """The noise that the page asks for; `second` counts for a noise of two numbers only."""

    mode: str
    noise: str
    level: float
    second: float
    seed: float


@dataclass(frozen=True, eq=False)
class Update:
    """What changes on the page; None leaves a part as it is.

    `button` is what stands on the Denoise button; it `waits` to be pressed, and shows it. `numbers`
    and `notes` are HTML, in which all that came with a file is escaped.
    """

    shown: Shown | None = None
    numbers: str | None = None
    status: str | None = None
    busy: bool | None = None
    button: str | None = None
    waits: bool = False
    notes: str | None = None
    preview: Pixels | None = None
    is_large: bool | None = None
    drawing: samples.State | None = None


STOPPED = Update(status="Stopped.", busy=False, button=START)


def new_visitor() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(16)


def parameters(noise: str) -> tuple[Parameter, ...]:
    """The numbers that a noise has, its level first.

    Raises:
        ValueError: unknown noise.
    """
    if noise not in NOISES:
        raise ValueError(f"unknown noise {noise!r}; choose one of {', '.join(NOISES)}")
    return NOISES[noise].parameters


def whole_seed(seed: float | None) -> int:
    """The seed as an integer.

    Raises:
        ValueError: it is none.
    """
    if seed is None or not math.isfinite(seed) or seed != int(seed):
        raise ValueError(f"the seed must be a whole number, got {seed}")
    return int(seed)


def open_sample(visitor: str, name: str, settings: Settings, look: Look) -> Iterator[Update]:
    """Take a sample photo."""
    yield from _open(visitor, pictures.sample(name), name, settings, look)


def open_file(visitor: str, path: str | None, settings: Settings, look: Look) -> Iterator[Update]:
    """Take an uploaded file; its path was checked.

    Raises:
        ValueError: no file, or not a picture; what was there before stays.
    """
    if path is None:
        raise ValueError("choose a picture first")
    picture = pictures.read(path, limits().max_megapixels)
    yield from _open(visitor, picture, "picture", settings, look)


def _open(
    visitor: str, picture: Picture, name: str, settings: Settings, look: Look
) -> Iterator[Update]:
    scene = store().put(visitor, _scene(picture, name, settings))
    height, width = picture.pixels.shape[:2]
    what = "grey" if picture.pixels.ndim == 2 else "colour"
    facts = "; ".join([f"{name}: {width} × {height} px, {what}", *picture.notes])
    is_large = _is_large(scene)
    preview = scene.noisy[crop_box(scene.noisy, look, PREVIEW_PX)] if is_large else None
    update = replace(_noisy_update(scene, look), notes=f"<p>{escape(facts)}</p>")
    yield replace(update, is_large=is_large, preview=preview)


def redraw(visitor: str, settings: Settings, look: Look) -> Iterator[Update]:
    """Add the noise anew; of a large picture first to the detail, which takes a moment only."""
    scene = store().get(visitor)
    if _is_large(scene):
        yield Update(preview=_preview(scene.picture, settings, look))
    was_denoised = scene.was_denoised or scene.result is not None
    scene = _scene(scene.picture, scene.name, settings)
    scene = store().put(visitor, replace(scene, was_denoised=was_denoised))
    yield _noisy_update(scene, look)


def denoise_if_quick(
    visitor: str, model: str | None, look: Look, patience_ms: float = QUICK_MS
) -> Iterator[Update]:
    """Denoise unasked where that takes no longer than `patience_ms`; else offer it."""
    scene = store().get(visitor)
    if look.view == SAMPLES:
        yield Update(drawing=_drawing(scene, model, look))
    expected = None if model is None else models.milliseconds(model, scene.megapixels)
    unknown = expected is None and scene.megapixels > LARGE_MEGAPIXELS
    if model is None or models.is_slow(model) or unknown or (expected or 0) > patience_ms:
        yield Update(
            status=words.offer(model, expected), button=_button(scene), waits=model is not None
        )
    else:
        yield from denoise(visitor, model, look)


def denoise(visitor: str, model: str | None, look: Look) -> Iterator[Update]:
    """Denoise what is shown, telling how far it is; closing this stops it.

    Raises:
        ValueError: no picture, or no such model.
    """
    scene = store().get(visitor)
    model = model or ""
    for event in network.in_turn(functools.partial(_result, model, scene)):
        if not store().is_current(visitor, scene):  # overtaken: the work stops
            yield Update(status="", busy=False)
            return
        if isinstance(event, Progress):
            yield Update(status=words.waiting(model, scene.megapixels, event), busy=True)
        else:
            scene = store().update(visitor, scene, result=event.value) or scene
            yield from _finished(visitor, scene, look)


def render(visitor: str, look: Look, with_ssim: bool = True, model: str | None = None) -> Update:
    """Look again, from the arrays that are kept: no network runs. `model` would draw samples."""
    scene = store().get(visitor)
    denoised = denoised_pixels(scene, look.strength)
    with_ssim = with_ssim or not _is_large(scene)
    after = _after(scene, denoised, look.strength, with_ssim)
    return Update(
        shown=show(scene, look, denoised, None if after is None else after.psnr_db),
        numbers=numbers.summary(scene, after),
        drawing=_drawing(scene, model, look),
    )


def full_size(visitor: str, which: str, strength: float) -> tuple[bytes, str]:
    """A PNG file of the noisy, denoised or clean picture, pixel for pixel, and a name for it."""
    scene = store().get(visitor)
    found = {
        "noisy": scene.noisy,
        "denoised": denoised_pixels(scene, strength),
        "clean": scene.reference,
    }
    pixels = found.get(which)
    if pixels is None:
        raise ValueError(f"there is no {which} picture yet; press Denoise, or add noise, first")
    return images.png_bytes(pixels), f"{scene.name}-{which}.png"


def noise_of(settings: Settings) -> Noise | None:
    """The noise asked for; None where the picture came noisy.

    Raises:
        ValueError: unknown noise, or a level outside its range.
    """
    if settings.mode == ALREADY:
        return None
    levels = (settings.level, settings.second)[: len(parameters(settings.noise))]
    return create_noise(settings.noise, *(math.nan if x is None else x for x in levels))


def _scene(picture: Picture, name: str, settings: Settings) -> Scene:
    noise = noise_of(settings)
    if noise is None:
        return Scene(picture, name, noisy=picture.pixels)
    seed = whole_seed(settings.seed)
    noisy = pictures.add_noise(picture.pixels, noise, seed)
    reference = pictures.reference(picture.pixels, noise)
    if reference.shape == picture.pixels.shape and (reference == picture.pixels).all():
        reference = picture.pixels  # one array in place of two equal ones
    before = quality(noisy, reference, with_ssim=False)
    return Scene(picture, name, noisy, reference, noise, before, seed=seed)


def _preview(picture: Picture, settings: Settings, look: Look) -> Pixels:
    """The detail of the noisy picture to be, from its own rows alone: the same pixels."""
    noise = noise_of(settings)
    if noise is None:
        return picture.pixels[crop_box(picture.pixels, look, PREVIEW_PX)]
    rows, _ = crop_box(picture.pixels, look, PREVIEW_PX)
    shrink = getattr(noise, "block_px", 1)
    small = slice(rows.start // shrink, max(rows.stop // shrink, rows.start // shrink + 1))
    part = pictures.add_noise(picture.pixels, noise, whole_seed(settings.seed), only=small)
    _, columns = crop_box(part, look, PREVIEW_PX)
    return part[:PREVIEW_PX, columns]


def _noisy_update(scene: Scene, look: Look) -> Update:
    """The noisy picture alone: what was denoised before is no longer what is shown."""
    shown = show(scene, look, None)
    return Update(shown=shown, numbers=numbers.summary(scene, None), status="", button=START)


def _result(model: str, scene: Scene, tell: network.Tell) -> Result:
    denoised: Denoised = network.denoise(model, scene.noisy, tell)
    level = None
    if scene.reference is None:
        level = network.level(model, scene.noisy, models.level_megapixels(model))
    return Result(
        estimate=denoised.image,
        model=model,
        milliseconds=denoised.milliseconds,
        device=denoised.device,
        notes=denoised.notes,
        level=level,
    )


def _finished(visitor: str, scene: Scene, look: Look) -> Iterator[Update]:
    """Show the result, then its SSIM: it takes as long as the network, of large pictures longer."""
    result = scene.result
    assert result is not None
    if scene.reference is not None:
        after = quality(result.estimate, scene.reference, with_ssim=False)
        store().update(visitor, scene, result=replace(result, after=after))
        yield replace(render(visitor, look, with_ssim=False), status="Measuring SSIM", busy=True)
        before = scene.before
        if before is None or before.ssim is None:  # once a picture
            before = quality(scene.noisy, scene.reference)
        after = replace(after, ssim=ssim(result.estimate, scene.reference))
        store().update(visitor, scene, before=before, result=replace(result, after=after))
    shown = render(visitor, look, model=result.model)
    yield replace(shown, status="", busy=False, button=START)


def _after(
    scene: Scene, denoised: Pixels | None, strength: float, with_ssim: bool
) -> Quality | None:
    if scene.result is None or denoised is None or scene.reference is None:
        return None
    if strength == 100 and scene.result.after is not None:
        return scene.result.after
    return quality(denoised, scene.reference, with_ssim)


def _drawing(scene: Scene, model: str | None, look: Look) -> samples.State | None:
    is_open = look.view == SAMPLES and model is not None
    return samples.state(scene, model, look) if is_open else None


def _is_large(scene: Scene) -> bool:
    height, width = scene.picture.pixels.shape[:2]
    return bool(height * width > LARGE_MEGAPIXELS * 1e6)


def _button(scene: Scene) -> str:
    return AGAIN if scene.was_denoised else START
