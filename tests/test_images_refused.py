"""Pictures that cannot be read: one line that says why, soon and in little memory."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2n import images
from tests.picture_files import chunk, pattern, png16, png_bomb, saved, tiff

RGB8 = Image.fromarray(pattern(31, 37))


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
    "header.png": (saved(RGB8, "PNG")[:29] + bytes(4) + saved(RGB8, "PNG")[33:], "damaged"),
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
    assert "b'" not in message, "Python's bytes"
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
