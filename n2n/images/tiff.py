"""TIFF files that Pillow does not know, by tifffile: 16-bit grey with alpha, planes, floats."""

from __future__ import annotations

import logging
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import ImageFile

from n2n.images.pillow import fit16
from n2n.images.refusals import WAY_OUT, ImageError, check_size
from n2n.images.stored import Stored, unpremultiplied

Array = npt.NDArray[Any]
COLOURS = {0: 1, 1: 1, 2: 3}  # photometric: white is zero, black is zero, RGB -> channels
DTYPES = ("uint16", "uint32", "int16", "int32", "float16", "float32", "float64")
DEFLATE_AT_BEST = 1100  # bytes out of one
ASSOCIATED, UNASSOCIATED = 1, 2
DNG_VERSION, SUBFILE_TYPE, SUB_IFDS = 50706, 254, 330
ORIENTATION, ICC_PROFILE = TAGS = 274, 34675

# Both libraries log what is odd in a file to standard error; here it becomes the one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("PIL").addHandler(logging.NullHandler())


def check(image: ImageFile.ImageFile) -> None:
    """Refuse an opened TIFF that Pillow would read as less than the picture.

    Raises:
        ImageError: page one is the preview of a camera RAW file, or its strips do not cover it.
    """
    tags = image.tag_v2  # type: ignore[attr-defined]
    if DNG_VERSION in tags or (tags.get(SUBFILE_TYPE, 0) == 1 and SUB_IFDS in tags):
        raise ImageError(f"this is a camera RAW file; {WAY_OUT}")
    boxes = [tile.extents or (0, 0, 0, 0) for tile in image.tile]
    covered = sum((right - left) * (low - top) for left, top, right, low in boxes)
    if covered < image.width * image.height:
        raise ImageError(f"this TIFF is cut short or damaged: pixels are missing; {WAY_OUT}")


def decode(stream: BinaryIO, max_pixels: int) -> Stored:
    """Decode the first page.

    Raises:
        ImageError: it is not a picture of grey or RGB samples, or has too many pixels.
    """
    file_bytes = stream.seek(0, 2)
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        _check(page, file_bytes, max_pixels)
        pixels = page.asarray()
        tags = {tag.code: tag.value for tag in page.tags or () if tag.code in TAGS}
        samples = pixels[..., None] if pixels.ndim == 2 else pixels
        if page.samplesperpixel > 1 and page.planarconfig == 2:
            samples = np.moveaxis(pixels, 0, -1)
        colours, extra = COLOURS[page.photometric], tuple(page.extrasamples)
    if samples.dtype != np.uint8:
        samples = fit16(samples)
    if page.photometric == 0:
        samples[..., 0] = np.iinfo(samples.dtype).max - samples[..., 0]
    return _stored(samples, colours, extra[0] if extra else None, tags)


def _check(page: tifffile.TiffPage, file_bytes: int, max_pixels: int) -> None:
    """Refuse from the header what is no plain picture, or claims more than the file can hold."""
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    if not all(isinstance(n, int) and n > 0 for n in (width, height, samples)):
        raise ImageError(f"this TIFF does not say its size; {WAY_OUT}")
    check_size(width, height, max_pixels)
    colours = COLOURS.get(page.photometric, samples + 1)
    plain = page.imagedepth == 1 and colours <= samples <= 4
    if not plain or page.dtype is None or page.dtype.name not in DTYPES:
        raise ImageError(
            "this TIFF is of an uncommon kind; save it as PNG or as a plain 16-bit TIFF"
        )
    claimed, known = width * height * samples * page.dtype.itemsize, sum(page.databytecounts)
    most = known * (1 if page.compression == 1 else DEFLATE_AT_BEST)
    if claimed > most or known > file_bytes or not all(page.databytecounts):
        raise ImageError(f"this TIFF is cut short or damaged: pixels are missing; {WAY_OUT}")


def _stored(samples: Array, colours: int, extra: int | None, tags: dict[int, Any]) -> Stored:
    has_alpha = extra in (ASSOCIATED, UNASSOCIATED)

    def rows(rows: slice) -> tuple[Array, Array | None]:
        band = samples[rows]
        colour, alpha = band[..., :colours], band[..., colours] if has_alpha else None
        if alpha is not None and extra == ASSOCIATED:
            colour = unpremultiplied(colour, alpha)
        return (colour[..., 0] if colours == 1 else colour), alpha

    height, width = samples.shape[:2]
    space = "L" if colours == 1 else "RGB"
    orientation, icc = tags.get(ORIENTATION, 1), tags.get(ICC_PROFILE)
    return Stored(
        height,
        width,
        space,
        samples.dtype,
        rows,
        orientation=orientation if orientation in range(1, 9) else 1,
        icc=bytes(icc) if isinstance(icc, bytes) else None,
    )
