"""The three picture endpoints: stateless, files and numbers in, pictures and plain values out."""

import math
from typing import Any

import numpy as np

from n2n.denoiser import Denoised
from n2n.noise import create_noise
from n2n.noise_level import NoiseLevel
from n2n.ui.handlers import models, network, pictures
from n2n.ui.handlers.denoise import parameters, whole_seed
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
        ValueError: no picture, an unknown noise, or a level outside its range.
    """
    parameters(noise)
    model = create_noise(noise, math.nan if level is None else level)
    return pictures.add_noise(_read(image).pixels, model, whole_seed(seed))


def denoise(image: str | None, model: str, strength: float) -> tuple[Pixels, dict[str, Any]]:
    """Denoise a picture.

    Args:
        image: a picture file.
        model: one of the shipped models.
        strength: 1 for the estimate, 0 for the input, between for a mixture.

    Returns:
        The denoised picture at 8 bit, and what is known of it: model, device, megapixels,
        milliseconds, sigma (of the noise found, in 8-bit units) and expected_psnr_db (of the
        estimate), both None where `doubt` says why they cannot be known, and notes.

    Raises:
        ValueError: no picture, no such model, or a strength outside 0 to 1.
    """
    if strength is None or not 0 <= strength <= 1:
        raise ValueError(f"strength lies between 0 (the input) and 1 (denoised), got {strength}")
    picture = _read(image)
    noisy = picture.pixels

    def job(tell: network.Tell) -> tuple[Denoised, NoiseLevel]:
        denoised = network.denoise(model, noisy, tell)
        return denoised, network.level(model, noisy, models.level_megapixels(model))

    denoised, level = network.result_of(network.in_turn(job))
    sure = level.doubt is None
    facts = {
        "model": model,
        "device": denoised.device,
        "megapixels": denoised.megapixels,
        "milliseconds": denoised.milliseconds,
        "sigma": _finite(level.sigma_255) if sure else None,
        "expected_psnr_db": _finite(level.expected_psnr_db) if sure else None,
        "doubt": level.doubt,
        "notes": [*picture.notes, *denoised.notes],
    }
    return pictures.mixed(noisy, denoised.image, strength), facts


def compare(noisy: str | None, denoised: str | None, clean: str | None) -> dict[str, Any]:
    """How close two pictures are to a third.

    Args:
        noisy: a picture file.
        denoised: another of the same size.
        clean: the one that both are measured against.

    Returns:
        psnr_db and ssim, each [noisy, denoised]: 8 bit against 8 bit over all pixels and channels.
        None stands for the PSNR of identical pictures and the SSIM of one below 11 px.

    Raises:
        ValueError: a picture is missing, or they differ in size.
    """
    before, after, reference = _alike([_read(path) for path in (noisy, denoised, clean)])
    found = quality(before, reference), quality(after, reference)
    return {
        "psnr_db": [_finite(one.psnr_db) for one in found],
        "ssim": [_finite(one.ssim or math.nan) for one in found],
    }


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
