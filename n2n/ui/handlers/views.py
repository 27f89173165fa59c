"""The looks at a result: arrays to show and the words beside them."""

import math
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image, ImageDraw

from n2n import images
from n2n.ui.handlers import quality
from n2n.ui.handlers.pictures import Pixels, mixed, shrunk
from n2n.ui.handlers.store import Box, Drawn, Scene

SAMPLES = "Samples"
VIEWS = ("Slider", "Side by side", "Detail", "Difference", SAMPLES)
LEFT, REMOVED = "what is left: |denoised - clean|", "what was removed: noisy - denoised"
LONGEST_PX, LEAST_PX = 1600, 480  # of a picture that is shown whole
MAP_PX = 480
DETAIL_PX, DETAIL_SCALE = 80, 4
MARK = (79, 70, 229)  # the page's indigo
PART_PX = 192  # side of what is drawn as samples
NEWEST = 4  # samples that are shown
DOUBT = (255, 64, 0)  # over grey, where samples disagree
SCALES_255 = (2, 5, 10, 20, 50)  # spreads that may have the full colour


@dataclass(frozen=True)
class Look:
    """How the visitor looks: which view, at what strength, where, which difference.

    Attributes:
        view: one of VIEWS.
        strength: in percent.
        across, down: the middle of the detail, in percent of the width and height.
        difference: LEFT or REMOVED.
    """

    view: str = VIEWS[0]
    strength: float = 100
    across: float = 50
    down: float = 50
    difference: str = LEFT


@dataclass(frozen=True, eq=False)
class Shown:
    """One view: its pictures (None for an empty place), a caption for each, and a line below."""

    view: str
    pictures: tuple[Pixels | None, ...]
    captions: tuple[str, ...]
    note: str


def show(scene: Scene, look: Look, denoised: Pixels | None, psnr_db: float | None = None) -> Shown:
    """The view that is open.

    Args:
        scene: what the visitor works on.
        look: how.
        denoised: the denoised picture at the strength asked for, where there is one.
        psnr_db: its PSNR, where it is known.

    Raises:
        ValueError: unknown view.
    """
    views = {
        "Slider": _slider,
        "Side by side": _side_by_side,
        "Detail": _detail,
        "Difference": _difference,
        SAMPLES: _samples,
    }
    if look.view not in views:
        raise ValueError(f"unknown view {look.view!r}; choose one of {', '.join(VIEWS)}")
    shown = views[look.view](scene, denoised, look)
    if look.view in ("Detail", SAMPLES):  # the PSNR is that of the whole picture
        return shown
    before = None if scene.before is None else scene.before.psnr_db
    known = {"Noisy": before, "Denoised": None if denoised is None else psnr_db}
    captions = tuple(_with_psnr(name, known.get(name)) for name in shown.captions)
    return replace(shown, captions=captions)


def denoised_pixels(scene: Scene, strength: float) -> Pixels | None:
    """The denoised picture at `strength` percent, at full size; None before the first run."""
    if scene.result is None:
        return None
    if not 0 <= strength <= 100:
        raise ValueError(f"strength lies between 0 and 100 %, got {strength:g}")
    return mixed(scene.noisy, scene.result.estimate, strength / 100)


def crop_box(pixels: Pixels, look: Look, side: int = DETAIL_PX) -> Box:
    """Rows and columns of a square of `side` px around the visitor's place, inside the picture."""
    height, width = pixels.shape[:2]
    return _around(height, look.down, side), _around(width, look.across, side)


def enlarged(pixels: Pixels, scale: int = DETAIL_SCALE) -> Pixels:
    """Each pixel as a square of `scale` px."""
    return pixels.repeat(scale, 0).repeat(scale, 1)


def map_shape(scene: Scene) -> tuple[int, int]:
    """Height and width of the little map that the detail is picked on."""
    height, width = shrunk(scene.noisy, MAP_PX).shape[:2]
    return height, width


def _slider(scene: Scene, denoised: Pixels | None, look: Look) -> Shown:
    noisy = _whole(scene.noisy)
    right = noisy if denoised is None else _whole(denoised)
    names = ("Noisy", "not denoised yet" if denoised is None else "Denoised")
    return Shown(look.view, (noisy, right), names, _size_note(scene))


def _side_by_side(scene: Scene, denoised: Pixels | None, look: Look) -> Shown:
    pictures = tuple(
        None if pixels is None else _whole(pixels)
        for pixels in (scene.noisy, denoised, scene.reference)
    )
    return Shown(look.view, pictures, ("Noisy", "Denoised", "Clean"), _size_note(scene))


def _detail(scene: Scene, denoised: Pixels | None, look: Look) -> Shown:
    box = crop_box(scene.noisy, look)
    crops = tuple(
        None if pixels is None else enlarged(pixels[box])
        for pixels in (scene.noisy, denoised, scene.reference)
    )
    note = (
        f"At {DETAIL_SCALE} times its size, without smoothing. "
        "Click on the small picture, or use the sliders, to move."
    )
    whole = scene.noisy if denoised is None else denoised
    captions = ("Where", "Noisy", "Denoised", "Clean")
    return Shown(look.view, (_marked(whole, box), *crops), captions, note)


