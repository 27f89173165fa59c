"""Every noise against the equation in its docstring, by statistics: four standard errors."""

import dataclasses
import json
import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from skimage.measure import block_reduce
from torch import Tensor

from n2n.losses import LOSSES
from n2n.noise import NOISES, LevelRange, Noise
from n2n.noise.gaussian import Gaussian
from n2n.noise.impulse import MissingPixels, SaltAndPepper
from n2n.noise.photon import Poisson, PoissonGaussian
from n2n.noise.sampling import PointSampling
from n2n.randomness import keyed_rng
from tests.tiny import one_thread, random_picture, refused, z_score  # noqa: F401  a fixture

EXAMPLES: dict[str, Noise] = {
    "gaussian": Gaussian(25),
    "poisson": Poisson(30),
    "poisson-gaussian": PoissonGaussian(0.02, 0.001),
    "salt-and-pepper": SaltAndPepper(0.2),
    "missing-pixels": MissingPixels(0.3),
    "point-sampling": PointSampling(4),
}


def blocks(statistic: Callable[..., np.ndarray]) -> Callable[[Tensor], Tensor]:
    """The statistic of 4×4 blocks, by scikit-image."""
    return lambda x: torch.from_numpy(block_reduce(x.numpy(), (1, 1, 4, 4), statistic))


# E[y | x] and Var[y | x], from each noise's definition.
MEAN: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda x: x,
    "poisson": lambda x: x,
    "poisson-gaussian": lambda x: x,
    "salt-and-pepper": lambda x: 0.8 * x + 0.1,
    "missing-pixels": lambda x: 0.7 * x,
    "point-sampling": blocks(np.mean),
}
VARIANCE: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda x: torch.full_like(x, (25 / 255) ** 2),
    "poisson": lambda x: x / 30,
    "poisson-gaussian": lambda x: 0.02 * x + 0.001,
    "salt-and-pepper": lambda x: 0.8 * x**2 + 0.1 - (0.8 * x + 0.1) ** 2,
    "missing-pixels": lambda x: 0.7 * 0.3 * x**2,
    "point-sampling": blocks(np.var),
}
every_noise = pytest.mark.parametrize(("name", "noise"), EXAMPLES.items(), ids=EXAMPLES)


def near_white(size: int = 256) -> Tensor:
    """(1, 3, size, size) with texture, so close to white that clipping would show."""
    return 0.9 + 0.1 * random_picture(1, 3, size, size)


def test_every_noise_has_an_example() -> None:
    assert EXAMPLES.keys() == NOISES.keys() == MEAN.keys() == VARIANCE.keys()
    for name, noise in EXAMPLES.items():
        assert type(noise) is NOISES[name]


@every_noise
def test_mean(name: str, noise: Noise) -> None:
    clean = near_white()
    error = noise(clean, keyed_rng(0)) - MEAN[name](clean)
    # One channel: impulses and point sampling treat the channels of a pixel alike.
    assert abs(z_score(error[:, 0])) < 4


@every_noise
def test_variance(name: str, noise: Noise) -> None:
    clean = near_white()
    error = noise(clean, keyed_rng(1)) - MEAN[name](clean)
    assert abs(z_score(error[:, 0].square() - VARIANCE[name](clean)[:, 0])) < 4


@pytest.mark.parametrize("noise", [Gaussian(25), Poisson(30), PoissonGaussian(0.02, 0.001)])
def test_the_mean_test_would_see_clipping(noise: Noise) -> None:
    clean = near_white()
    assert z_score(noise(clean, keyed_rng(0)).clamp(0, 1) - clean) < -40


@every_noise
def test_zero_mean_is_stated_truly(name: str, noise: Noise) -> None:
    clean = near_white()
    bias = MEAN[name](clean) - noise.reference(clean)
    assert noise.zero_mean == bool(bias.abs().max() < 1e-6)


@every_noise
def test_reference(name: str, noise: Noise) -> None:
    clean = near_white(64)
    expected = MEAN[name](clean) if name == "point-sampling" else clean
    torch.testing.assert_close(noise.reference(clean), expected)
    assert noise(clean, keyed_rng(0)).shape == noise.reference(clean).shape


