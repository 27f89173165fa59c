"""Pixels <-> tensors <-> files: rounding, bit-exact round trips, nothing left behind."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from n2n import images
from n2n.randomness import keyed_rng
from tests.picture_files import pattern

LOSSLESS = [".png", ".tif", ".TIFF", ".bmp", ".webp"]


def picture(channels: int, depth: int, size: tuple[int, int] = (31, 37)) -> np.ndarray:
    pixels = pattern(*size, channels, depth)
    return pixels[..., 0] if channels == 1 else pixels


@pytest.mark.parametrize("suffix", LOSSLESS)
@pytest.mark.parametrize("channels", [1, 3])
def test_8_bit_round_trip(channels: int, suffix: str, tmp_path: Path) -> None:
    pixels = picture(channels, 8)
    images.write(tmp_path / f"a{suffix}", pixels)
    back = images.read(tmp_path / f"a{suffix}")
    if suffix == ".webp" and channels == 1:  # WebP has no grey
        pixels = np.stack([pixels] * 3, -1)
    np.testing.assert_array_equal(back.pixels, pixels)
    assert back.notes == ()


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1), (31, 37), (1200, 400)])
def test_16_bit_round_trip(
    size: tuple[int, int], channels: int, suffix: str, tmp_path: Path
) -> None:
    pixels = picture(channels, 16, size)
    images.write(tmp_path / f"a{suffix}", pixels)
    back = images.read(tmp_path / f"a{suffix}").pixels
    assert back.dtype == np.uint16
    np.testing.assert_array_equal(back, pixels)


def test_others_read_our_16_bit_files(tmp_path: Path) -> None:
    grey, colour = picture(1, 16), picture(3, 16)
    images.write(tmp_path / "a.png", grey)
    images.write(tmp_path / "b.png", colour)
    images.write(tmp_path / "c.tif", colour)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), grey)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "b.png")), colour >> 8)
    np.testing.assert_array_equal(tifffile.imread(tmp_path / "c.tif"), colour)
    for name in ("a.png", "b.png"):
        with Image.open(tmp_path / name) as image:
            image.verify()


def test_png_bytes_are_the_file(tmp_path: Path) -> None:
    for depth in (8, 16):
        images.write(tmp_path / "a.png", picture(3, depth))
        assert images.png_bytes(picture(3, depth)) == (tmp_path / "a.png").read_bytes()


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".bmp", ".gif"])
def test_16_bit_is_rounded_where_the_format_has_8(suffix: str, tmp_path: Path) -> None:
    flat = np.full((16, 16, 3), 100 * 257 + 129, np.uint16)  # just above the middle of 100 and 101
    images.write(tmp_path / f"a{suffix}", flat)
    back = images.read(tmp_path / f"a{suffix}").pixels
    assert back.dtype == np.uint8
    if suffix != ".gif":  # at most 256 colours, from a fixed palette
        assert np.abs(back.astype(int) - 101).max() == 0


def test_jpeg_keeps_colour_detail(tmp_path: Path) -> None:
    images.write(tmp_path / "a.jpg", picture(3, 8))
    with Image.open(tmp_path / "a.jpg") as image:
        assert [component[1:3] for component in image.layer] == [(1, 1)] * 3
        assert not image.getexif()


def test_a_failed_write_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"precious")

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(images.ImageError, match=r"cannot write a\.png: No space left"):
        images.write(path, picture(3, 8))
    assert path.read_bytes() == b"precious"
    assert os.listdir(tmp_path) == ["a.png"]


@pytest.mark.parametrize("name", ["a", "a.xyz", "a.svg"])
def test_unknown_extensions(name: str, tmp_path: Path) -> None:
    with pytest.raises(images.ImageError, match=r"\.png, \.tif"):
        images.write(tmp_path / name, picture(3, 8))
    assert not os.listdir(tmp_path)


def test_what_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="float"):
        images.write(tmp_path / "a.png", np.zeros((4, 4)))
    with pytest.raises(ValueError, match="shape"):
        images.write(tmp_path / "a.png", np.zeros((4, 4, 4), np.uint8))
    with pytest.raises(images.ImageError, match="a WEBP file cannot hold this picture"):
        images.write(tmp_path / "a.webp", np.zeros((1, 20000, 3), np.uint8))
    with pytest.raises(images.ImageError, match=r"cannot write a\.png: No such file"):
        images.write(tmp_path / "nowhere" / "a.png", picture(3, 8))


# ---- tensors ----


@pytest.mark.parametrize("depth", [8, 16])
def test_every_level_survives(depth: int) -> None:
    levels = np.arange(2**depth).astype(np.uint8 if depth == 8 else np.uint16)
    pixels = np.stack([levels.reshape(2 ** (depth // 2), -1)] * 3, -1)
    tensor = images.to_tensor(pixels)
    assert tensor.shape == (1, 3, *pixels.shape[:2])
    assert tensor.dtype == torch.float32
    assert (tensor.min(), tensor.max()) == (0, 1)
    back = images.to_uint8(tensor) if depth == 8 else images.to_uint16(tensor)
    assert back.dtype == pixels.dtype
    np.testing.assert_array_equal(back, pixels)


def test_grey_becomes_three_channels_and_floats_stay() -> None:
    grey = np.array([[-0.5, 0.25], [1.5, 2]])
    tensor = images.to_tensor(grey)
    assert tensor.tolist() == [[grey.tolist()] * 3]
    tensor += 1  # a copy, with memory of its own
    assert grey[0, 0] == -0.5


def test_to_uint8_clamps_and_rounds_half_to_even() -> None:
    values = torch.tensor([-3, -0.001, 0.5, 1.5, 2.5, 3.5, 254.4, 254.6, 256, float("inf")]) / 255
    image = values.double().expand(1, 3, 1, -1)
    assert images.to_uint8(image)[0, :, 0].tolist() == [0, 0, 0, 2, 2, 4, 254, 255, 255, 255]


@pytest.mark.parametrize("convert", [images.to_uint8, images.to_uint16, images.file_step])
def test_nan_is_no_picture(convert) -> None:  # noqa: ANN001
    with pytest.raises(ValueError, match="NaN"):
        convert(torch.full((1, 3, 2, 2), float("nan")))


def test_wrong_shapes_and_types() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 4, 4\)"):
        images.to_uint8(torch.zeros(2, 3, 4, 4))
    with pytest.raises(TypeError, match="int64"):
        images.to_uint8(torch.zeros(1, 3, 4, 4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"\(4, 4, 2\)"):
        images.to_tensor(np.zeros((4, 4, 2)))
    with pytest.raises(TypeError, match="int64"):
        images.to_tensor(np.zeros((4, 4), np.int64))
    with pytest.raises(ValueError, match="depth 12"):
        images.file_step(torch.zeros(1), 12)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("depth", [8, 16])
def test_the_file_step_is_what_a_file_does(depth: int, suffix: str, tmp_path: Path) -> None:
    image = torch.randn(1, 3, 31, 37, generator=keyed_rng(1)) * 0.5 + 0.5
    write = images.to_uint8 if depth == 8 else images.to_uint16
    images.write(tmp_path / f"a{suffix}", write(image))
    read_again = images.to_tensor(images.read(tmp_path / f"a{suffix}").pixels)
    assert torch.equal(images.file_step(image, depth), read_again)
    assert torch.equal(images.file_step(read_again, depth), read_again)