def _difference(scene: Scene, denoised: Pixels | None, look: Look) -> Shown:
    if denoised is None:
        return Shown(
            look.view,
            (None,),
            ("Difference",),
            "There is nothing to compare yet: press Denoise first.",
        )
    rows, columns = crop_box(scene.noisy, look, LONGEST_PX)
    estimate = denoised[rows, columns].astype(np.int16)
    if look.difference == LEFT and scene.reference is not None:
        difference = np.abs(estimate - scene.reference[rows, columns])
        zero, caption, meaning = 0, "|denoised - clean|", "black is no error"
    else:
        difference = scene.noisy[rows, columns] - estimate
        zero, caption, meaning = 128, "Removed: noisy - denoised", "grey is no change"
    gain = _gain(difference, 255 - zero)
    picture = np.clip(zero + gain * difference, 0, 255).astype(np.uint8)
    note = f"Contrast × {gain}; {meaning}."
    if picture.shape != scene.noisy.shape:
        note += f" The part of {picture.shape[1]} × {picture.shape[0]} px around the detail."
    return Shown(look.view, (picture,), (caption,), note)


def _samples(scene: Scene, denoised: Pixels | None, look: Look) -> Shown:
    """The newest samples, f(y) of the same part, the clean part, the mean, where they disagree."""
    drawn = scene.drawn
    if drawn is None or drawn.box != crop_box(scene.noisy, look, PART_PX):
        return Shown(look.view, (None,) * (NEWEST + 4), ("",) * (NEWEST + 4), "")
    clean = None if scene.reference is None else scene.reference[drawn.box]
    count = drawn.moments.count
    last = range(count - len(drawn.newest) + 1, count + 1)
    named: list[tuple[Pixels | None, str]] = [
        (pixels, _measured(f"Sample {number}", pixels, clean))
        for number, pixels in zip(last, drawn.newest, strict=True)
    ]
    named += [(None, "")] * (NEWEST - len(named))
    named.append((drawn.denoised, _measured("Denoised", drawn.denoised, clean)))
    named.append((clean, "Clean"))
    mean, overlay, note = None, None, ""
    if count > 1:
        mean = images.to_uint8(drawn.moments.mean)
        overlay, note = _disagreement(drawn, mean)
    named.append((mean, "" if mean is None else _measured(f"Mean of {count}", mean, clean)))
    named.append((overlay, "Disagreement"))
    shown, captions = zip(*named, strict=True)
    return Shown(look.view, shown, captions, note)


def _measured(name: str, pixels: Pixels, clean: Pixels | None) -> str:
    return _with_psnr(name, None if clean is None else quality.psnr_db(pixels, clean))


def _disagreement(drawn: Drawn, mean: Pixels) -> tuple[Pixels, str]:
    """The spread of a pixel as a colour over the grey mean, and what the colour means."""
    squares = drawn.moments.spread.square().mean(1)[0]  # over the channels
    spread = 255 * squares.sqrt().numpy()
    reach = float(np.percentile(spread, 99))
    scale = next((scale for scale in SCALES_255 if scale >= reach), SCALES_255[-1])
    weight = np.clip(spread / scale, 0, 1)[..., None]
    picture = (1 - weight) * mean.mean(-1, keepdims=True) + weight * np.array(DOUBT)
    note = (
        f"Where {drawn.moments.count} samples disagree: grey not at all, full orange by "
        f"{scale} of 255 or more (standard deviation)."
    )
    return picture.round().astype(np.uint8), note


def _gain(difference: np.ndarray, room: int) -> int:
    """The largest power of two, up to 16, at which 99 % of the values keep their place."""
    reach = float(np.percentile(np.abs(difference[::3, ::3]), 99))
    return next((gain for gain in (16, 8, 4, 2) if gain * reach <= room), 1)


def _marked(pixels: Pixels, box: Box) -> Pixels:
    small = shrunk(pixels, MAP_PX)
    scale = small.shape[1] / pixels.shape[1]
    picture = Image.fromarray(small).convert("RGB")
    rows, columns = box
    corners = [scale * edge for edge in (columns.start, rows.start, columns.stop, rows.stop)]
    pen = ImageDraw.Draw(picture)
    pen.rectangle([round(edge) for edge in corners], outline=(255, 255, 255), width=4)
    pen.rectangle([round(edge) for edge in corners], outline=MARK, width=2)
    return np.asarray(picture)


def _with_psnr(name: str, psnr_db: float | None) -> str:
    if psnr_db is None or not math.isfinite(psnr_db):
        return name
    return f"{name}, {psnr_db:.1f} dB"


def _around(length: int, percent: float, side: int) -> slice:
    side = min(side, length)
    start = min(max(round(length * percent / 100 - side / 2), 0), length - side)
    return slice(start, start + side)


def _whole(pixels: Pixels) -> Pixels:
    """A large picture shrunk, a tiny one enlarged without smoothing."""
    times = LEAST_PX // max(pixels.shape[:2])
    return enlarged(pixels, times) if times > 1 else shrunk(pixels, LONGEST_PX)


def _size_note(scene: Scene) -> str:
    height, width = scene.noisy.shape[:2]
    size, longest = f"{width} × {height} px", max(height, width)
    percent = 100 * LONGEST_PX / longest
    if percent >= 100:
        return f"{size}, shown {'enlarged' if LEAST_PX // longest > 1 else 'whole'}."
    return f"{size}, shown at {percent:.0f} %, where noise looks weaker; Detail has exact pixels."