@every_noise
def test_the_loss_fits_the_noise(name: str, noise: Noise) -> None:
    """L2 for the mean; L1 where the mean moves but the median of many draws stays."""
    assert noise.loss in LOSSES
    assert (noise.loss == "l2") == noise.zero_mean
    if noise.loss == "l1":
        clean = near_white(16)
        draws = torch.stack([noise(clean, keyed_rng(i)) for i in range(201)])
        torch.testing.assert_close(draws.median(0).values, clean)


@every_noise
def test_same_key_same_draw(name: str, noise: Noise) -> None:
    clean = near_white(32)
    first, again = noise(clean, keyed_rng(3, "a")), noise(clean, keyed_rng(3, "a"))
    assert torch.equal(first, again)
    assert not torch.equal(first, noise(clean, keyed_rng(3, "b")))


@every_noise
def test_the_clean_picture_is_left_alone(name: str, noise: Noise) -> None:
    clean = near_white(32)
    before = clean.clone()
    noise(clean, keyed_rng(0))
    assert torch.equal(clean, before)


@every_noise
def test_two_views_are_uncorrelated(name: str, noise: Noise) -> None:
    clean = near_white()
    one, two = (noise(clean, keyed_rng(0, view)) - MEAN[name](clean) for view in range(2))
    assert abs(z_score((one * two)[:, 0])) < 4


@every_noise
def test_a_noise_is_a_value(name: str, noise: Noise) -> None:
    level = noise.parameters[0].name
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(noise, level, 1)
    same = type(noise)(**dataclasses.asdict(noise))
    assert same == noise
    assert hash(same) == hash(noise)
    assert type(noise)(**json.loads(json.dumps(dataclasses.asdict(noise)))) == noise
    assert repr(noise).startswith(f"{type(noise).__name__}({level}=")


@every_noise
def test_stated_parameters(name: str, noise: Noise) -> None:
    fields = [field.name for field in dataclasses.fields(noise)]
    assert [parameter.name for parameter in noise.parameters] == fields
    for parameter in noise.parameters:
        assert getattr(type(noise)(), parameter.name) == parameter.default
        assert parameter.low <= parameter.slider[0] < parameter.slider[1] <= parameter.high
        for edge in (parameter.low, parameter.high):
            assert getattr(type(noise)(**{parameter.name: edge}), parameter.name) == edge


@pytest.mark.parametrize("wrong", ["below", "above", "nan", "inf", "-inf"])
@every_noise
def test_levels_outside_the_range_are_refused(name: str, noise: Noise, wrong: str) -> None:
    for parameter in noise.parameters:
        values = {"below": parameter.low - 0.5, "above": parameter.high + 0.5}
        value = values[wrong] if wrong in values else float(wrong)
        bounds = f"must lie between {parameter.low:g} and {parameter.high:g}, got {value:g}"
        with refused(parameter.label, bounds):
            type(noise)(**{parameter.name: value})


# ---- one level per image, and ranges of levels ----

RANGES = {
    "gaussian": (0.0, 55.0),
    "poisson": (4.0, 64.0),
    "poisson-gaussian": (0.0, 0.0625),
    "salt-and-pepper": (0.0, 0.5),
    "missing-pixels": (0.125, 0.5),
}


@pytest.mark.parametrize(("name", "levels"), RANGES.items(), ids=RANGES)
def test_one_level_per_image(name: str, levels: tuple[float, float]) -> None:
    """A batch under a tensor of levels: each image as if its level were the only one."""
    clean = near_white(64).expand(2, -1, -1, -1)
    family = NOISES[name]
    mixed = family(torch.tensor(levels)[:, None, None, None])(clean, keyed_rng(0))
    for image, level in enumerate(levels):
        # torch.poisson spends numbers by its rate: only its first image meets the same ones.
        if name != "poisson" or image == 0:
            assert torch.equal(mixed[image], family(level)(clean, keyed_rng(0))[image])


def test_a_poisson_level_per_image_has_its_own_variance() -> None:
    clean = near_white(128).expand(2, -1, -1, -1)
    peaks = torch.tensor([4.0, 64.0])[:, None, None, None]
    error = Poisson(peaks)(clean, keyed_rng(0)) - clean
    for image in range(2):
        excess = error[image].square() - clean[image] / peaks[image]
        assert abs(z_score(excess)) < 4


