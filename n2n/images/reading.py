"""Any picture file -> `Picture`, or one line that says why not."""

from __future__ import annotations

import io
import struct
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import PIL.Image
from PIL import Image, ImageFile

from n2n.images import pillow, png, tiff
from n2n.images.refusals import WAY_OUT, ImageError, check_size, foreign_kind, one_line
from n2n.images.stored import Stored, finish

MAX_PIXELS = 120_000_000
PIL.Image.MAX_IMAGE_PIXELS = MAX_PIXELS // 2  # Pillow itself refuses from twice this on

# What the decoders raise on broken files: as Pillow's own fuzzers allow, and as seen in tests.
DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    EOFError,
    ArithmeticError,
    NotImplementedError,
    AssertionError,
    struct.error,
    zlib.error,
)
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_warning_filters = threading.Lock()  # they belong to the process, not to a thread


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture as people mean it.

    Attributes:
        pixels: (H, W) grey or (H, W, 3), uint8 or uint16, sRGB, upright, opaque.
        notes: what reading changed, in plain words, such as "converted from Adobe RGB to sRGB".
    """

    pixels: npt.NDArray[Any]
    notes: tuple[str, ...] = ()


def read(
    source: str | Path | bytes | bytearray | memoryview | BinaryIO, *, max_pixels: int = MAX_PIXELS
) -> Picture:
    """Read a PNG, JPEG, WebP, GIF, BMP or TIFF file at its own depth.

    Args:
        source: a path, the bytes of a file, or a binary file that can seek.
        max_pixels: refuse larger pictures by their header, before anything is decoded;
            `MAX_PIXELS` is the most.

    Raises:
        ImageError: the file is missing, damaged, incomplete, too large or of another kind.
    """
    name = "the picture"
    if isinstance(source, str | Path):
        name = one_line(Path(source).name, 80)
    try:
        with _opened(source) as stream, _quiet():
            return _read(stream, name, min(max_pixels, MAX_PIXELS))
    except ImageError as error:
        reason = str(error)
    except FileNotFoundError:
        reason = "there is no such file"
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        reason = f"more than {MAX_PIXELS / 1e6:.6g} megapixels; make it smaller"
    except MemoryError:
        reason = "there is not enough memory for it; make it smaller"
    except DECODER_ERRORS as error:
        reason = f"damaged, incomplete or of an uncommon kind{_detail(error)}; {WAY_OUT}"
    raise ImageError(f"{name}: {reason}")


@contextmanager
def _opened(source: str | Path | bytes | bytearray | memoryview | BinaryIO) -> Iterator[BinaryIO]:
    if isinstance(source, str | Path):
        with open(source, "rb") as stream:
            yield stream
    elif isinstance(source, bytes | bytearray | memoryview):
        yield io.BytesIO(source)
    else:
        yield source


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what Pillow warns of while it reads an odd file from the user's screen."""
    with _warning_filters, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _detail(error: BaseException) -> str:
    """What the decoder said, where it speaks of the file and not of itself or the machine."""
    speaks = isinstance(error, OSError | SyntaxError | ValueError | NotImplementedError)
    text = one_line(str(error), 80)
    own_words = ("object at", "by this driver", "b'", 'b"')  # the last two: Python's bytes
    about_itself = getattr(error, "filename", None) or any(word in text for word in own_words)
    return f" ({text})" if speaks and text and not about_itself else ""


def _read(stream: BinaryIO, name: str, max_pixels: int) -> Picture:
    stream.seek(0)
    head = stream.read(1024)
    stream.seek(0)
    if kind := foreign_kind(head, name):
        raise ImageError(f"this is {kind}; {WAY_OUT}")
    stored, frames = _decode(stream, head, max_pixels)
    pixels, notes = finish(stored)
    if frames > 1:
        notes = (f"first of {frames} frames", *notes)
    return Picture(np.ascontiguousarray(pixels), notes)


def _decode(stream: BinaryIO, head: bytes, max_pixels: int) -> tuple[Stored, int]:
    if head.startswith(png.SIGNATURE):  # Pillow allocates an animated PNG while it opens it
        check_size(*png.size(head), max_pixels)
    try:
        image = Image.open(stream, formats=pillow.FORMATS)
    except PIL.UnidentifiedImageError:
        if head.startswith(TIFF_MAGIC):
            return tiff.decode(stream, max_pixels), 1
        raise _why_unidentified(stream, head) from None
    check_size(*image.size, max_pixels)
    frames = _frames(image)
    if image.format == "PNG":
        position = stream.tell()
        png.check(stream)
        stream.seek(position)
    if image.format == "TIFF":
        return _decode_tiff(image, stream, max_pixels), frames
    return pillow.decode(image, stream), frames


def _decode_tiff(image: ImageFile.ImageFile, stream: BinaryIO, max_pixels: int) -> Stored:
    tiff.check(image)
    if pillow.deep_planes(image):
        try:
            return tiff.decode(stream, max_pixels)
        except DECODER_ERRORS:  # LZW is Pillow's alone: better 8 bits than none
            if image.tile[0].codec_name == "raw":  # but here Pillow would mix the bytes up
                raise
            image = Image.open(stream, formats=pillow.FORMATS)
    return pillow.decode(image, stream)


def _why_unidentified(stream: BinaryIO, head: bytes) -> ImageError:
    """Ask the decoder that the first bytes call for, since Pillow keeps its reason to itself."""
    for kind in pillow.FORMATS:
        factory, accept = Image.OPEN[kind]
        if accept is None or accept(head[:16]) is not True:
            continue
        stream.seek(0)
        try:
            factory(stream, "")
        except DECODER_ERRORS as error:
            return ImageError(
                f"a {kind} that is damaged or of an uncommon kind{_detail(error)}; {WAY_OUT}"
            )
    return ImageError(f"this is no PNG, JPEG, WebP, GIF, BMP or TIFF; {WAY_OUT}")


def _frames(image: ImageFile.ImageFile) -> int:
    try:
        return int(getattr(image, "n_frames", 1))
    except DECODER_ERRORS:
        return 1  # a later frame is broken; the first is what counts
    finally:
        image.seek(0)
