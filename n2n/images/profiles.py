"""Colours as the file means them -> sRGB, by its embedded ICC profile.

LittleCMS (through Pillow) does the work at 8 bit. It has no 16-bit RGB there, so profiles made of
three curves and a matrix, which is what cameras and editors embed, are applied here in float32:
ICC.1:2022, sections 8.3 (the model), 10.6 (curv) and 10.18 (para).
"""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms

from n2n.images.refusals import one_line

Array = npt.NDArray[Any]
Convert = Callable[[Array], Array]

FITTING = {"L": ("GRAY", "RGB"), "RGB": ("RGB",), "CMYK": ("CMYK",)}
PROFILE_ERRORS = (ImageCms.PyCMSError, OSError, ValueError, TypeError, struct.error, KeyError)
# The primaries of sRGB as XYZ columns, adapted to D50 as in every ICC profile.
SRGB_TO_XYZ = np.array(
    [
        [0.4360747, 0.3850649, 0.1430804],
        [0.2225045, 0.7168786, 0.0606169],
        [0.0139322, 0.0971045, 0.7141733],
    ],
    np.float32,
)


def to_srgb(icc: bytes | None, space: str, dtype: npt.DTypeLike) -> tuple[Convert, str | None]:
    """Choose how to turn pixels into sRGB.

    Args:
        icc: the embedded profile.
        space: "L" (H, W), "RGB" (H, W, 3) or "CMYK" (H, W, 4).
        dtype: uint8 or uint16.

    Returns:
        A function from pixels to pixels, grey staying grey, and what it changes in plain words
        (None where nothing changes).
    """
    plain = _cmyk_to_rgb if space == "CMYK" else _unchanged
    plain_note = "converted from CMYK to sRGB" if space == "CMYK" else None
    if not icc:
        return plain, plain_note
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        if profile.profile.xcolor_space.strip() not in FITTING[space]:
            return plain, "the colour profile does not fit the picture and was ignored"
        convert = _by_littlecms(profile, space)
        if space != "CMYK" and _changes_nothing(convert, space):
            return plain, plain_note
        name = one_line(ImageCms.getProfileDescription(profile), 60) or "another colour space"
    except PROFILE_ERRORS:
        return plain, "the colour profile is broken and was ignored"
    note = f"converted from {name} to sRGB"
    if np.dtype(dtype) == np.uint8:
        return convert, note
    exact = _by_curves_and_matrix(icc)
    return (exact, note) if exact else (_at_8_bit(convert), note + ", which left 8 of its 16 bits")


def _unchanged(pixels: Array) -> Array:
    return pixels


def _cmyk_to_rgb(pixels: Array) -> Array:
    return np.asarray(_as_image(pixels, "CMYK").convert("RGB"))


def _as_image(pixels: Array, mode: str) -> Image.Image:
    height, width = pixels.shape[:2]
    return Image.frombytes(mode, (width, height), pixels.tobytes())


def _by_littlecms(profile: ImageCms.ImageCmsProfile, space: str) -> Convert:
    is_grey_with_colour_profile = space == "L" and profile.profile.xcolor_space.strip() == "RGB"
    mode = "RGB" if is_grey_with_colour_profile else space
    transform = ImageCms.buildTransform(profile, ImageCms.createProfile("sRGB"), mode, "RGB")

    def convert(pixels: Array) -> Array:
        if space == "L":
            ramp = _as_image(np.arange(256, dtype=np.uint8)[None], "L").convert(mode)
            curve = np.asarray(transform.apply(ramp))[0, :, 1]
            return curve[pixels]
        return np.asarray(transform.apply(_as_image(pixels, mode)))

    return convert


def _changes_nothing(convert: Convert, space: str) -> bool:
    """Whether a profile is sRGB itself, whatever its name: no colour moves by more than a level."""
    steps = np.arange(0, 256, 15, dtype=np.uint8)
    probe = steps[None]
    if space == "RGB":
        probe = np.stack(np.meshgrid(steps, steps, steps), -1).reshape(1, -1, 3)
    return bool(np.abs(convert(probe).astype(int) - probe).max() <= 1)