@pytest.mark.parametrize(("name", "levels"), RANGES.items(), ids=RANGES)
def test_a_range_draws_uniform_levels(name: str, levels: tuple[float, float]) -> None:
    low, high = levels
    chosen = LevelRange(NOISES[name], low, high)
    noise = chosen.draw(4096, keyed_rng(0))
    drawn = getattr(noise, noise.parameters[0].name)
    assert type(noise) is NOISES[name]
    assert drawn.shape == (4096, 1, 1, 1)
    assert low <= float(drawn.min()) < float(drawn.max()) <= high
    assert abs(z_score(drawn, (low + high) / 2)) < 4
    assert abs(z_score((drawn - (low + high) / 2).square(), (high - low) ** 2 / 12)) < 4
    assert chosen.middle == NOISES[name]((low + high) / 2)


def test_a_wrong_range_is_refused() -> None:
    with refused("from low to high, got 50-10"):
        LevelRange(Gaussian, 50, 10)
    for low, high in [(-1, 10), (0, 256), (math.nan, 10)]:
        with refused("must lie between 0 and 255"):
            LevelRange(Gaussian, low, high)


# ---- what is peculiar to one noise ----


@pytest.mark.parametrize("noise", [Gaussian(0), PoissonGaussian(0, 0), SaltAndPepper(0)])
def test_no_noise_is_the_identity(noise: Noise) -> None:
    clean = near_white(16)
    assert torch.equal(noise(clean, keyed_rng(0)), clean)


def test_poisson_counts_photons() -> None:
    photons = Poisson(7)(near_white(64), keyed_rng(0)) * 7
    torch.testing.assert_close(photons, photons.round())


@pytest.mark.parametrize("noise", [SaltAndPepper(0.2), MissingPixels(0.2)])
def test_impulses_hit_the_stated_share_of_pixels(noise: Noise) -> None:
    clean = torch.full((2, 3, 128, 128), 0.5)
    noisy = noise(clean, keyed_rng(0))
    assert torch.equal(noisy, noisy[:, :1].expand_as(noisy))  # all channels share their fate
    shares = {0.0: 0.1, 1.0: 0.1} if isinstance(noise, SaltAndPepper) else {0.0: 0.2, 1.0: 0.0}
    for value, share in shares.items():
        hits, pixels = int((noisy[:, 0] == value).sum()), noisy[:, 0].numel()
        assert abs(hits - share * pixels) <= 4 * math.sqrt(pixels * share * (1 - share))
    assert set(noisy.unique().tolist()) <= {0.0, 0.5, 1.0}


def test_impulses_at_certainty() -> None:
    clean = torch.full((1, 3, 32, 32), 0.5)
    assert not MissingPixels(1)(clean, keyed_rng(0)).any()
    assert set(SaltAndPepper(1)(clean, keyed_rng(0)).unique().tolist()) == {0.0, 1.0}


def test_point_sampling_against_a_slow_loop() -> None:
    """A picture whose pixels all differ tells which pixel of each block was taken."""
    k, clean = 3, torch.arange(2 * 3 * 10 * 14).float().reshape(2, 3, 10, 14)
    draw, reference = PointSampling(k)(clean, keyed_rng(0)), PointSampling(k).reference(clean)
    assert draw.shape == reference.shape == (2, 3, 3, 4)  # the ragged border is cut off
    for image in range(2):
        for row in range(3):
            for column in range(4):
                y, x = row * k, column * k
                block = clean[image, :, y : y + k, x : x + k].flatten(1)
                assert torch.equal(reference[image, :, row, column], block.mean(1))
                taken = draw[image, :, row, column]
                # The channels of one and the same pixel.
                assert any(torch.equal(taken, pixel) for pixel in block.unbind(1))


def test_point_sampling_takes_each_pixel_as_often() -> None:
    codes = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 1, 64, 64)
    counts = PointSampling(4)(codes, keyed_rng(0)).long().flatten().bincount(minlength=16)
    expected = 64 * 64 / 16
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert chi_squared < 15 + 4 * math.sqrt(2 * 15)  # 15 degrees of freedom


def test_point_sampling_needs_a_whole_block() -> None:
    with refused("31×37 px has no whole block of 40×40 px; choose a smaller K"):
        PointSampling(40).reference(torch.zeros(1, 3, 37, 31))


def test_point_sampling_takes_whole_numbers_alone() -> None:
    assert type(PointSampling(10.0).block_px) is int
    with refused("whole number"):
        PointSampling(2.5)
