"""Metrics against scikit-image, against a second implementation, and by hand."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio
from torch.nn import functional

from n2n import images
from n2n.metrics import psnr_db, psnr_global_db, psnr_mean_db, ssim
from tests.tiny import photo, random_picture, refused


@pytest.mark.parametrize("noise", [0.001, 0.05, 0.5])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_psnr_agrees_with_scikit_image(noise: float, data_range: float) -> None:
    clean = data_range * random_picture(3, 3, 20, 30)
    estimate = clean + data_range * noise * random_picture(3, 3, 20, 30, seed=1)
    expected = [
        peak_signal_noise_ratio(a.double().numpy(), b.double().numpy(), data_range=data_range)
        for a, b in zip(clean, estimate, strict=True)
    ]
    found = psnr_db(estimate, clean, data_range=data_range)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-12)


def test_psnr_of_identical_images_is_infinite() -> None:
    picture = random_picture(2, 3, 8, 8)
    estimate = picture.clone()
    estimate[1] += 0.1
    values = psnr_db(estimate, picture)
    assert float(values[0]) == math.inf
    assert float(values[1]) == pytest.approx(20)


def test_psnr_is_of_the_unclipped_estimate() -> None:
    assert float(psnr_db(torch.full((1, 3, 4, 4), 2.0), torch.ones(1, 3, 4, 4))) == 0


def test_both_conventions_by_hand() -> None:
    """Images of MSE 0.01 and 0.0001: 20 and 40 dB, so A is 30; B takes the mean MSE first."""
    clean = torch.zeros(2, 3, 4, 4)
    estimate = torch.tensor([0.1, 0.01])[:, None, None, None].expand(2, 3, 4, 4)
    assert psnr_mean_db(estimate, clean) == pytest.approx(30)
    assert psnr_global_db(estimate, clean) == pytest.approx(-10 * math.log10(0.00505 + 1e-8))
    assert psnr_global_db(clean, clean) == pytest.approx(80)  # its 1e-8


def test_psnr_compares_one_size() -> None:
    with refused("one size", "(1, 3, 4, 4)", "(1, 3, 4, 5)"):
        psnr_db(torch.zeros(1, 3, 4, 4), torch.zeros(1, 3, 4, 5))


def ssim_by_definition(estimate: np.ndarray, clean: np.ndarray, top: int) -> float:
    """Wang et al. 2004: 11×11 Gaussian window of σ = 1.5, K = 0.01 and 0.03, whole windows only."""
    offsets = torch.arange(-5.0, 6.0, dtype=torch.float64)
    bell = torch.exp(-(offsets**2) / (2 * 1.5**2))
    window = (bell[:, None] * bell[None, :] / bell.sum() ** 2)[None, None]
    x, y = (
        torch.from_numpy(np.atleast_3d(a).astype(np.float64)).permute(2, 0, 1)[:, None]
        for a in (estimate, clean)
    )

    def mean(values: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(values, window)

    a, b, c1, c2 = mean(x), mean(y), (0.01 * top) ** 2, (0.03 * top) ** 2
    var_x, var_y, both = mean(x * x) - a * a, mean(y * y) - b * b, mean(x * y) - a * b
    quality = (2 * a * b + c1) * (2 * both + c2) / ((a * a + b * b + c1) * (var_x + var_y + c2))
    return float(quality.mean())


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_ssim_by_its_definition(dtype: type, grey: bool) -> None:
    top = np.iinfo(dtype).max
    clean = photo(40, 50).astype(np.float64) / 255
    noisy = clean + 0.1 * np.random.default_rng(0).standard_normal(clean.shape)
    pair = [np.rint(np.clip(values, 0, 1) * top).astype(dtype) for values in (noisy, clean)]
    if grey:
        pair = [values[..., 1] for values in pair]
    assert ssim(*pair) == pytest.approx(ssim_by_definition(*pair, top), rel=1e-6)


def test_ssim_of_identical_and_of_tiny_pictures() -> None:
    assert ssim(photo(11, 11), photo(11, 11)) == 1
    assert math.isnan(ssim(photo(10, 40), photo(10, 40)))
    assert math.isnan(ssim(photo(40, 10), photo(40, 10)))


def test_ssim_compares_one_size_and_type() -> None:
    with refused("one size and type", "(20, 20, 3) uint8", "(20, 21, 3) uint8"):
        ssim(photo(20, 20), photo(20, 21))
    with refused("uint16"):
        ssim(photo(20, 20), photo(20, 20).astype(np.uint16))


def test_the_file_step_is_what_psnr_of_files_sees() -> None:
    picture = random_picture(1, 3, 16, 16) * 1.4 - 0.2
    stepped = images.to_tensor(images.to_uint8(picture))
    assert float(psnr_db(images.file_step(picture), stepped)) == math.inf
