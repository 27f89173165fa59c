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
from n2n.noise.gaussian import CorrelatedGaussian, Gaussian
from n2n.noise.impulse import MissingPixels, RandomImpulse, SaltAndPepper
from n2n.noise.photon import Poisson, PoissonGaussian
from n2n.noise.sampling import PointSampling
from n2n.noise.speckle import Speckle
from n2n.noise.text import TextOverlay
from n2n.noise.uniform import Uniform
from n2n.randomness import keyed_rng
from tests.tiny import one_thread, random_picture, refused, z_score  # noqa: F401  a fixture

EXAMPLES: dict[str, Noise] = {
    "gaussian": Gaussian(25),
    "correlated-gaussian": CorrelatedGaussian(25, 1.5),
    "uniform": Uniform(40),
    "speckle": Speckle(0.25),
    "poisson": Poisson(30),
    "poisson-gaussian": PoissonGaussian(0.02, 0.001),
    "salt-and-pepper": SaltAndPepper(0.2),
    "random-impulse": RandomImpulse(0.2),
    "missing-pixels": MissingPixels(0.3),
    "text": TextOverlay(0.2),
    "point-sampling": PointSampling(4),
}


def blocks(statistic: Callable[..., np.ndarray]) -> Callable[[Tensor], Tensor]:
    """The statistic of 4×4 blocks, by scikit-image."""
    return lambda x: torch.from_numpy(block_reduce(x.numpy(), (1, 1, 4, 4), statistic))


# E[y | x] and Var[y | x], from each noise's definition.
MEAN: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda x: x,
    "correlated-gaussian": lambda x: x,
    "uniform": lambda x: x,
    "speckle": lambda x: x,
    "poisson": lambda x: x,
    "poisson-gaussian": lambda x: x,
    "salt-and-pepper": lambda x: 0.8 * x + 0.1,
    "random-impulse": lambda x: 0.8 * x + 0.1,
    "missing-pixels": lambda x: 0.7 * x,
    "text": lambda x: 0.8 * x + 0.1,
    "point-sampling": blocks(np.mean),
}
VARIANCE: dict[str, Callable[[Tensor], Tensor]] = {
    "gaussian": lambda x: torch.full_like(x, (25 / 255) ** 2),
    "correlated-gaussian": lambda x: torch.full_like(x, (25 / 255) ** 2),
    "uniform": lambda x: torch.full_like(x, (40 / 255) ** 2 / 3),
    "speckle": lambda x: 0.25**2 * x**2,
    "poisson": lambda x: x / 30,
    "poisson-gaussian": lambda x: 0.02 * x + 0.001,
    "salt-and-pepper": lambda x: 0.8 * x**2 + 0.1 - (0.8 * x + 0.1) ** 2,
    "random-impulse": lambda x: 0.8 * x**2 + 0.2 / 3 - (0.8 * x + 0.1) ** 2,
    "missing-pixels": lambda x: 0.7 * 0.3 * x**2,
    "text": lambda x: 0.8 * x**2 + 0.2 / 3 - (0.8 * x + 0.1) ** 2,
    "point-sampling": blocks(np.var),
}
every_noise = pytest.mark.parametrize(("name", "noise"), EXAMPLES.items(), ids=EXAMPLES)


def near_white(size: int = 48, images: int = 1) -> Tensor:
    """(images, 3, size, size) with texture, so close to white that clipping would show."""
    return 0.9 + 0.1 * random_picture(images, 3, size, size)


def per_image(error: Tensor) -> Tensor:
    """Means of the images of a batch: independent, however the pixels of one may hang together."""
    return error.double().flatten(1).mean(1)


def test_every_noise_has_an_example() -> None:
    assert EXAMPLES.keys() == NOISES.keys() == MEAN.keys() == VARIANCE.keys()
    for name, noise in EXAMPLES.items():
        assert type(noise) is NOISES[name]


@every_noise
def test_mean(name: str, noise: Noise) -> None:
    clean = near_white(images=128)
    error = noise(clean, keyed_rng(0)) - MEAN[name](clean)
    assert abs(z_score(per_image(error))) < 4


