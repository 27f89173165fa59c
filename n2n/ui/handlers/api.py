"""The three picture endpoints: stateless, files and numbers in, pictures and plain values out."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from n2n.denoiser import Denoised, check_strength
from n2n.noise import create_noise
from n2n.noise_level import NoiseLevel
from n2n.ui.handlers import models, network, pictures
from n2n.ui.handlers.denoise import parameters, whole_seed
from n2n.ui.handlers.network import Finished
from n2n.ui.handlers.pictures import Picture, Pixels
from n2n.ui.handlers.quality import quality
from n2n.ui.limits import limits


def add_noise(image: str | None, noise: str, level: float, seed: float) -> Pixels:
    """Add noise to a picture; the result is clipped and rounded to 8 bit.

    Args:
        image: a picture file.
        noise: one of the noises that the page lists, such as gaussian.
        level: its first number, in its own unit: for gaussian, σ in 8-bit units, 0 to 255.
        seed: a whole number; the same seed gives the same noise.

    Raises:
        ValueError: no picture, an unknown noise, no number, or a level outside its range.
    """
    parameters(noise)
    model, whole = create_noise(noise, number("level", level)), whole_seed(number("seed", seed))
    return pictures.add_noise(_read(image).pixels, model, whole)


def denoise(
    image: str | None, model: str, strength: float
) -> Iterator[tuple[Pixels | None, dict[str, Any] | None]]:
    """Denoise a picture.

    Args:
        image: a picture file.
        model: one of the shipped models.
        strength: 1 for the estimate, 0 for the input, between for a mixture.

    Yields:
        Nothing but (None, None) while the work goes on, so that it can be cancelled; then the
        denoised picture at 8 bit, and what is known of it: model, device, megapixels,
        milliseconds, sigma (of the noise found, in 8-bit units) and expected_psnr_db (of the
        estimate), both None where `doubt` says why they cannot be known, and notes.

    Raises:
        ValueError: no picture, no such model, a strength outside 0 to 1, or a picture that is too
            large for a slow model.
    """
    part = number("strength", strength)
    check_strength(part)
    network.load(model)  # an unknown name is refused before the wait
    picture = _read(image)
    noisy = picture.pixels
    models.check_size(model, noisy)

    def job(tell: network.Tell) -> tuple[Denoised, NoiseLevel]:
        denoised = network.denoise(model, noisy, tell)
        return denoised, network.level(model, noisy, models.level_megapixels(model))

    for event in network.in_turn(job):
        if isinstance(event, Finished):
            denoised, level = event.value
            facts = _facts(model, denoised, level, picture.notes)
            yield pictures.mixed(noisy, denoised.image, part), facts
        else:
            yield None, None


def compare(noisy: str | None, denoised: str | None, clean: str | None) -> dict[str, Any]:
    """How close two pictures are to a third.

    Args:
        noisy: a picture file.
        denoised: another of the same size.
        clean: the one that both are measured against.

    Returns:
        psnr_db and ssim, each [noisy, denoised]: 8 bit against 8 bit over all pixels and channels.
        None stands for the PSNR of identical pictures and the SSIM of one below 11 px. Where
        reading changed a picture, notes say what.

    Raises:
        ValueError: a picture is missing, or they differ in size.
    """
    read = {"noisy": _read(noisy), "denoised": _read(denoised), "clean": _read(clean)}
    before, after, reference = _alike(list(read.values()))
    found = quality(before, reference), quality(after, reference)
    scores: dict[str, Any] = {
        "psnr_db": [_finite(one.psnr_db) for one in found],
        "ssim": [_finite(math.nan if one.ssim is None else one.ssim) for one in found],
    }
    notes = [f"{name}: {note}" for name, picture in read.items() for note in picture.notes]
    return scores | ({"notes": notes} if notes else {})


def _facts(
    model: str, denoised: Denoised, level: NoiseLevel, notes: tuple[str, ...]
) -> dict[str, Any]:
    sure = level.doubt is None
    return {
        "model": model,
        "device": denoised.device,
        "megapixels": denoised.megapixels,
        "milliseconds": denoised.milliseconds,
        "sigma": _finite(level.sigma_255) if sure else None,
        "expected_psnr_db": _finite(level.expected_psnr_db) if sure else None,
        "doubt": level.doubt,
        "notes": [*notes, *denoised.notes],
    }


def number(name: str, value: object) -> float:
    """A number from a program, which may send anything; whole ones stay exact.

    Raises:
        ValueError: it is none, or not finite.
    """
    try:
        if isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value):
            return value
    except OverflowError:  # a whole number beyond what a float holds
        raise ValueError(f"{name} is too large a number") from None
    got = f"a {type(value).__name__}" if isinstance(value, list | dict) else f"{value!r:.40}"
    raise ValueError(f"{name} must be a number, got {got}")


def _read(path: str | None) -> Picture:
    if path is None:
        raise ValueError("there is no picture: send a picture file")
    return pictures.read(path, limits().max_megapixels)


def _alike(found: list[Picture]) -> list[Pixels]:
    """All in colour where one is."""
    arrays = [picture.pixels for picture in found]
    if len({array.ndim for array in arrays}) == 1:
        return arrays
    return [np.repeat(a[..., None], 3, -1) if a.ndim == 2 else a for a in arrays]


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None
