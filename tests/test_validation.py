"""Held-out photos: one draw of the noise, the same for a network, for any function, for nothing."""

import math

import numpy as np
import pytest
import torch
from skimage.metrics import peak_signal_noise_ratio

from n2n import images
from n2n.losses import l2
from n2n.noise import parse
from n2n.randomness import keyed_rng
from n2n.training import Diverged
from n2n.validation import Validator
from tests.tiny import photo

CPU = torch.device("cpu")
PHOTOS = [photo(300, 280, 4), photo(40, 50, 5)]
MIDDLES = [PHOTOS[0][22:278, 12:268], PHOTOS[1]]


def validator(noise: str = "gaussian:25", *, file_step: bool = True) -> Validator:
    return Validator(PHOTOS, parse(noise), CPU, file_step=file_step)


def noisy(index: int, view: int = 0) -> torch.Tensor:
    rng = keyed_rng("validation", index, view)
    return parse("gaussian:25")(images.to_tensor(MIDDLES[index]), rng)


@pytest.mark.parametrize("file_step", [True, False])
def test_doing_nothing_scores_what_the_noisy_file_does(file_step: bool) -> None:
    files = [images.to_uint8(noisy(index)) for index in (0, 1)]
    expected = np.mean(
        [peak_signal_noise_ratio(*pair) for pair in zip(MIDDLES, files, strict=True)]
    )
    found = validator(file_step=file_step)
    assert found(lambda x: x, l2).psnr_db == pytest.approx(expected, abs=1e-4)
    assert found.noisy_psnr_db() == pytest.approx(expected, abs=1e-4)
    assert found.score(lambda picture: picture) == pytest.approx(expected, abs=1e-4)


def test_the_loss_is_against_a_second_draw_that_is_not_clipped() -> None:
    expected = np.mean([float((noisy(index, 1) - 0.5).square().mean()) for index in (0, 1)])
    found = validator()(lambda x: torch.full_like(x, 0.5), l2)
    assert found.loss == pytest.approx(expected, rel=1e-5)


def test_a_network_and_a_function_of_pictures_score_the_same() -> None:
    found = validator()
    network = found(lambda x: 0.9 * x + 0.05, l2).psnr_db
    function = found.score(lambda picture: np.rint(0.9 * picture + 0.05 * 255).astype(np.uint8))
    assert network == pytest.approx(function, abs=0.01)


def test_where_the_run_trains_without_files_its_input_is_not_clipped() -> None:
    found = validator(file_step=False).pictures[1]
    assert torch.equal(found.source, noisy(1))
    np.testing.assert_array_equal(found.noisy, images.to_uint8(noisy(1)))


def test_the_reference_is_that_of_the_noise() -> None:
    """Of point sampling: the block means, a tenth of the size."""
    found = validator("point-sampling:10").pictures[1]
    assert found.clean.shape == found.noisy.shape == (4, 5, 3)
    blocks = PHOTOS[1].reshape(4, 10, 5, 10, 3).mean((1, 3))
    assert np.abs(found.clean - blocks).max() <= 0.51


def test_an_estimate_of_no_numbers_is_the_end() -> None:
    with pytest.raises(Diverged, match="no picture any more; lower the rate"):
        validator()(lambda x: x * math.nan, l2)
