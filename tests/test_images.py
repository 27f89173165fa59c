"""Reading pictures: the right pixels, at the file's own depth."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms, ImageOps

from n2n import images
from tests.picture_files import (
    adobe_to_srgb,
    chunk,
    icc_profile,
    pattern,
    png16,
    saved,
    tiff,
)

WHITE = "transparent parts composited on white"
RGB8 = Image.fromarray(pattern(31, 37))
RGBA8 = Image.fromarray(pattern(31, 37, 4))


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    top = np.iinfo(colour.dtype).max
    share = alpha.astype(float) / top
    share = share[..., None] if colour.ndim == 3 else share
    return np.rint(colour * share + top * (1 - share)).astype(colour.dtype)


# ---- 8 bit ----


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "BMP", "GIF", "WEBP"])
@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_every_8_bit_mode(mode: str, kind: str) -> None:
    image = RGB8.convert(mode)
    data = saved(image, kind, **({"lossless": True} if kind == "WEBP" else {}))
    with Image.open(io.BytesIO(data)) as stored:
        wanted = np.asarray(stored.convert("L" if stored.mode in ("1", "L") else "RGB"))
    picture = images.read(data)
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.pixels, wanted)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_jpeg(mode: str) -> None:
    data = saved(RGB8.convert(mode), "JPEG")
    wanted = np.asarray(Image.open(io.BytesIO(data)).convert("L" if mode == "L" else "RGB"))
    picture = images.read(data)
    np.testing.assert_array_equal(picture.pixels, wanted)
    assert picture.notes == (("converted from CMYK to sRGB",) if mode == "CMYK" else ())


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_alpha_is_composited_on_white(kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    picture = images.read(saved(RGBA8, kind, **options))
    rgba = np.asarray(RGBA8)
    np.testing.assert_array_equal(picture.pixels, on_white(rgba[..., :3], rgba[..., 3]))
    assert picture.notes == (WHITE,)


def test_grey_with_alpha_stays_grey() -> None:
    grey = pattern(31, 37, 2)
    picture = images.read(saved(Image.fromarray(grey), "PNG"))
    np.testing.assert_array_equal(picture.pixels, on_white(grey[..., 0], grey[..., 1]))


def test_an_opaque_alpha_channel_changes_nothing() -> None:
    picture = images.read(saved(RGB8.convert("RGBA"), "PNG"))
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.pixels, np.asarray(RGB8))


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_a_transparent_palette_entry_becomes_white(kind: str) -> None:
    image = Image.fromarray(np.array([[0, 1, 2]], np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    picture = images.read(saved(image, kind, transparency=1))
    assert picture.pixels.tolist() == [[[10, 20, 30], [255, 255, 255], [70, 80, 90]]]
    assert picture.notes == (WHITE,)


# ---- 16 bit ----


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (31, 37)])
def test_16_bit_png(size: tuple[int, int], channels: int, interlaced: bool) -> None:
    pixels = pattern(*size, channels, depth=16)
    picture = images.read(png16(pixels, interlaced=interlaced))
    colour = pixels[..., 0] if channels < 3 else pixels[..., :3]
    wanted = colour if channels % 2 else on_white(colour, pixels[..., -1])
    assert picture.pixels.dtype == np.uint16
    np.testing.assert_array_equal(picture.pixels, wanted)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_16_bit_transparent_colour(channels: int) -> None:
    pixels = pattern(5, 7, channels, depth=16)
    key = chunk(b"tRNS", pixels[2, 3].astype(">u2").tobytes())
    wanted = pixels.copy()
    wanted[2, 3] = 65535
    np.testing.assert_array_equal(images.read(png16(pixels, extra=key)).pixels, wanted.squeeze())


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize(
    "options", [{}, {"compression": "zlib", "predictor": True}, {"tile": (16, 16)}]
)
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_16_bit_tiff(channels: int, options: dict[str, object], byteorder: str) -> None:
    pixels = pattern(31, 37, channels, depth=16)
    extra = {"extrasamples": ["unassalpha"]} if channels % 2 == 0 else {}
    colour = pixels[..., 0] if channels < 3 else pixels[..., :3]
    data = tiff(
        pixels.squeeze(),
        photometric="minisblack" if channels < 3 else "rgb",
        planarconfig=None if channels == 1 else "contig",
        byteorder=byteorder,
        **extra,
        **options,
    )
    picture = images.read(data)
    assert picture.pixels.dtype == np.uint16
    wanted = colour if channels % 2 else on_white(colour, pixels[..., -1])
    np.testing.assert_array_equal(picture.pixels, wanted)


@pytest.mark.parametrize("depth", [8, 16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_tiff_in_planes(depth: int, compression: str | None) -> None:
    pixels = pattern(31, 37, 3, depth)
    planes = np.ascontiguousarray(np.moveaxis(pixels, 2, 0))
    data = tiff(planes, photometric="rgb", planarconfig="separate", compression=compression)
    np.testing.assert_array_equal(images.read(data).pixels, pixels)


def test_premultiplied_16_bit_tiff() -> None:
    straight, alpha = pattern(31, 37, 3, 16), pattern(31, 37, 1, 16)
    premultiplied = np.rint(straight * (alpha / 65535)).astype(np.uint16)
    data = tiff(
        np.concatenate([premultiplied, alpha], -1), photometric="rgb", extrasamples=["assocalpha"]
    )
    wanted = premultiplied.astype(int) + 65535 - alpha
    assert np.abs(images.read(data).pixels.astype(int) - wanted).max() <= 1


def test_white_may_be_zero() -> None:
    pixels = pattern(9, 11, 1, 16)[..., 0]
    data = tiff(pixels, photometric="miniswhite")
    np.testing.assert_array_equal(images.read(data).pixels, 65535 - pixels)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(9, 11), (9, 11, 3)])
def test_floats_within_0_and_1_become_16_bit(shape: tuple[int, ...], dtype: type) -> None:
    values = np.linspace(0, 1, int(np.prod(shape))).reshape(shape).astype(dtype)
    picture = images.read(tiff(values, photometric="minisblack" if len(shape) == 2 else "rgb"))
    np.testing.assert_array_equal(picture.pixels, np.rint(values.astype(np.float64) * 65535))
    assert picture.pixels.dtype == np.uint16


# ---- upright, sRGB, first frame ----


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_exif_orientation(kind: str, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(RGB8, kind, exif=exif)
    wanted = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))))
    picture = images.read(data)
    np.testing.assert_array_equal(picture.pixels, wanted)
    assert picture.pixels.flags.c_contiguous
    if (
        kind != "JPEG" and orientation == 6
    ):  # the camera was turned: the left column becomes the top row
        np.testing.assert_array_equal(picture.pixels[0], np.asarray(RGB8)[::-1, 0])


def test_16_bit_turns_too() -> None:
    pixels = pattern(5, 7, 3, 16)
    exif = Image.Exif()
    exif[0x0112] = 8
    data = png16(pixels, extra=chunk(b"eXIf", exif.tobytes()[6:]))
    np.testing.assert_array_equal(images.read(data).pixels, np.rot90(pixels))


@pytest.mark.parametrize("grey", [False, True])
def test_colour_profile_at_8_bit(grey: bool) -> None:
    image = RGB8.convert("L") if grey else RGB8
    picture = images.read(saved(image, "PNG", icc_profile=icc_profile(grey=grey)))
    wanted = 255 * adobe_to_srgb(np.asarray(image) / 255)
    assert np.abs(picture.pixels - wanted).max() < 1.6
    assert np.abs(picture.pixels - np.asarray(image).astype(float)).max() > 4
    assert picture.notes == ("converted from Adobe RGB (1998) to sRGB",)


@pytest.mark.parametrize("grey", [False, True])
def test_colour_profile_at_16_bit(grey: bool) -> None:
    pixels = pattern(31, 37, 1 if grey else 3, 16)
    data = tiff(
        pixels.squeeze(),
        photometric="minisblack" if grey else "rgb",
        iccprofile=icc_profile(grey=grey),
    )
    picture = images.read(data)
    assert picture.pixels.dtype == np.uint16
    wanted = 65535 * adobe_to_srgb(pixels.squeeze() / 65535)
    assert np.abs(picture.pixels - wanted).max() < 16  # of 65536: the profile's own fixed point
    assert picture.notes == ("converted from Adobe RGB (1998) to sRGB",)


def test_srgb_needs_no_note() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = images.read(saved(RGB8, "PNG", icc_profile=profile))
    assert picture.notes == ()
    np.testing.assert_array_equal(picture.pixels, np.asarray(RGB8))


@pytest.mark.parametrize("profile", [b"nonsense", icc_profile()[:200], icc_profile(grey=True)])
def test_a_useless_profile_is_ignored(profile: bytes) -> None:
    picture = images.read(saved(RGB8, "PNG", icc_profile=profile))
    assert len(picture.notes) == 1
    assert picture.notes[0].endswith("was ignored")
    np.testing.assert_array_equal(picture.pixels, np.asarray(RGB8))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "MPO"])
def test_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (8, 6), (200, 40, 40)), Image.new("RGB", (8, 6), (0, 90, 0))
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(first, kind, save_all=True, append_images=[second], **options)
    picture = images.read(data)
    assert picture.notes == ("first of 2 frames",)
    assert np.abs(picture.pixels.astype(int) - (200, 40, 40)).max() <= 2  # MPO is JPEG