@every_noise
def test_variance(name: str, noise: Noise) -> None:
    clean = near_white(images=128)
    error = noise(clean, keyed_rng(1)) - MEAN[name](clean)
    assert abs(z_score(per_image(error.square() - VARIANCE[name](clean)))) < 4


UNBOUNDED = [name for name in EXAMPLES if EXAMPLES[name].zero_mean and name != "point-sampling"]


@pytest.mark.parametrize("name", UNBOUNDED)
def test_the_mean_test_would_see_clipping(name: str) -> None:
    clean = near_white(images=128)
    clipped = EXAMPLES[name](clean, keyed_rng(0)).clamp(0, 1)
    assert z_score(per_image(clipped - clean)) < -40


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
    """L2 for the mean; where that moves, L1 or L0 for the median or mode of many draws."""
    assert noise.loss in LOSSES
    assert (noise.loss == "l2") == noise.zero_mean
    if not noise.zero_mean:
        clean = near_white(16)
        draws = torch.stack([noise(clean, keyed_rng(i)) for i in range(201)])
        statistic = {"l1": torch.median, "l0": torch.mode}[noise.loss]
        torch.testing.assert_close(statistic(draws, 0).values, clean)


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
    clean = near_white(images=128)
    one, two = (noise(clean, keyed_rng(0, view)) - MEAN[name](clean) for view in range(2))
    assert abs(z_score(per_image(one * two))) < 4


@every_noise
def test_images_of_a_batch_are_uncorrelated(name: str, noise: Noise) -> None:
    clean = near_white(images=128)
    error = noise(clean, keyed_rng(0)) - MEAN[name](clean)
    one, two = error.chunk(2)
    assert abs(z_score(per_image(one * two))) < 4


@every_noise
def test_a_grey_picture_gets_grey_noise(name: str, noise: Noise) -> None:
    """One channel, any size, any precision, as the network is given it."""
    clean = random_picture(2, 1, 37, 31)
    draw = noise(clean.double(), keyed_rng(0))
    assert draw.shape == noise.reference(clean).shape
    assert draw.dtype == torch.float64


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
    "correlated-gaussian": (0.0, 55.0),
    "uniform": (0.0, 55.0),
    "speckle": (0.0, 0.5),
    "poisson": (4.0, 64.0),
    "poisson-gaussian": (0.0, 0.0625),
    "salt-and-pepper": (0.0, 0.5),
    "random-impulse": (0.0, 0.5),
    "missing-pixels": (0.125, 0.5),
    "text": (0.125, 0.5),
}


def test_ranges_are_for_levels_that_may_differ_within_a_batch() -> None:
    assert RANGES.keys() == {name for name in NOISES if NOISES[name].per_image}
    with refused("Point sampling takes one level, not a range, got 2-4"):
        LevelRange(PointSampling, 2, 4)


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
    least = low or high / 100  # of a range from 0 some are at its least level
    drawn = drawn[drawn > least * 1.00001] if low == 0 else drawn
    assert abs(z_score(drawn, (least + high) / 2)) < 4
    assert abs(z_score((drawn - (least + high) / 2).square(), (high - least) ** 2 / 12)) < 4
    assert chosen.middle == NOISES[name]((low + high) / 2)


def test_of_a_range_from_zero_one_draw_in_twenty_is_all_but_clean() -> None:
    """But none is clean: that would be a clean target."""
    drawn = LevelRange(Gaussian, 0, 50).draw(10_000, keyed_rng(0)).sigma_255.flatten()
    assert float(drawn.min()) == 0.5
    least = drawn == 0.5
    assert abs(z_score(least.double(), 0.05 + 0.95 * 0.01)) < 4
    assert abs(z_score(drawn[~least], 25.25)) < 4
    assert float(drawn.max()) < 50


def test_a_wrong_range_is_refused() -> None:
    with refused("from low to high, got 50-10"):
        LevelRange(Gaussian, 50, 10)
    for low, high in [(-1, 10), (0, 256), (math.nan, 10)]:
        with refused("must lie between 0 and 255"):
            LevelRange(Gaussian, low, high)
