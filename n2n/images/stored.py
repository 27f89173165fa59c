"""From a decoded picture as its file stores it to upright sRGB pixels, a band of rows at a time.

Working in bands keeps a large picture cheap: next to Pillow's own buffer there is the result, and
nothing else of that size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from n2n.images.profiles import to_srgb

Array = npt.NDArray[Any]
BAND_PIXELS = 1 << 20


@dataclass(frozen=True)
class Stored:
    """A picture as its file stores it: not yet upright, not yet sRGB, alpha apart.

    Attributes:
        height, width: in pixels, as stored.
        space: "L" (H, W), "RGB" (H, W, 3) or "CMYK" (H, W, 4).
        dtype: uint8 or uint16.
        rows: the colours of some rows, not premultiplied, and their alpha (H, W) if there is any.
        orientation: EXIF, 1 to 8.
        icc: the embedded colour profile.
        notes: what decoding changed.
    """

    height: int
    width: int
    space: str
    dtype: npt.DTypeLike
    rows: Callable[[slice], tuple[Array, Array | None]]
    orientation: int = 1
    icc: bytes | None = None
    notes: tuple[str, ...] = ()


def finish(stored: Stored) -> tuple[Array, tuple[str, ...]]:
    """Make pixels upright, sRGB and opaque; say what changed."""
    convert, colour_note = to_srgb(stored.icc, stored.space, stored.dtype)
    height, width = stored.height, stored.width
    shape = (width, height) if stored.orientation >= 5 else (height, width)
    pixels = np.empty(shape if stored.space == "L" else (*shape, 3), stored.dtype)
    as_stored = _as_stored(pixels, stored.orientation)
    transparent = False
    for rows in _bands(height, width):
        colour, alpha = stored.rows(rows)
        colour = convert(colour)
        if alpha is not None and alpha.min() < np.iinfo(alpha.dtype).max:
            colour, transparent = _on_white(colour, alpha), True
        as_stored[rows] = colour
    said = (
        colour_note,
        "transparent parts composited on white" if transparent else None,
        "turned upright as its EXIF orientation says" if stored.orientation != 1 else None,
    )
    return pixels, stored.notes + tuple(note for note in said if note)


def unpremultiplied(colour: Array, alpha: Array) -> Array:
    """Divide colours (H, W, C) by their alpha (H, W); the invisible become black."""
    top = np.uint32(np.iinfo(colour.dtype).max)
    alpha = alpha[..., None].astype(np.uint32)
    divided: Array = (colour * top + alpha // 2) // np.maximum(alpha, 1)
    return np.minimum(divided, top).astype(colour.dtype)


def _bands(height: int, width: int) -> Iterator[slice]:
    step = max(1, BAND_PIXELS // width)
    return (slice(top, min(top + step, height)) for top in range(0, height, step))


def _on_white(colour: Array, alpha: Array) -> Array:
    """Composite at full depth: round((colour * alpha + top * (top - alpha)) / top)."""
    # Each of these just holds top**2 + top / 2.
    wide: Any = np.uint16 if colour.dtype == np.uint8 else np.uint32
    top = wide(np.iinfo(colour.dtype).max)
    alpha = alpha.astype(wide)
    if colour.ndim == 3:
        alpha = alpha[..., None]
    blended: Array = (colour * alpha + top * (top - alpha) + top // wide(2)) // top
    return blended.astype(colour.dtype)


def _as_stored(upright: Array, orientation: int) -> Array:
    """View an upright array in the order in which a file of this EXIF orientation stores it."""
    if orientation in (2, 3):
        upright = upright[:, ::-1]
    if orientation in (3, 4):
        upright = upright[::-1]
    if orientation == 6:
        return np.rot90(upright, 1)
    if orientation == 8:
        return np.rot90(upright, -1)
    if orientation == 7:
        upright = upright[::-1, ::-1]
    return upright.swapaxes(0, 1) if orientation in (5, 7) else upright
