"""Write pixels to a file: by extension, atomically, without metadata."""

from __future__ import annotations

import io
import os
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import tifffile
from PIL import Image

from n2n.images import png
from n2n.images.refusals import ImageError, one_line

# Noise is what a picture here may be about: JPEG without chroma subsampling, WebP without loss.
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".tif": ("TIFF", {}),
    ".tiff": ("TIFF", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"lossless": True, "quality": 25}),  # quality is effort here
    ".bmp": ("BMP", {}),
    ".gif": ("GIF", {}),
}


def write(path: str | Path, pixels: npt.NDArray[Any]) -> None:
    """Write a picture in the format that the extension names.

    uint16 stays 16 bit in PNG and TIFF and is rounded to 8 bit elsewhere. The file appears whole or
    not at all, and carries nothing but pixels.

    Args:
        path: ends in .png, .tif, .tiff, .jpg, .jpeg, .webp, .bmp or .gif.
        pixels: (H, W) or (H, W, 3), uint8 or uint16.

    Raises:
        ImageError: the extension is none of these, the format cannot hold the picture, or the file
            cannot be written.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ImageError(
            f"cannot write {one_line(path.name)}: end the name in one of {', '.join(FORMATS)}"
        )
    data = _encode(pixels, *FORMATS[path.suffix.lower()])
    part = path.with_name(f".{uuid.uuid4().hex}.part")
    try:
        part.write_bytes(data)
        os.replace(part, path)
    except OSError as error:
        raise ImageError(f"cannot write {one_line(path.name)}: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)


def png_bytes(pixels: npt.NDArray[Any]) -> bytes:
    """Encode (H, W) or (H, W, 3), uint8 or uint16, as a PNG file of the same depth."""
    return _encode(pixels, "PNG", {})


def _encode(pixels: npt.NDArray[Any], kind: str, options: dict[str, Any]) -> bytes:
    _check(pixels)
    buffer = io.BytesIO()
    if kind == "TIFF":
        photometric = "minisblack" if pixels.ndim == 2 else "rgb"
        tifffile.imwrite(buffer, pixels, photometric=photometric, metadata=None, software="")
        return buffer.getvalue()
    if pixels.dtype == np.uint16:
        if kind == "PNG":
            return png.encode16(pixels)
        pixels = _rounded_to_8_bit(pixels)
    if kind == "PNG":
        options = {"compress_level": 3}
    try:
        Image.fromarray(pixels).save(buffer, kind, **options)
    except (OSError, ValueError) as error:  # such as a side longer than the format can name
        raise ImageError(
            f"a {kind} file cannot hold this picture ({one_line(str(error))}); use PNG"
        ) from error
    return buffer.getvalue()


def _check(pixels: npt.NDArray[Any]) -> None:
    if pixels.dtype not in (np.uint8, np.uint16):
        raise TypeError(
            f"a picture must be uint8 or uint16, got {pixels.dtype}; use to_uint8 or to_uint16"
        )
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or not pixels.size:
        raise ValueError(f"a picture must be (H, W) or (H, W, 3), got shape {pixels.shape}")


def _rounded_to_8_bit(pixels: npt.NDArray[np.uint16]) -> npt.NDArray[np.uint8]:
    return ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)  # 65535 = 255 * 257
