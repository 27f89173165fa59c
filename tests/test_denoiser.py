"""Any picture in, the same kind out; what the network does to it is known by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from n2n.denoiser import Denoiser
from n2n.models import ModelSpec
from n2n.models.padding import amid_border
from tests.tiny import CPU, estimate, photo, pixels, random_picture, randomize, refused

SMALL = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})


class Negative(nn.Module):
    """1 - x with the channels turned: exact in every depth, and no colour is like another."""

    stride, radius, tile_px = 1, 0, 16

    def forward(self, x: Tensor) -> Tensor:
        return 1 - x[:, [1, 2, 0]]


@pytest.fixture(name="negative")
def negative_denoiser() -> Denoiser:
    return Denoiser(Negative(), ModelSpec("negative", {}), CPU, "negative")


@pytest.fixture(name="small")
def small_denoiser() -> Denoiser:
    return Denoiser(randomize(SMALL.build()), SMALL, CPU, "small")


def inverted(array: np.ndarray) -> np.ndarray:
    top = 1 if np.issubdtype(array.dtype, np.floating) else np.iinfo(array.dtype).max
    return (top - array).astype(array.dtype)


# ---- kinds ----


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float16, np.float32, np.float64])
def test_arrays_come_back_as_their_kind(negative: Denoiser, dtype: Any) -> None:  # noqa: ANN401
    colour, grey = pixels(37, 31, 3, dtype=dtype), pixels(37, 31, dtype=dtype)
    # A float64 passes the network at single precision; nothing is clipped.
    tolerance = 0 if np.issubdtype(dtype, np.integer) else max(np.finfo(dtype).eps, 1e-6)
    for noisy, expected in ((colour, inverted(colour[..., [1, 2, 0]])), (grey, inverted(grey))):
        before = noisy.copy()
        result = negative(noisy)
        assert result.dtype == dtype
        assert result.shape == noisy.shape
        np.testing.assert_allclose(
            result.astype(float), expected.astype(float), atol=tolerance, rtol=tolerance
        )
        np.testing.assert_array_equal(noisy, before)


def test_grey_is_the_mean_of_the_channels() -> None:
    class Tinted(Negative):
        def forward(self, x: Tensor) -> Tensor:
            return x * torch.tensor([0.0, 0.5, 1.0])[:, None, None]

    grey = pixels(20, 24, dtype=np.float32)
    result = Denoiser(Tinted(), SMALL, CPU, "tinted")(grey)
    np.testing.assert_allclose(result, grey / 2, rtol=1e-6)


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16", "F"])
def test_pil_images_come_back_in_their_mode(negative: Denoiser, mode: str) -> None:
    array = {
        "L": pixels(37, 31),
        "RGB": pixels(37, 31, 3),
        "I;16": pixels(37, 31, dtype=np.uint16),
        "F": pixels(37, 31, dtype=np.float32),
    }[mode]
    result = negative(Image.fromarray(array))
    assert (result.mode, result.size) == (mode, (31, 37))
    turned = array[..., [1, 2, 0]] if array.ndim == 3 else array
    np.testing.assert_allclose(np.asarray(result), inverted(turned), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("mode", ["1", "P", "LA", "RGBA", "CMYK", "YCbCr", "HSV", "I"])
def test_other_pil_modes_are_refused(negative: Denoiser, mode: str) -> None:
    """They would lose transparency or depth on the way, and another kind would come back."""
    grey = Image.fromarray(photo(37, 31)[..., 0])
    picture = grey.convert(mode) if mode in ("I", "LA") else grey.convert("RGB").convert(mode)
    with pytest.raises(ValueError, match="convert it first"):
        negative(picture)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_tensors_come_back_as_they_came(negative: Denoiser, dtype: torch.dtype) -> None:
    noisy = (3 * random_picture(2, 3, 37, 31) - 1).to(dtype)
    for memory in (noisy, noisy.contiguous(memory_format=torch.channels_last)):
        result = negative(memory)
        assert result.dtype == dtype
        expected = 1 - noisy[:, [1, 2, 0]].float()
        torch.testing.assert_close(result, expected.to(dtype))


def test_each_image_of_a_batch_is_denoised_by_itself(small: Denoiser) -> None:
    batch = random_picture(3, 3, 24, 28)
    for index, result in enumerate(small(batch)):
        torch.testing.assert_close(result[None], small(batch[index : index + 1]))


def test_results_may_be_trained_on(negative: Denoiser) -> None:
    """Not an inference tensor, which autograd would refuse; and no graph back to the input."""
    result = negative(random_picture(1, 3, 8, 8).requires_grad_())
    assert not result.requires_grad
    weight = torch.ones(1, requires_grad=True)
    (result * weight).square().sum().backward()
    assert weight.grad is not None


def test_views_and_read_only_arrays(negative: Denoiser) -> None:
    array = pixels(40, 60, 3)
    array.setflags(write=False)
    for view in (array, array[::-1, ::-2], array.transpose(1, 0, 2), array[5:6, 7:8]):
        np.testing.assert_array_equal(negative(view), inverted(view[..., [1, 2, 0]]))


# ---- strength and borders ----


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("strength", [0, 0.5, 0.8, 1])
def test_strength_mixes_the_input_back(negative: Denoiser, dtype: Any, strength: float) -> None:  # noqa: ANN401
    noisy = pixels(20, 30, 3, dtype=dtype)
    estimate = negative(noisy).astype(np.float64)
    expected = noisy + strength * (estimate - noisy.astype(np.float64))
    result = negative(noisy, strength=strength)
    assert result.dtype == dtype
    # Half a level for rounding, and float32's last bits.
    off = np.abs(result - expected).max()
    assert off <= (1e-6 if dtype == np.float32 else 0.5 + 0.01)
    if strength == 0:
        np.testing.assert_array_equal(result, noisy)


@pytest.mark.parametrize("strength", [-0.01, 1.01, float("nan"), float("inf")])
def test_strength_outside_its_range_is_refused(negative: Denoiser, strength: float) -> None:
    with refused("strength lies between 0", f"got {strength}"):
        negative(pixels(8, 8), strength=strength)


@pytest.mark.parametrize("sides", [(21, 30), (64, 3), (2, 5), (1, 1)])
@torch.inference_mode()
def test_a_picture_is_denoised_amid_its_mirrored_border(
    small: Denoiser, sides: tuple[int, int]
) -> None:
    noisy = pixels(*sides, 3, dtype=np.float32)
    margin = small.margin
    assert margin == 4
    # And up to whole multiples of the stride, which are the margin's.
    around = (*((margin, margin + -side % margin) for side in sides), (0, 0))
    around_it = estimate(small, np.pad(noisy, around, mode="reflect"))
    expected = around_it[margin : margin + sides[0], margin : margin + sides[1]]
    np.testing.assert_allclose(small(noisy), expected, rtol=1e-5, atol=1e-5)
    image = torch.from_numpy(noisy).permute(2, 0, 1)[None]
    for found in (small(image), amid_border(small.model, image)):
        np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, rtol=1e-5, atol=1e-5)


# ---- what is refused ----

WRONG = {
    "RGBA": (np.zeros((8, 8, 4), np.uint8), "shape (8, 8, 4)"),
    "large RGBA": (np.zeros((40, 50, 4), np.uint8), "shape (40, 50, 4)"),
    "two channels": (np.zeros((8, 8, 2), np.float32), "shape (8, 8, 2)"),
    "one axis": (np.zeros(8, np.uint8), "shape (8,)"),
    "batch of arrays": (np.zeros((2, 8, 8, 3), np.uint8), "shape (2, 8, 8, 3)"),
    "empty": (np.zeros((0, 8, 3), np.uint8), "shape (0, 8, 3)"),
    "a path": ("photo.png", "shape ()"),
    "nothing": (None, "shape ()"),
    "NaN": (np.full((8, 8), np.nan), "NaN"),
    "infinite": (np.full((8, 8, 3), -np.inf, np.float32), "infinite"),
    "NaN image": (Image.fromarray(np.full((8, 8), np.nan, np.float32)), "NaN"),
    "empty image": (Image.new("RGB", (0, 8)), "shape (8, 0, 3)"),
    "grey tensor": (torch.zeros(1, 1, 8, 8), "(1, 1, 8, 8)"),
    "one image tensor": (torch.zeros(3, 8, 8), "(3, 8, 8)"),
    "empty batch": (torch.zeros(0, 3, 8, 8), "(0, 3, 8, 8)"),
    "integer tensor": (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
    "NaN tensor": (torch.full((1, 3, 8, 8), torch.nan), "NaN"),
}


@pytest.mark.parametrize(("noisy", "part"), WRONG.values(), ids=WRONG)
def test_what_is_no_picture_is_refused(negative: Denoiser, noisy: Any, part: str) -> None:  # noqa: ANN401
    with refused(part):
        negative(noisy)


@pytest.mark.parametrize("dtype", [np.int64, np.int32, np.int8, bool, complex, object])
def test_other_types_are_refused(negative: Denoiser, dtype: Any) -> None:  # noqa: ANN401
    with refused("uint8, uint16 or float", kind=TypeError):
        negative(np.zeros((8, 8, 3), dtype))
