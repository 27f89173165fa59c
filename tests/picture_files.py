"""Picture files made by hand, so that the tests of `n2n.images` do not trust the code they test."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable

import numpy as np
import tifffile
from PIL import Image

ADAM7 = [
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
]
COLOUR_TYPE = {1: 0, 2: 4, 3: 2, 4: 6}


def pattern(height: int, width: int, channels: int = 3, depth: int = 8) -> np.ndarray:
    """Scattered values that use every bit, extremes included, the same each time."""
    index = np.arange(height * width * channels, dtype=np.uint64).reshape(height, width, channels)
    values = (index * 2654435761 >> 7) % 2**depth
    values.flat[:2] = 0, 2**depth - 1
    return values.astype(np.uint8 if depth == 8 else np.uint16)


def saved(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png16(pixels: np.ndarray, *, interlaced: bool = False, extra: bytes = b"") -> bytes:
    """A 16-bit PNG of (H, W, 1 to 4) with filter 0; `extra` holds chunks before the pixels."""
    height, width, channels = pixels.shape
    passes = [pixels[y::dy, x::dx] for x, y, dx, dy in ADAM7] if interlaced else [pixels]
    rows = [b"\0" + row.astype(">u2").tobytes() for part in passes if part.size for row in part]
    header = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPE[channels], 0, 0, interlaced)
    body = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def png_bomb(width: int, height: int) -> bytes:
    """A small file of many black pixels."""
    squeeze = zlib.compressobj(9)
    row = b"\0" * (1 + 3 * width)
    data = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + parts


# Adobe RGB (1998), section 4.3.4 and ICC conventions: primaries adapted to D50, gamma 563/256.
ADOBE_TO_XYZ = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
ADOBE_GAMMA = 563 / 256
D50 = (0.9642, 1.0, 0.8249)


def icc_profile(*, grey: bool = False) -> bytes:
    """A version 2 display profile: Adobe RGB, or grey of the same gamma."""
    gamma = b"curv" + struct.pack(">IIH", 0, 1, 563) + b"\0\0"
    text = b"Adobe RGB (1998)\0"
    desc = b"desc" + struct.pack(">II", 0, len(text)) + text + b"\0" * 78
    tags = [(b"desc", desc), (b"wtpt", _xyz(D50)), (b"cprt", b"text\0\0\0\0none\0")]
    if grey:
        tags.append((b"kTRC", gamma))
    else:
        tags += [(name, gamma) for name in (b"rTRC", b"gTRC", b"bTRC")]
        columns = zip((b"rXYZ", b"gXYZ", b"bXYZ"), ADOBE_TO_XYZ.T, strict=True)
        tags += [(name, _xyz(column)) for name, column in columns]
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data + b"\0" * (-len(data) % 4)
    space = b"GRAY" if grey else b"RGB "
    head = struct.pack(
        ">I4sI4s4s4s", start + len(body), b"lcms", 0x02100000, b"mntr", space, b"XYZ "
    )
    head += (
        struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + b"\0" * 28 + _xyz(D50)[8:] + b"\0" * 48
    )
    return head + struct.pack(">I", len(tags)) + table + body


def _xyz(values: Iterable[float]) -> bytes:
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(v) * 65536) for v in values))


def adobe_to_srgb(unit: np.ndarray) -> np.ndarray:
    """The same conversion in float64 from the published matrices, [0, 1] to [0, 1]."""
    srgb_to_xyz = np.array(
        [
            [0.4360747, 0.3850649, 0.1430804],
            [0.2225045, 0.7168786, 0.0606169],
            [0.0139322, 0.0971045, 0.7141733],
        ]
    )
    linear = unit**ADOBE_GAMMA
    if unit.ndim == 3:
        linear = linear @ ADOBE_TO_XYZ.T @ np.linalg.inv(srgb_to_xyz).T
    linear = linear.clip(0, 1)
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
