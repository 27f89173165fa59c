"""Text written over a picture (Lehtinen et al. 2018, section 3.2).

Writing is slow, so it is done once: on a sheet whose edges meet, string after string. Every draw
takes a window of it, at a random place and in random colours.
"""

import functools
import string
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import torch
from PIL import ImageFont
from torch import Tensor

from n2n.noise.base import Checked, Parameter
from n2n.randomness import keyed_rng

SHEET_PX = 1024
MOST_COVERED = 0.5
SIZES_PX = (10, 12, 15, 18, 22, 27, 33, 40)
LETTERS = string.ascii_letters + string.digits
SHORTEST, LONGEST = 3, 12  # letters of a string


@dataclass(frozen=True)
class TextOverlay(Checked):
    """Random strings in random sizes, places and colours cover a share p of the pixels.

    A covered pixel takes its string's colour, uniform in [0, 1]³; the others stay x. Not zero-mean:
    E[y | x] = x + p·(1/2 - x). While p < 1/2 the median of y is x: train with L1.
    """

    share: float | Tensor = 0.15

    title: ClassVar[str] = "Text"
    loss: ClassVar[str] = "l1"
    zero_mean: ClassVar[bool] = False
    in_bands: ClassVar[bool] = False  # they would cut letters in two
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="share",
            label="share of pixels covered",
            low=0,
            high=MOST_COVERED,
            default=0.15,
            slider=(0, MOST_COVERED),
            step=0.01,
            meaning="0.02: a caption · 0.15: a poster · 0.4: hard to see what is behind",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw: for each image a window of the sheet, and a colour for each string."""
        sheet, device = written_sheet(clean.device), clean.device
        batch, channels, height, width = clean.shape
        top, left = torch.randint(SHEET_PX, (2, batch, 1), generator=rng, device=device)
        rows = (top + torch.arange(height, device=device)) % SHEET_PX
        columns = (left + torch.arange(width, device=device)) % SHEET_PX
        owner = sheet.owner[rows[:, :, None], columns[:, None, :]]
        shape = batch, len(sheet.covered_before), channels
        colours = torch.rand(shape, generator=rng, device=device, dtype=clean.dtype)
        text = colours[torch.arange(batch, device=device)[:, None, None], owner]
        is_covered = sheet.covered_before[owner][:, None] < self.share
        return torch.where(is_covered, text.permute(0, 3, 1, 2), clean)


@dataclass(frozen=True)
class Sheet:
    """A square of text, whose strings cover a share p of it if those are taken that begin below p.

    owner: (S, S), the string that each pixel belongs to: the first to be written there; -1: none.
    covered_before: (strings + 1,), the share that was covered when a string was begun; 1 at index
        -1, since what belongs to no string is never covered.
    """

    owner: Tensor
    covered_before: Tensor


@functools.cache
def written_sheet(device: torch.device) -> Sheet:
    """The sheet, written once and kept on each device that asks for it."""
    if device.type != "cpu":
        sheet = written_sheet(torch.device("cpu"))
        return Sheet(sheet.owner.to(device), sheet.covered_before.to(device))
    rng = keyed_rng("a sheet of text")
    owner = np.full((SHEET_PX, SHEET_PX), -1)
    covered_before: list[float] = []
    covered = 0  # pixels
    while covered < MOST_COVERED * owner.size:
        letters = _string(rng)
        top, left = torch.randint(SHEET_PX, (2,), generator=rng).tolist()
        height, width = letters.shape
        window = np.ix_((top + np.arange(height)) % SHEET_PX, (left + np.arange(width)) % SHEET_PX)
        is_free = letters & (owner[window] == -1)
        owner[window] = np.where(is_free, len(covered_before), owner[window])
        covered_before.append(covered / owner.size)
        covered += int(is_free.sum())
    return Sheet(torch.from_numpy(owner), torch.tensor([*covered_before, 1.0]))


_font = functools.cache(ImageFont.load_default)


def _string(rng: torch.Generator) -> npt.NDArray[np.bool_]:
    """The pixels (height, width) of a random string in the font that Pillow brings along."""
    font = _font(SIZES_PX[_below(len(SIZES_PX), rng)])
    length = SHORTEST + _below(LONGEST - SHORTEST + 1, rng)
    pixels = font.getmask("".join(LETTERS[_below(len(LETTERS), rng)] for _ in range(length)))
    return np.asarray(pixels, np.uint8).reshape(pixels.size[::-1]) > 127


def _below(limit: int, rng: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=rng))
