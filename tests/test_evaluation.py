"""The protocol against KAIR's own lines, and the sums against hand-made ones."""

import numpy as np
import pytest
import torch

from n2n.data.samples import sample
from n2n.evaluation import (
    PUBLISHED,
    PUBLISHED_PHOTOS,
    ImageScore,
    draw,
    published,
    summarize,
)
from n2n.images import to_tensor
from n2n.noise import create_noise


def test_noise_is_the_protocols() -> None:
    pixels = sample("chelsea")[:20, :30]
    np.random.seed(0)  # noqa: NPY002  the protocol itself
    expected = np.float32(pixels / 255.0)
    expected += np.random.normal(0, 15 / 255.0, expected.shape)  # noqa: NPY002
    found = draw(create_noise("gaussian", 15), to_tensor(pixels))
    np.testing.assert_allclose(found[0].permute(1, 2, 0), expected, atol=1e-6)


def test_other_noise_repeats_itself() -> None:
    clean, noise = to_tensor(sample("chelsea")[:20, :30]), create_noise("poisson", 30)
    assert torch.equal(draw(noise, clean), draw(noise, clean))


def test_summary_in_both_conventions() -> None:
    scores = [
        ImageScore("a", 20, 30, 0.8, 1e-3, 1.0, 2.0),
        ImageScore("b", 22, 20, 0.6, 1e-2, 2.0, 4.0),
    ]
    total = summarize(scores)
    assert total.psnr_db == pytest.approx(25)
    assert total.psnr_global_db == pytest.approx(-10 * np.log10(7e-3), abs=1e-4)
    assert (total.images, total.seconds_per_megapixel) == (2, 0.5)
    with pytest.raises(ValueError, match="no picture"):
        summarize([])


def test_published_numbers_fall_with_noise_and_are_found_by_folder_name() -> None:
    for table in PUBLISHED.values():
        assert all(values == tuple(sorted(values, reverse=True)) for values in table.values())
    assert PUBLISHED.keys() == PUBLISHED_PHOTOS.keys()
    noise, size = create_noise("gaussian", 25), 321 * 481
    assert published("cbsd68", noise, 68, size)["CBM3D"] == 30.71
    assert published("cbsd68", create_noise("gaussian", 26), 68, size) == {}
    assert published("elsewhere", noise, 68, size) == {}


def test_published_numbers_are_of_those_very_photos() -> None:
    noise = create_noise("gaussian", 25)
    assert published("kodak24", noise, 24, 500 * 500)["CBM3D"] == 31.68
    assert published("kodak24", noise, 24, 768 * 512) == {}  # whole ones
    assert published("kodak24", noise, 1, 500 * 500) == {}  # the first of them
