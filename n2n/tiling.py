"""Tile geometry, apart from pixels: one axis at a time."""

from collections.abc import Iterator
from itertools import product
from typing import NamedTuple


class Span(NamedTuple):
    """One tile on one axis: read here, of that keep this part, write it there."""

    read: slice
    keep: slice
    write: slice


class Tile(NamedTuple):
    """One tile of a picture: (rows, columns) to read, to keep of the result, and to write."""

    read: tuple[slice, slice]
    keep: tuple[slice, slice]
    write: tuple[slice, slice]


def spans(length: int, tile: int, halo: int) -> Iterator[Span]:
    """Cover one axis of `length` px: read a tile with `halo` px of context, then crop it away."""
    for start in range(0, length, tile):
        stop = min(start + tile, length)
        low, high = max(start - halo, 0), min(stop + halo, length)
        yield Span(slice(low, high), slice(start - low, stop - low), slice(start, stop))


def tiles(height: int, width: int, tile: int, halo: int) -> list[Tile]:
    """Cover a picture: tiled equals whole for a halo from the network's radius up.

    Tile and halo must be multiples of its stride.
    """
    return [
        Tile((y.read, x.read), (y.keep, x.keep), (y.write, x.write))
        for y, x in product(spans(height, tile, halo), spans(width, tile, halo))
    ]
