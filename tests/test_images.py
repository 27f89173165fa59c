"""Reading pictures: right pixels at the file's own depth, or one line that says why not."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from n2n import images
from tests.picture_files import (
    adobe_to_srgb,
    chunk,
    icc_profile,
    pattern,
    png16,
    png_bomb,
    saved,
)

WHITE = "transparent parts composited on white"
RGB8 = Image.fromarray(pattern(31, 37))
RGBA8 = Image.fromarray(pattern(31, 37, 4))


def on_white(colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    top = np.iinfo(colour.dtype).max
    share = alpha.astype(float) / top
    share = share[..., None] if colour.ndim == 3 else share
    return np.rint(colour * share + top * (1 - share)).astype(colour.dtype)


def tiff(pixels: np.ndarray, **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, pixels, metadata=None, **options)
    return buffer.getvalue()


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


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (np.array([[0, np.nan]], np.float32), "NaN"),
        (np.array([[0, np.inf]], np.float32), "infinite"),
        (np.array([[0, 255]], np.float32), "from 0 to 255"),
        (np.array([[-1, 255]], np.int32), "from -1 to 255"),
        (np.array([[0, 70000]], np.int32), "from 0 to 70000"),
    ],
)
def test_values_that_are_no_picture(values: np.ndarray, says: str) -> None:
    with pytest.raises(images.ImageError, match=says):
        images.read(tiff(values, photometric="minisblack"))


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


# ---- sources and refusals ----


def test_sources(tmp_path: Path) -> None:
    data, path = saved(RGB8, "PNG"), tmp_path / "photo.png"
    path.write_bytes(data)
    for source in (path, str(path), data, bytearray(data), memoryview(data), io.BytesIO(data)):
        np.testing.assert_array_equal(images.read(source).pixels, np.asarray(RGB8))


REFUSED = {
    "drawing.svg": (b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', "SVG"),
    "phone.heic": (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(64), "HEIC"),
    "phone.jpg": (b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(64), "HEIC"),
    "new.avif": (b"\0\0\0\x18ftypavif\0\0\0\0" + bytes(64), "AVIF"),
    "camera.cr3": (b"\0\0\0\x18ftypcrx \0\0\0\0" + bytes(64), "RAW"),
    "camera.NEF": (saved(RGB8, "TIFF"), "RAW"),  # such a file opens, as its thumbnail
    "renamed.tif": (saved(RGB8, "TIFF", tiffinfo={50706: b"\1\4\0\0"}), "RAW"),
    "canon.tif": (b"II*\0\x10\0\0\0CR\2\0" + bytes(64), "RAW"),
    "layers.psd": (b"8BPS\0\1" + bytes(64), "Photoshop"),
    "paper.pdf": (b"%PDF-1.7\n" + bytes(64), "PDF"),
    "notes.png": (b"these are words\n", "text"),
    "empty.png": (b"", "empty"),
    "zeros.png": (bytes(500), "no PNG"),
    "line\nbreak.png": (bytes(500), "no PNG"),
    "short.png": (saved(RGB8, "PNG")[:20], "damaged"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_gets_one_line(name: str, tmp_path: Path) -> None:
    data, says = REFUSED[name]
    (tmp_path / name).write_bytes(data)
    with pytest.raises(images.ImageError, match=says) as caught:
        images.read(tmp_path / name)
    message = str(caught.value)
    assert message.startswith(name.replace("\n", " "))
    assert "PNG" in message
    assert "\n" not in message
    assert str(tmp_path) not in message


def test_missing_files_and_folders(tmp_path: Path) -> None:
    for path in (tmp_path / "gone.png", tmp_path):
        with pytest.raises(images.ImageError) as caught:
            images.read(path)
        assert str(tmp_path.parent) not in str(caught.value)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"])
def test_truncated_files_are_refused_not_half_read(kind: str) -> None:
    data = saved(RGB8.resize((150, 120)), kind)
    whole = images.read(data).pixels
    refused = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9, 0.97):
        try:
            pixels = images.read(data[: int(share * len(data))]).pixels
        except images.ImageError:
            refused += 1
        else:  # only what follows the pixels was lost
            np.testing.assert_array_equal(pixels, whole)
    assert refused >= 4


def test_a_png_that_ends_early_inside_its_compressed_rows() -> None:
    short = png16(pattern(4, 37, 3, 16))
    taller = short[:16] + chunk(b"IHDR", short[16:20] + (8).to_bytes(4, "big") + short[24:29])[8:]
    with pytest.raises(images.ImageError, match="pixels are missing"):
        images.read(taller + short[33:])


def test_too_many_pixels() -> None:
    with pytest.raises(images.ImageError, match=r"37 x 31 px is more than 0\.001 megapixels"):
        images.read(saved(RGB8, "PNG"), max_pixels=1000)
    assert images.read(saved(RGB8, "PNG"), max_pixels=37 * 31).pixels.shape == (31, 37, 3)


def test_a_bomb_costs_no_memory(tmp_path: Path) -> None:
    bomb = tmp_path / "bomb.png"
    bomb.write_bytes(png_bomb(13000, 13000))
    program = (
        "import resource, sys; from n2n import images\n"
        "rss = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "before = rss()\n"
        "try: images.read(sys.argv[1])\n"
        "except images.ImageError as error: print(rss() - before, error)\n"
    )
    root = Path(__file__).parent.parent
    command = [sys.executable, "-c", program, str(bomb)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    grown_kib, message = done.stdout.split(maxsplit=1)
    assert "13000 x 13000 px is more than 120 megapixels" in message
    assert int(grown_kib) < 20_000


def test_pillows_warnings_do_not_leak() -> None:
    broken_exif = saved(RGB8, "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0\xff\0" + bytes(20))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        np.testing.assert_array_equal(
            images.read(broken_exif).pixels, images.read(saved(RGB8, "JPEG")).pixels
        )
