"""The TIFF files that Pillow does not know, by tifffile: grey with alpha at 16 bits, planes, floats."""

from __future__ import annotations

import logging
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
import tifffile

from n2n.images.pillow import fit16
from n2n.images.refusals import ImageError
from n2n.images.stored import Stored, unpremultiplied

Array = npt.NDArray[Any]
PHOTOMETRIC = {0: 1, 1: 1, 2: 3}  # white is zero, black is zero, RGB -> colour channels
ASSOCIATED, UNASSOCIATED = 1, 2

# Both libraries log what is odd in a file to standard error; here it becomes the one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())
logging.getLogger("PIL").addHandler(logging.NullHandler())


def decode(stream: BinaryIO, max_pixels: int) -> Stored:
    """Decode the first page.

    Raises:
        ImageError: it is not a picture of grey or RGB samples, or has too many pixels.
    """
    stream.seek(0)
    with tifffile.TiffFile(stream) as file:
        page = file.pages.first
        _check(page, max_pixels)
        pixels = page.asarray()
        tags = {tag.code: tag.value for tag in page.tags if tag.code in (274, 34675)}
        samples = pixels[..., None] if pixels.ndim == 2 else pixels
        if page.samplesperpixel > 1 and page.planarconfig == 2:
            samples = np.moveaxis(pixels, 0, -1)
        colours, extra = PHOTOMETRIC[page.photometric], tuple(page.extrasamples)
    if samples.dtype != np.uint8:
        samples = fit16(samples)
    if page.photometric == 0:
        samples = np.concatenate([np.iinfo(samples.dtype).max - samples[..., :1], samples[..., 1:]], -1)
    return _stored(samples, colours, extra[0] if extra else None, tags)


def _check(page: Any, max_pixels: int) -> None:
    width, height, samples = page.imagewidth, page.imagelength, page.samplesperpixel
    if width * height > max_pixels:
        raise ImageError(f"{width}×{height} px is more than {max_pixels / 1e6:.6g} megapixels; make it smaller")
    wanted = PHOTOMETRIC.get(page.photometric, 99)
    plain = page.imagedepth == 1 and wanted <= samples <= 4 and len(page.extrasamples) == samples - wanted
    if not plain or page.dtype is None or page.dtype.kind not in "uif" or page.dtype.itemsize == 1 > page.dtype.kind:
        raise ImageError("this TIFF is of an uncommon kind; save it as PNG or as a plain 8 or 16-bit TIFF")


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
    orientation = int(tags.get(274, 1))
    icc = tags.get(34675)
    return Stored(
        height, width, space, samples.dtype, rows,
        orientation=orientation if orientation in range(1, 9) else 1,
        icc=bytes(icc) if isinstance(icc, bytes) else None,
    )  # fmt: skip
