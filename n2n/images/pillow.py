"""Pillow's decoders -> `Stored`, at the depth of the file: Pillow alone reads 48-bit colour as 24."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageFile

from n2n.images.refusals import ImageError
from n2n.images.stored import Stored, unpremultiplied

Array = npt.NDArray[Any]
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # JPEG brings MPO, the frames of a phone, with it
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
    raw, planes = raw_mode(image), planar(image)
    if raw.startswith("I;12"):
        raise ImageError("this TIFF stores 12 bits a sample; save it with 8 or 16")
    icc = image.info.get("icc_profile")
    notes: tuple[str, ...] = ()
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        image.load()
        rows, space, dtype = _grey16(image), "L", np.dtype(np.uint16)
    elif raw[:-1] in ("RGB;16", "RGBX;16", "RGBA;16", "RGBa;16", "LA;16") and not planes:
        rows, space, dtype = _colour16(image, raw, stream), "L" if raw[:2] == "LA" else "RGB", np.dtype(np.uint16)
    else:
        if ";16" in raw and raw.startswith(("RGB", "CMYK")):
            notes = ("read at 8 of its 16 bits",)
        image.load()
        space = {"1": "L", "L": "L", "LA": "L", "La": "L", "CMYK": "CMYK"}.get(image.mode, "RGB")
        rows, dtype = _eight_bit(image, space, raw), np.dtype(np.uint8)
    if image.mode == "LAB":
        icc, notes = None, ("converted from Lab to sRGB",)
    width, height = image.size
    return Stored(height, width, space, dtype, rows, _orientation(image), icc, notes)


def planar(image: ImageFile.ImageFile) -> bool:
    """Whether a TIFF stores its channels one after the other."""
    return image.format == "TIFF" and bool(image.tag_v2.get(284, 1) == 2)  # type: ignore[attr-defined]


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation. Pillow turns a TIFF while decoding it, and then says 1 by itself."""
    try:
        value = image.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, KeyError, IndexError, OSError):
        return 1  # metadata is no reason to refuse pixels
    return value if value in range(1, 9) else 1


def _band(image: Image.Image, rows: slice) -> Image.Image:
    return image.crop((0, rows.start, image.width, rows.stop))


def _eight_bit(image: Image.Image, space: str, raw: str) -> Callable[[slice], tuple[Array, Array | None]]:
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


def _grey16(image: Image.Image) -> Callable[[slice], tuple[Array, Array | None]]:
    """Grey of 16 or 32 bits: whole numbers as they are, floats in [0, 1] scaled to 16 bits."""
    key = image.info.get("transparency")
    white_is_zero = image.format == "TIFF" and image.tag_v2.get(262) == 0  # type: ignore[attr-defined]

    def rows(rows: slice) -> tuple[Array, Array | None]:
        band = fit16(np.asarray(_band(image, rows)))
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
        raise ImageError(f"its values run from {low:.6g} to {high:.6g}; scale them to 0 … {top} and save it again")
    return np.rint(values * np.float64(65535)).astype(np.uint16) if is_float else values.astype(np.uint16)


def _colour16(image: ImageFile.ImageFile, raw: str, stream: BinaryIO) -> Callable[[slice], tuple[Array, Array | None]]:
    """Decode colour of 16 bits a sample: once for the high bytes and once for the low ones.

    Pillow keeps the first or the second byte of each sample as the raw mode says it, so naming
    the other byte order gives the other half.
    """
    if raw[:2] == "LA":
        both = _decoded_as("RGBA", image)  # two bytes of grey, two of alpha
        return lambda rows: _split(np.ascontiguousarray(np.asarray(_band(both, rows))).view(">u2"), None)
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
        tile._replace(args=(raw, *tile.args[1:]) if isinstance(tile.args, tuple) else raw) for tile in image.tile
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
