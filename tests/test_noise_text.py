"""The text form of a noise: name:level, name:low-high, and what is refused."""

import pytest

from n2n.noise import NOISES, LevelRange, Noise, create_noise, parse
from n2n.noise.gaussian import CorrelatedGaussian, Gaussian
from n2n.noise.impulse import MissingPixels, SaltAndPepper
from n2n.noise.photon import Poisson, PoissonGaussian
from n2n.noise.sampling import PointSampling
from n2n.noise.speckle import Speckle
from n2n.noise.text import TextOverlay
from tests.tiny import one_thread, refused  # noqa: F401  a fixture

# ---- the text form ----

TEXTS: dict[str, Noise | LevelRange] = {
    "gaussian": Gaussian(25),
    "gaussian:": Gaussian(25),
    " gaussian:12.5 ": Gaussian(12.5),
    "gaussian:0-55": LevelRange(Gaussian, 0, 55),
    "gaussian:1e1-5.5e1": LevelRange(Gaussian, 10, 55),
    "poisson:3": Poisson(3),
    "poisson:5-50": LevelRange(Poisson, 5, 50),
    "poisson-gaussian": PoissonGaussian(),
    "poisson-gaussian:0.02": PoissonGaussian(0.02),
    "poisson-gaussian:0.02,0.001": PoissonGaussian(0.02, 0.001),
    "poisson-gaussian:2e-2,1e-3": PoissonGaussian(0.02, 0.001),
    "poisson-gaussian:1e-3-2e-2": LevelRange(PoissonGaussian, 0.001, 0.02),
    "salt-and-pepper:0.5": SaltAndPepper(0.5),
    "missing-pixels:0.1-0.4": LevelRange(MissingPixels, 0.1, 0.4),
    "point-sampling:10": PointSampling(10),
    "correlated-gaussian:25,2": CorrelatedGaussian(25, 2),
    "correlated-gaussian:0-55": LevelRange(CorrelatedGaussian, 0, 55),
    "speckle:0.1-0.4": LevelRange(Speckle, 0.1, 0.4),
    "text:0.25": TextOverlay(0.25),
}


@pytest.mark.parametrize(("text", "noise"), TEXTS.items(), ids=TEXTS)
def test_parse(text: str, noise: Noise | LevelRange) -> None:
    assert parse(text) == noise


@pytest.mark.parametrize("name", NOISES)
def test_parse_knows_every_noise(name: str) -> None:
    assert parse(name) == NOISES[name]()


WRONG_TEXTS = {
    "": "unknown noise",
    "sparkle:3": "unknown noise 'sparkle'; choose one of gaussian, ",
    "text:0.6": "must lie between 0 and 0.5, got 0.6",
    "gaussian:loud": "'gaussian:loud' is not a noise; write name:level",
    "gaussian:5-": "is not a noise",
    "gaussian:5-x": "is not a noise",
    "gaussian:5-10-15": "is not a noise",
    "gaussian:nan": "is not a noise",
    "gaussian:5,": "is not a noise",
    "gaussian:inf": "must lie between 0 and 255, got inf",
    "gaussian:-5": "must lie between 0 and 255, got -5",
    "gaussian:300": "must lie between 0 and 255, got 300",
    "gaussian:0-300": "must lie between 0 and 255, got 300",
    "gaussian:50-10": "from low to high, got 50",
    "gaussian:5,6": "gaussian takes 1 number",
    "poisson-gaussian:1,1,1": "takes 2 number",
    "point-sampling:2.5": "whole number of pixels, got 2.5",
    "point-sampling:2-4": "takes one level, not a range, got 2-4",
}


@pytest.mark.parametrize(("text", "message"), WRONG_TEXTS.items(), ids=WRONG_TEXTS)
def test_parse_refuses_in_one_line(text: str, message: str) -> None:
    with refused(message):
        parse(text)


def test_create_noise_takes_the_levels_in_order() -> None:
    assert create_noise("poisson-gaussian", 0.02, 0.001) == PoissonGaussian(a=0.02, b=0.001)
