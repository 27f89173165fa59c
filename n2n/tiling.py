"""Tile geometry, apart from pixels: one axis at a time."""

import math
from collections.abc import Iterator
from itertools import pairwise, product
from typing import NamedTuple

from n2n.models.padding import Part, mirrored

# The width of a window is a multiple of it: of a map 143 px wide the convolutions take a quarter
# longer than of one with 144.
GRID_PX = 32


class Span(NamedTuple):
    """One tile on one axis: read these pixels, of that keep this part, write it there."""

    read: Part
    keep: slice
    write: slice


class Tile(NamedTuple):
    """One tile of a picture: (rows, columns) to read, to keep of the result, and to write."""

    read: tuple[Part, Part]
    keep: tuple[slice, slice]
    write: tuple[slice, slice]


def spans(
    length: int, count: int, halo: int, stride: int = 1, grid: int = 1, margin: int = 0
) -> Iterator[Span]:
    """Cover an axis of `length` px by `count` tiles that all read as much, on the stride's grid.

    Around it the axis goes on for `margin` px, mirrored, and behind it up to the grid: fewer than
    `halo`, or none. What a tile reads within `halo` px of its ends it does not write, but at the
    ends of the axis.
    """
    surrounded = length + 2 * margin
    read = read_px(surrounded, count, halo, stride, grid)
    last = _on_grid(surrounded, stride) - read
    starts = [min(index * (read - 2 * halo), last) - margin for index in range(count)]
    edges = [0, *(min(start + read - halo, length) for start in starts[:-1]), length]
    for start, (low, high) in zip(starts, pairwise(edges), strict=True):
        yield Span(
            mirrored(length, start, start + read),
            slice(low - start, high - start),
            slice(low, high),
        )


def read_px(length: int, count: int, halo: int, stride: int = 1, grid: int = 1) -> int:
    """What each of `count` tiles must read to cover an axis, beyond its end up to the stride.

    A multiple of `grid`, too, unless it is all of the axis.
    """
    least = math.ceil((length + 2 * halo * (count - 1)) / count)
    return min(_on_grid(least, math.lcm(stride, grid)), _on_grid(length, stride))


def tiles(
    height: int, width: int, tile_px: int, halo: int, stride: int = 1, margin: int = 0
) -> list[Tile]:
    """Cover a picture by tiles that read no more than a square of `tile_px` and its halo does.

    They see the picture with `margin` px of its mirrored border around it, a multiple of `stride`.

    They all read a window of one shape, since a network prepares itself for every new one; of the
    shapes that will do, the one by which least is read twice. All lie on the network's stride; then
    tiled equals whole for a halo from the network's radius up.
    """
    halo = _on_grid(halo, stride)
    most = _on_grid(max(tile_px, 1), stride) + 2 * halo
    grid = GRID_PX if tile_px >= 8 * GRID_PX else 1
    sides = height + 2 * margin, width + 2 * margin
    down, across = min(_grids(*sides, most**2, halo, (stride, grid)))[1:]
    rows = spans(height, down, halo, stride, margin=margin)
    columns = spans(width, across, halo, stride, grid, margin)
    return [
        Tile((y.read, x.read), (y.keep, x.keep), (y.write, x.write))
        for y, x in product(rows, columns)
    ]


def _grids(
    height: int, width: int, most: int, halo: int, steps: tuple[int, int]
) -> Iterator[tuple[int, int, int]]:
    """What is read in all, the tiles down and across: few down for every number across."""
    stride, grid = steps
    for across in range(1, math.ceil(width / stride) + 1):
        columns = read_px(width, across, halo, stride, grid)
        rows = most // columns // stride * stride
        if rows >= height:
            down = 1
        elif rows > 2 * halo:
            down = math.ceil((_on_grid(height, stride) - 2 * halo) / (rows - 2 * halo))
        else:
            continue
        read = down * read_px(height, down, halo, stride) * across * columns
        yield read, down, across  # of two that read as much, the one of narrower tiles


def _on_grid(length: int, stride: int) -> int:
    return math.ceil(length / stride) * stride
