"""A picture's way through the page: read, made noisy, measured."""

import math
from pathlib import Path

import numpy as np
import pytest

import n2n
import n2n.noise_level
from n2n import images
from n2n.data.samples import sample
from n2n.noise import NOISES, create_noise
from n2n.randomness import keyed_rng
from n2n.ui.handlers import pictures, quality


def test_quality_by_bands_is_quality_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (601, 47, 3), dtype=np.uint8)
    noisy = np.clip(clean + rng.normal(0, 9, clean.shape), 0, 255).astype(np.uint8)
    whole = float(n2n.psnr_db(images.to_tensor(noisy), images.to_tensor(clean)))
    assert quality.psnr_db(noisy, clean) == pytest.approx(whole, abs=1e-9)
    assert quality.ssim(noisy, clean) == pytest.approx(n2n.ssim(noisy, clean), abs=1e-9)
    assert quality.psnr_db(clean, clean) == math.inf
    assert math.isnan(quality.ssim(clean[:5], clean[:5]))


@pytest.mark.parametrize("name", NOISES)
def test_the_same_seed_gives_the_same_noise_and_another_another(name: str) -> None:
    clean = sample("chelsea")
    noise = create_noise(name)
    first, second, other = (pictures.add_noise(clean, noise, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first != other).mean() > 0.05
    assert first.shape == pictures.reference(clean, noise).shape


@pytest.mark.parametrize("name", NOISES)
def test_a_part_gets_the_noise_that_the_whole_gets(name: str) -> None:
    clean = np.tile(sample("chelsea"), (8, 1, 1))
    noise = create_noise(name)
    whole = pictures.add_noise(clean, noise, 1)
    rows = slice(pictures.BAND_ROWS - 5, pictures.BAND_ROWS + 9)
    part = pictures.add_noise(clean, noise, 1, only=rows)
    np.testing.assert_array_equal(part, whole[rows])


@pytest.mark.parametrize("name", [name for name in NOISES if not NOISES[name].in_bands])
def test_noise_with_structure_has_no_seams(name: str) -> None:
    """What the page shows is one draw of the whole picture, also where it is high."""
    clean = np.full((2 * pictures.BAND_ROWS + 9, 31, 3), 128, np.uint8)
    noise = create_noise(name)
    draw = noise(images.to_tensor(clean), keyed_rng(5, 0))
    np.testing.assert_array_equal(pictures.add_noise(clean, noise, 5), images.to_uint8(draw))


def test_noise_has_the_level_that_was_asked_for() -> None:
    grey = np.full((600, 500, 3), 128, np.uint8)
    noisy = pictures.add_noise(grey, create_noise("gaussian", 25), 0)
    error = noisy.astype(float) - 128
    count = error.size
    assert abs(error.mean()) < 4 * 25 / math.sqrt(count)
    # Rounding adds 1/12; the standard error of a variance is σ²·√(2/n).
    assert abs(error.var() - 625 - 1 / 12) < 4 * 625 * math.sqrt(2 / count)


def test_a_picture_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    images.write(path, np.zeros((100, 100), np.uint8))
    with pytest.raises(ValueError, match="megapixels"):
        pictures.read(path, 0.005)