def _at_8_bit(convert: Convert) -> Convert:
    def converted(pixels: Array) -> Array:
        eight = ((pixels.astype(np.uint32) + 128) // 257).astype(np.uint8)
        return convert(eight).astype(np.uint16) * 257

    return converted


def _by_curves_and_matrix(icc: bytes) -> Convert | None:
    """Apply a curve for each channel, then a matrix; None where the profile is of another kind."""
    try:
        tags = _tags(icc)
        if b"A2B0" in tags:
            return None
        if b"kTRC" in tags:
            grey = _srgb_levels(_curve(tags[b"kTRC"]))
            return lambda pixels: grey[pixels]
        curves = [_curve(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
        columns = [_fixed(tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    except (struct.error, LookupError, ValueError, ArithmeticError):
        return None
    matrix = np.linalg.inv(SRGB_TO_XYZ) @ np.stack(columns, axis=1)

    def convert(pixels: Array) -> Array:
        grey = pixels.ndim == 2
        channels = [pixels] * 3 if grey else [pixels[..., i] for i in range(3)]
        linear = np.stack([curve[c] for curve, c in zip(curves, channels, strict=True)], -1)
        levels = _srgb_levels(linear @ matrix.T)
        return levels[..., 1] if grey else levels

    return convert


def _tags(icc: bytes) -> dict[bytes, bytes]:
    (count,) = struct.unpack_from(">I", icc, 128)
    entries = [struct.unpack_from(">4sII", icc, 132 + 12 * i) for i in range(min(count, 100))]
    return {name: icc[start : start + size] for name, start, size in entries}


def _fixed(data: bytes) -> npt.NDArray[np.float32]:
    """Read s15Fixed16 numbers."""
    return (np.frombuffer(data, ">i4") / 65536).astype(np.float32)


def _curve(tag: bytes) -> npt.NDArray[np.float32]:
    """Tabulate a tone curve: linear light for each of 65536 levels."""
    x = np.linspace(0, 1, 65536)
    if tag[:4] == b"curv":
        light = _sampled_curve(tag, x)
    elif tag[:4] == b"para":
        light = _parametric_curve(tag, x)
    else:
        raise ValueError("neither a curv nor a para tag")
    if not np.isfinite(light).all():
        raise ValueError("a tone curve without values")
    return light.astype(np.float32)


def _sampled_curve(tag: bytes, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    (count,) = struct.unpack_from(">I", tag, 8)
    table = np.frombuffer(tag, ">u2", count, 12)
    if count == 0:
        return x
    if count == 1:
        return np.asarray(x ** (float(table[0]) / 256))
    return np.interp(x, np.linspace(0, 1, count), table / 65535)


def _parametric_curve(tag: bytes, x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    (kind,) = struct.unpack_from(">H", tag, 8)
    parameters = _fixed(tag[12 : 12 + 4 * (1, 3, 4, 5, 7)[kind]])
    g, a, b, c, d, e, f = _parameters(kind, [float(p) for p in parameters])
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


def _parameters(kind: int, p: list[float]) -> tuple[float, ...]:
    """Write each of the five function types as y = (a x + b)^g + e for x >= d, else c x + f."""
    if kind == 0:
        return p[0], 1, 0, 0, 0, 0, 0
    if kind == 1:
        return *p, 0, -p[2] / p[1], 0, 0
    if kind == 2:
        g, a, b, offset = p
        return g, a, b, 0, -b / a, offset, offset
    return (*p, 0, 0) if kind == 3 else tuple(p)


def _srgb_levels(linear: npt.NDArray[np.float32]) -> npt.NDArray[np.uint16]:
    """Encode linear light by the sRGB curve (IEC 61966-2-1) as 16-bit levels, clipped to gamut."""
    linear = np.clip(linear, 0, 1)
    encoded = np.where(
        linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** np.float32(1 / 2.4) - 0.055
    )
    levels: npt.NDArray[np.float32] = np.rint(encoded * 65535)
    return levels.astype(np.uint16)
