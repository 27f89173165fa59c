"""Pillow's decoders -> `Stored`, at the depth of the file: Pillow reads 48-bit colour as 24."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile, TiffImagePlugin

from n2n.images.refusals import ImageError
from n2n.images.stored import Stored, unpremultiplied

Array = npt.NDArray[Any]
Rows = Callable[[slice], tuple[Array, Array | None]]
# JPEG brings MPO, the several frames of a phone, with it.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")
COLOUR16 = ("RGB;16", "RGBX;16", "RGBA;16", "RGBa;16", "LA;16")
BITS_PER_SAMPLE, PHOTOMETRIC, PLANAR_CONFIGURATION = 258, 262, 284
OTHER_BYTE = {"B": "L", "L": "B"}
NATIVE = "L" if sys.byteorder == "little" else "B"


def raw_mode(image: ImageFile.ImageFile) -> str:
    """The layout of the pixels inside the file, in Pillow's terms, such as "RGB;16B"."""
    if not image.tile:
        return image.mode
    args = image.tile[0].args
    return str(args[0] if isinstance(args, tuple) and args else args or image.mode)


def decode(image: ImageFile.ImageFile, stream: BinaryIO) -> Stored:
    """Decode an opened picture.

    Raises:
        ImageError: its values do not fit into 16 bits.
    """
    raw, icc = raw_mode(image), image.info.get("icc_profile")
    notes: tuple[str, ...] = ()
    is_grey16 = image.mode in ("I", "F") or image.mode.startswith("I;16")
    is_colour16 = raw[:-1] in COLOUR16 and not deep_planes(image)
    if raw.startswith("I;12"):
        raise ImageError("this TIFF stores 12 bits a sample; save it with 8 or 16")
    if is_grey16:
        space, rows = "L", _grey16(image)
    elif is_colour16:
        space, rows = "L" if raw[:2] == "LA" else "RGB", _colour16(image, raw, stream)
    else:
        space = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
        rows = _eight_bit(image, space, raw)
        notes = ("read at 8 of its 16 bits",) if ";16" in raw and not raw.startswith("BGR") else ()
    if image.mode == "LAB":
        icc, notes = None, ("converted from Lab to sRGB",)
    dtype = np.dtype(np.uint16 if is_grey16 or is_colour16 else np.uint8)
    width, height = image.size
    return Stored(height, width, space, dtype, rows, _orientation(image), icc, notes)


def deep_planes(image: ImageFile.ImageFile) -> bool:
    """Whether a TIFF stores its channels one after the other, at more than 8 bits."""
    bits = _tiff_tag(image, BITS_PER_SAMPLE) or (1,)
    deep = isinstance(bits, tuple) and len(bits) > 1 and max(bits) > 8
    return deep and _tiff_tag(image, PLANAR_CONFIGURATION) == 2


def _tiff_tag(image: Image.Image, tag: int) -> object:
    return image.tag_v2.get(tag) if isinstance(image, TiffImagePlugin.TiffImageFile) else None


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation. Pillow turns a TIFF while decoding it, and then says 1 by itself."""
    try:
        value = image.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError):
        return 1  # metadata is no reason to refuse pixels
    return value if value in range(1, 9) else 1


def _band(image: Image.Image, rows: slice) -> Image.Image:
    return image.crop((0, rows.start, image.width, rows.stop))


def _eight_bit(image: Image.Image, space: str, raw: str) -> Rows:
    image.load()
    mode = space
    if image.has_transparency_data:
        mode = {"L": "LA", "RGB": "RGBA"}.get(space, space)
    if image.mode == "L" and "transparency" in image.info:  # PNG counts in the file's own levels
        scale = {"L;2": 85, "L;4": 17}.get(raw, 1)
        image.info["transparency"] = min(255, image.info["transparency"] * scale)

    def rows(rows: slice) -> tuple[Array, Array | None]:
        band = np.asarray(_band(image, rows).convert(mode))
        if mode == "LA":
            return band[..., 0], band[..., 1]
        return (band[..., :3], band[..., 3]) if mode == "RGBA" else (band, None)

    return rows


def _grey16(image: Image.Image) -> Rows:
    """Grey of 16 or 32 bits: whole numbers as they are, floats in [0, 1] scaled to 16 bits."""
    image.load()
    wide = fit16(np.asarray(image)) if image.mode in ("I", "F") else None
    key = image.info.get("transparency")
    white_is_zero = _tiff_tag(image, PHOTOMETRIC) == 0

    def rows(rows: slice) -> tuple[Array, Array | None]:
        band = np.asarray(_band(image, rows)).astype(np.uint16) if wide is None else wide[rows]
        alpha = None if key is None else np.where(band == key, 0, 65535).astype(np.uint16)
        return (65535 - band if white_is_zero else band), alpha

    return rows


def fit16(values: Array) -> Array:
    """Bring wide samples to uint16.

    Raises:
        ImageError: floats outside [0, 1] or not finite, whole numbers outside 0 to 65535.
    """
    low, high = values.min(), values.max()
    is_float = np.issubdtype(values.dtype, np.floating)
    if is_float and not np.isfinite([low, high]).all():
        raise ImageError("some values are NaN or infinite; replace them and save it again")
    top = 1 if is_float else 65535
    if low < 0 or high > top:
        found = f"its values run from {low:.6g} to {high:.6g}"
        raise ImageError(f"{found}; scale them to 0 … {top} and save it again")
    scaled = np.rint(values * np.float64(65535)) if is_float else values
    return scaled.astype(np.uint16)


def _colour16(image: ImageFile.ImageFile, raw: str, stream: BinaryIO) -> Rows:
    """Decode colour of 16 bits a sample: once for the high bytes and once for the low ones.

    Pillow keeps the first or the second byte of each sample as the raw mode says it, so naming
    the other byte order gives the other half.
    """
    if raw[:2] == "LA":
        both = _decoded_as("RGBA", image)  # two bytes of grey, two of alpha
        return lambda rows: _split(np.asarray(_band(both, rows)).view(">u2"), None)
    layout = raw[:-1].replace("a", "A")
    order = NATIVE if raw[-1] == "N" else raw[-1]
    low = _decoded_as(layout + OTHER_BYTE[order], Image.open(stream, formats=FORMATS))
    high = _decoded_as(layout + order, image)
    key = image.info.get("transparency")

    def rows(rows: slice) -> tuple[Array, Array | None]:
        band = np.asarray(_band(high, rows)).astype(np.uint16) << 8
        band |= np.asarray(_band(low, rows))
        colour, alpha = _split(band, key)
        if alpha is not None and raw.startswith("RGBa"):
            colour = unpremultiplied(colour, alpha)
        return colour, alpha

    return rows


def _decoded_as(raw: str, image: ImageFile.ImageFile) -> Image.Image:
    image.tile = [
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw)
        for tile in image.tile
    ]
    image.load()
    return image


def _split(band: Array, key: tuple[int, int, int] | None) -> tuple[Array, Array | None]:
    """Take alpha off (its own channel, or the colour `key` that counts as transparent)."""
    channels = band.shape[-1]
    if channels == 2:
        return band[..., 0], band[..., 1]
    if channels == 4:
        return band[..., :3], band[..., 3]
    if key is None:
        return band, None
    return band, np.where((band == np.array(key)).all(-1), 0, 65535).astype(np.uint16)
