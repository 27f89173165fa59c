"""What a network sees beyond a picture: its border, mirrored."""

from typing import NamedTuple, TypeVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

Picture = TypeVar("Picture", Tensor, np.ndarray)


def pad_to_multiple(image: Tensor, multiple: int, margin: int = 0) -> Tensor:
    """Mirror the border of (B, C, H, W): `margin` px of it, then behind up to whole multiples.

    Mirrored, not repeated: the same noise again and again is a streak, which no network takes for
    noise, and along the border it would stay.
    """
    rows, columns = (
        mirrored(side, -margin, side + margin + -(side + 2 * margin) % multiple)
        for side in image.shape[-2:]
    )
    return read(image, rows, columns) if any(rows[1:] + columns[1:]) else image


class Part(NamedTuple):
    """A part of an axis: these pixels, and so many mirrored ones before and behind them."""

    inside: slice
    before: int
    behind: int


def mirrored(length: int, start: int, stop: int) -> Part:
    """An axis of `length` px from `start` to `stop`, which may lie beyond its ends."""
    inside = slice(max(start, 0), min(stop, length))
    return Part(inside, max(-start, 0), max(stop - length, 0))


def read(source: Picture, rows: Part, columns: Part) -> Picture:
    """A part of a picture, an array (H, W[, C]) or a tensor (B, C, H, W)."""
    around: list[tuple[int, int]] = [(part.before, part.behind) for part in (rows, columns)]
    if isinstance(source, np.ndarray):
        seen = source[rows.inside, columns.inside]
        return np.pad(seen, around + [(0, 0)] * (seen.ndim - 2), mode="reflect")
    inside = source[..., rows.inside, columns.inside]
    if all(max(more) < size for more, size in zip(around, inside.shape[-2:], strict=True)):
        return functional.pad(inside, (*around[1], *around[0]), mode="reflect")
    places = [  # a side that is shorter than its mirrored border: there and back again
        np.pad(np.arange(size), more, mode="reflect")
        for more, size in zip(around, inside.shape[-2:], strict=True)
    ]
    return inside[..., places[0], :][..., places[1]]


def amid_border(network: nn.Module, noisy: Tensor) -> Tensor:
    """What a network makes of (B, 3, H, W) amid as much mirrored border as its `margin` says.

    Behind, as much more as its `stride` wants.
    """
    margin, stride = int(getattr(network, "margin", 0)), int(getattr(network, "stride", 1))
    height, width = noisy.shape[-2:]
    estimate: Tensor = network(pad_to_multiple(noisy, stride, margin))
    return estimate[..., margin : margin + height, margin : margin + width]
