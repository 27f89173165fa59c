"""The one road of a picture in the app: read -> 8 bit -> noise -> 8 bit; all of it in bands.

Bands of rows keep a picture of many megapixels from ever becoming one float array. Each band draws
its noise from its own key, so a part of a picture gets the very noise that the whole gets. A noise
with a structure that bands would cut, such as text, takes the whole picture as one band.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from n2n import images
from n2n.data import samples
from n2n.denoiser import mix
from n2n.noise import Noise
from n2n.randomness import keyed_rng

Pixels = npt.NDArray[np.uint8]
BAND_ROWS = 256  # of the noisy picture


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as it came, at 8 bit: pixels (H, W) or (H, W, 3), and what reading it changed."""

    pixels: Pixels
    notes: tuple[str, ...] = ()


def read(path: str | Path, max_megapixels: float) -> Picture:
    """Read a picture file of at most so many megapixels.

    Raises:
        ImageError: it cannot be read, or is larger.
    """
    picture = images.read(path, max_pixels=round(max_megapixels * 1e6))
    if picture.pixels.dtype == np.uint8:
        return Picture(picture.pixels, picture.notes)
    note = "16 bits per sample became 8, which is what this page shows and denoises"
    pixels = _rounded(picture.pixels, _banded(picture.pixels, lambda band, _: band))
    return Picture(pixels, (*picture.notes, note))


@cache
def sample(name: str) -> Picture:
    """One of the sample photos."""
    return Picture(samples.sample(name))


def reference(clean: Pixels, noise: Noise) -> Pixels:
    """What a perfect denoiser would return, rounded to 8 bit."""
    bands = _banded(clean, lambda band, _: noise.reference(band), _block_px(noise))
    return _rounded(clean, bands)


def add_noise(clean: Pixels, noise: Noise, seed: int, only: slice | None = None) -> Pixels:
    """One draw of the noise, clipped and rounded to 8 bit as in a file.

    Args:
        clean: (H, W) or (H, W, 3).
        noise: what to add.
        seed: the same seed gives the same noise.
        only: rows of the noisy picture to compute and give back.
    """
    return _rounded(clean, _draws(clean, noise, seed, only))


def unclipped(clean: Pixels, noise: Noise, seed: int, only: slice) -> Tensor:
    """The same draw before it was clipped and rounded: float (1, C, h, W) of the rows `only`."""
    return torch.cat(list(_draws(clean, noise, seed, only)), dim=-2)


def _draws(clean: Pixels, noise: Noise, seed: int, only: slice | None) -> Iterator[Tensor]:
    def draw(band: Tensor, index: int) -> Tensor:
        return noise(band, keyed_rng(seed, index))

    rows = BAND_ROWS if noise.in_bands else len(clean)
    return _banded(clean, draw, _block_px(noise), rows, only)


def mixed(noisy: Pixels, estimate: Pixels, strength: float) -> Pixels:
    """The denoiser's mixture of input and estimate; strength 0 to 1."""
    if strength == 1:
        return estimate
    result = np.empty_like(noisy)
    for rows in bands(len(noisy)):
        result[rows] = mix(noisy[rows], estimate[rows], strength)
    return result


def bands(height: int, rows: int = BAND_ROWS) -> Iterator[slice]:
    """Cover `height` rows."""
    for start in range(0, height, rows):
        yield slice(start, min(start + rows, height))


def shrunk(pixels: Pixels, longest: int) -> Pixels:
    """At most `longest` px on the long side; a smaller picture comes back as it is."""
    height, width = pixels.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return pixels
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return np.asarray(small)


def middle(pixels: Pixels, megapixels: float) -> Pixels:
    """The part of at most so many megapixels around the middle, of the same shape."""
    height, width = pixels.shape[:2]
    scale = min(1.0, (megapixels * 1e6 / (height * width)) ** 0.5)
    rows, columns = max(1, int(height * scale)), max(1, int(width * scale))
    top, left = (height - rows) // 2, (width - columns) // 2
    return pixels[top : top + rows, left : left + columns]


def as_tensor(pixels: npt.NDArray[Any]) -> Tensor:
    """(1, 3, h, w), or (1, 1, h, w) for a grey picture: its noise has one channel, too."""
    tensor = images.to_tensor(pixels)
    return tensor[:, :1] if pixels.ndim == 2 else tensor


def _block_px(noise: Noise) -> int:
    """Point sampling makes one pixel of each block: a band must hold whole blocks."""
    return int(getattr(noise, "block_px", 1))


@torch.inference_mode()
def _banded(
    pixels: npt.NDArray[Any],
    change: Callable[[Tensor, int], Tensor],
    block_px: int = 1,
    band_rows: int = BAND_ROWS,
    only: slice | None = None,
) -> Iterator[Tensor]:
    """Apply `change(band, index)` to float bands, (1, C, h, w) each; of these the rows `only`."""
    whole = len(pixels) - len(pixels) % block_px or len(pixels)
    only = only or slice(0, whole)
    for index, rows in enumerate(bands(whole, band_rows * block_px)):
        top, bottom = index * band_rows, (index + 1) * band_rows
        if bottom <= only.start or top >= only.stop:
            continue
        changed = change(as_tensor(pixels[rows]), index)
        yield changed[..., max(only.start - top, 0) : only.stop - top, :]


def _rounded(pixels: npt.NDArray[Any], parts: Iterator[Tensor]) -> Pixels:
    """Bands as one 8-bit picture, grey as `pixels` is."""
    colour = (images.to_uint8(part.expand(-1, 3, -1, -1)) for part in parts)
    whole = [part[..., 0] if pixels.ndim == 2 else part for part in colour]
    return np.ascontiguousarray(np.concatenate(whole))
