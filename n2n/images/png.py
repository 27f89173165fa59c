"""What Pillow leaves out of PNG: to read only whole files, and to write 16-bit colour."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from n2n.images.refusals import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
BLOCK = 1 << 20
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # samples per pixel, by colour type
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def size(head: bytes) -> tuple[int, int]:
    """Width and height from the first bytes of a file, (0, 0) where they are missing."""
    return struct.unpack(">II", head[16:24]) if len(head) >= 24 else (0, 0)


def check(stream: BinaryIO) -> None:
    """Refuse a PNG whose pixels are damaged or incomplete; Pillow alone leaves the rest black.

    Raises:
        ImageError: a checksum of a critical chunk is wrong, or rows are missing.
        zlib.error: the compressed pixels are damaged.
    """
    missing = 0
    inflate = zlib.decompressobj()
    for kind, data in _critical_chunks(stream):
        if kind == b"IHDR":
            missing = _raw_size(data)
        elif kind == b"IDAT" and missing > 0:
            while data and missing > 0 and not inflate.eof:
                missing -= len(inflate.decompress(data, BLOCK))
                data = inflate.unconsumed_tail
    if missing > len(inflate.flush()):
        raise ImageError(
            "this PNG is cut short or damaged: pixels are missing; save or fetch it again"
        )


def _critical_chunks(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield the chunks that decide the pixels, each with its checksum verified."""
    stream.seek(len(SIGNATURE))
    while len(head := stream.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind[0] & 0x20:  # a lower-case first letter: the chunk may be ignored
            stream.seek(length + 4, 1)
            continue
        data, checksum = stream.read(length), stream.read(4)
        if len(data) == length and zlib.crc32(kind + data).to_bytes(4, "big") != checksum:
            raise ImageError("this PNG is damaged: a checksum is wrong; save or fetch it again")
        yield kind, data
        if kind == b"IEND":
            return


def _raw_size(header: bytes) -> int:
    """Bytes of the uncompressed rows, filter bytes included."""
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header[:13])
    bits = depth * SAMPLES.get(colour, 1)
    sizes = [(width, height)]
    if interlaced:
        sizes = [
            ((width - x + dx - 1) // dx, (height - y + dy - 1) // dy) for x, y, dx, dy in ADAM7
        ]
    return sum(
        rows * (1 + (columns * bits + 7) // 8)
        for columns, rows in sizes
        if columns > 0 and rows > 0
    )


def encode16(pixels: npt.NDArray[np.uint16]) -> bytes:
    """Encode (H, W) or (H, W, 3) uint16 as a PNG of 16 bits a sample, which Pillow cannot write.

    Every row takes the Sub filter (PNG specification, section 9.2): each byte minus the one a pixel
    to the left, which is cheap and suits photographs.
    """
    height, width = pixels.shape[:2]
    step = 2 if pixels.ndim == 2 else 6
    deflate, body = zlib.compressobj(1), []
    rows_at_once = max(1, BLOCK // (width * step))
    for top in range(0, height, rows_at_once):
        block = np.ascontiguousarray(pixels[top : top + rows_at_once]).astype(">u2")
        rows = block.reshape(len(block), -1).view(np.uint8)
        filtered = np.empty((len(rows), rows.shape[1] + 1), np.uint8)
        filtered[:, 0] = 1
        filtered[:, 1 : step + 1] = rows[:, :step]
        filtered[:, step + 1 :] = rows[:, step:] - rows[:, :-step]
        body.append(deflate.compress(filtered.tobytes()))
    body.append(deflate.flush())
    header = struct.pack(">IIBBBBB", width, height, 16, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    chunks = [(b"IHDR", header), *((b"IDAT", data) for data in body if data), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
