"""The noise level where theory knows it: a Wiener filter on white signals, and plain noise."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n.noise_level import DB2, PROBE, estimate, wavelet_sigma
from tests.tiny import one_thread, photo  # noqa: F401  a fixture


def white(*shape: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).standard_normal(shape)).float()


@pytest.mark.parametrize("sigma_255", [2.0, 25.0, 100.0])
@pytest.mark.parametrize("signal", [0.0, 0.05, 0.3])
def test_wiener_filter(sigma_255: float, signal: float) -> None:
    """x ~ N(0, s²), y = x + σn: the optimum is f(y) = a·y with a = s² / (s² + σ²), and its error
    is σ²·a. Its divergence is a·n, so the formulas must give σ² and that error back.
    """
    sigma = sigma_255 / 255
    share = signal**2 / (signal**2 + sigma**2)
    clean = signal * white(1, 3, 256, 256)
    noisy = clean + sigma * white(1, 3, 256, 256, seed=1)
    found = estimate(lambda y: share * y, noisy)
    # A variance from n numbers has a relative standard error of √(2/n); so has b·b, the probe.
    spread = 4 * math.sqrt(2 / noisy.numel()) / (1 - share)
    assert found.sigma_255 == pytest.approx(sigma_255, rel=spread)
    if signal:
        error = float((share * noisy - clean).square().mean())
        assert found.expected_psnr_db == pytest.approx(-10 * math.log10(error), abs=8.7 * spread)
    else:
        assert found.expected_psnr_db == math.inf  # nothing left to get wrong


def test_a_perfectly_clean_picture() -> None:
    picture = torch.full((1, 3, 32, 32), 0.5)
    found = estimate(lambda y: y, picture)
    assert found.sigma_255 == 0
    assert found.expected_psnr_db == math.inf


def test_a_known_result_saves_a_pass() -> None:
    calls = []

    def denoise(y: Tensor) -> Tensor:
        calls.append(y.shape)
        return 0.5 * y

    noisy = white(1, 3, 64, 64)
    whole = estimate(denoise, noisy)
    before = len(calls)
    assert estimate(denoise, noisy, 0.5 * noisy) == whole
    assert len(calls) - before == before - 1


def test_the_estimate_repeats() -> None:
    noisy = white(1, 3, 32, 48)
    assert estimate(lambda y: 0.3 * y, noisy) == estimate(lambda y: 0.3 * y, noisy)
    assert PROBE > 0


# ---- the wavelet's opinion ----


def test_the_filter_is_daubechies_second() -> None:
    """Orthonormal with two vanishing moments: that, and the order of its taps, makes it db2."""
    taps = np.array(DB2)
    assert (taps**2).sum() == pytest.approx(1)
    assert taps[0] * taps[2] + taps[1] * taps[3] == pytest.approx(0, abs=1e-12)
    high = taps[::-1] * [1, -1, 1, -1]
    assert high.sum() == pytest.approx(0, abs=1e-12)
    assert (high * np.arange(4)).sum() == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize("sigma", [0.01, 0.1, 0.5])
def test_wavelet_sigma_of_white_noise(sigma: float) -> None:
    found = wavelet_sigma(0.5 + sigma * white(1, 3, 256, 256))
    # The median of n values of |N(0, 1)| strays by 1.17 / √n; n is a quarter of the pixels.
    assert found == pytest.approx(sigma, rel=4 * 1.17 / math.sqrt(3 * 128**2))


def test_wavelet_sigma_sees_no_slopes() -> None:
    ramp = torch.arange(64.0)[:, None] * 0.01 + torch.arange(64.0) * 0.003
    assert wavelet_sigma(ramp.expand(1, 3, 64, 64)) < 1e-6


def test_wavelet_sigma_leaves_out_flat_areas() -> None:
    noisy = 0.5 + 0.1 * white(1, 3, 128, 128)
    noisy[..., 40:] = 1.0  # two thirds clipped
    assert wavelet_sigma(noisy) == pytest.approx(0.1, rel=0.1)
    assert wavelet_sigma(torch.ones(1, 3, 64, 64)) == 0


def test_the_mean_over_channels() -> None:
    levels = torch.tensor([0.05, 0.1, 0.3])[:, None, None]
    assert wavelet_sigma(levels * white(1, 3, 256, 256)) == pytest.approx(0.15, rel=0.03)


# ---- doubt ----


def noisy_photo(noise: Tensor) -> Tensor:
    clean = torch.from_numpy(photo(96, 96) / 255).permute(2, 0, 1)[None].float()
    return clean + noise


def blur(noisy: Tensor) -> Tensor:
    """A denoiser good enough to have an opinion: the mean of 5×5 pixels."""
    return torch.nn.functional.avg_pool2d(noisy, 5, stride=1, padding=2, count_include_pad=False)


def test_white_noise_raises_no_doubt() -> None:
    assert estimate(blur, noisy_photo(0.1 * white(1, 3, 96, 96))).doubt is None


def test_blurred_noise_raises_doubt() -> None:
    blotchy = torch.nn.functional.avg_pool2d(white(1, 3, 98, 98), 3, stride=1)
    found = estimate(blur, 0.5 + 0.4 * blotchy)
    assert found.doubt is not None
    assert "blotchy" in found.doubt


def test_impulses_raise_doubt() -> None:
    """One pixel in two hundred."""
    noisy = 0.5 + 0.05 * white(1, 3, 96, 96)
    hit = torch.rand(1, 1, 96, 96, generator=torch.Generator().manual_seed(0)) < 0.005
    assert estimate(blur, noisy).doubt is None
    found = estimate(blur, noisy.masked_fill(hit, 1.0))
    assert found.doubt is not None
    assert "some pixels stray" in found.doubt


@pytest.mark.parametrize("side", [24, 40, 58, 96])
def test_one_stray_number_of_a_small_picture_raises_no_doubt(side: int) -> None:
    noisy = 0.5 + 0.05 * white(1, 3, side, side)
    noisy[0, 0, side // 2, side // 2] = 1.0
    assert estimate(blur, noisy).doubt is None


def test_the_noise_of_light_raises_no_doubt() -> None:
    """It is three times as strong in the light as in the dark, but no pixel stands out."""
    clean = torch.linspace(0.1, 0.9, 96).expand(1, 3, 96, 96)
    assert estimate(blur, clean + 0.1 * clean.sqrt() * white(1, 3, 96, 96)).doubt is None


def test_tiny_pictures_raise_doubt() -> None:
    for size in [(1, 1), (3, 50), (50, 3)]:
        found = estimate(lambda y: 0.5 * y, white(1, 3, *size))
        assert found.doubt == "the picture is too small to tell its noise"
        assert math.isnan(found.wavelet_sigma_255)
        assert found.sigma_255 >= 0
