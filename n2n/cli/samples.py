"""`denoise --samples N`: pictures from p(x | y) beside the denoised one, as NAME.sample1.png."""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from n2n import images, noise_level, posterior, shipped
from n2n.denoiser import Denoiser

BAR = "{l_bar}{bar}| {elapsed}<{remaining}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `denoise`."""
    parser.add_argument(
        "--samples",
        type=int,
        default=0,
        metavar="N",
        help="also write N pictures that the noisy one leaves possible, each sharp and none the "
        "best guess; for white Gaussian noise, 21 times the work each (default: 0)",
    )
    parser.add_argument(
        "--samples-sigma",
        type=float,
        help="level of the noise in 8-bit units (default: estimated)",
    )
    parser.add_argument(
        "--samples-seed", type=int, default=0, help="names the samples (default: 0)"
    )


def count(arguments: argparse.Namespace) -> int:
    """How many samples are wanted of each picture.

    Raises:
        ValueError: fewer than none.
    """
    wanted: int = arguments.samples
    if wanted < 0:
        raise ValueError(f"--samples is 0 or more, got {wanted}")
    return wanted


def paths(target: Path, count: int) -> list[Path]:
    """Where the samples go that belong to a denoised picture."""
    numbers = range(1, count + 1)
    return [target.with_name(f"{target.stem}.sample{number}{target.suffix}") for number in numbers]


def write(
    denoiser: Denoiser, pixels: np.ndarray, target: Path, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Write the samples of one picture; what to add to its record.

    Raises:
        ValueError: a grey picture, noise too weak to leave a choice, or a model that knows it not.
    """
    if pixels.ndim == 2:
        raise ValueError("samples need a colour picture: grey noise is not white in colour")
    noisy = images.to_tensor(pixels)
    sigma, doubt = arguments.samples_sigma, None
    if sigma is None:
        level = noise_level.estimate(denoiser, noisy)
        sigma, doubt = level.sigma_255, level.doubt
    training = shipped.card_beside(shipped.weights_path(denoiser.name)).get("training", {})
    if "noise" in training:  # of a file without a card nobody knows
        posterior.require_trained(denoiser.name, training["noise"], sigma)
    to_pixels = images.to_uint16 if pixels.dtype == np.uint16 else images.to_uint8
    written = paths(target, arguments.samples)
    with tqdm(total=1.0, desc="samples", leave=False, bar_format=BAR) as bar:
        drawn = posterior.samples(
            denoiser,
            noisy,
            sigma,
            arguments.samples,
            seed=arguments.samples_seed,
            progress=lambda part: bar.update(part - bar.n),
        )
        for path, sample in zip(written, drawn, strict=True):
            images.write(path, to_pixels(sample))
    return {
        "samples": [str(path) for path in written],
        "sigma_255": round(sigma, 2),
        "doubt": doubt,
    }


def sentence(record: dict[str, Any]) -> str:
    """What was drawn, for a person; nothing where nothing was."""
    if "samples" not in record:
        return ""
    count, doubt = len(record["samples"]), record["doubt"]
    drawn = f"{count} sample{'s' if count > 1 else ''} beside it, from σ {record['sigma_255']:g}"
    return f"; {drawn}" + (f" (a guess: {doubt})" if doubt else "")
