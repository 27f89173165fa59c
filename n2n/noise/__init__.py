"""Noise models, by name, and the text form `name:level` that the command line uses.

Levels are in the unit that each noise's field uses; `NOISES[name].parameters` states unit and
range.
"""

import math
import re
from dataclasses import dataclass

import torch
from torch import Tensor

from n2n.noise.base import Noise, Parameter
from n2n.noise.gaussian import CorrelatedGaussian, Gaussian
from n2n.noise.impulse import MissingPixels, RandomImpulse, SaltAndPepper
from n2n.noise.photon import Poisson, PoissonGaussian
from n2n.noise.sampling import PointSampling
from n2n.noise.speckle import Speckle
from n2n.noise.text import TextOverlay
from n2n.noise.uniform import Uniform

__all__ = ["NOISES", "LevelRange", "Noise", "Parameter", "create_noise", "parse"]

NOISES: dict[str, type[Noise]] = {
    "gaussian": Gaussian,
    "correlated-gaussian": CorrelatedGaussian,
    "uniform": Uniform,
    "speckle": Speckle,
    "poisson": Poisson,
    "poisson-gaussian": PoissonGaussian,
    "salt-and-pepper": SaltAndPepper,
    "random-impulse": RandomImpulse,
    "missing-pixels": MissingPixels,
    "text": TextOverlay,
    "point-sampling": PointSampling,
}

# low-high; the dash of an exponent, as in 1e-3, makes no range.
_NUMBER = r"(\d*\.?\d+(?:e[+-]?\d+)?)"
RANGE = re.compile(f"{_NUMBER}-{_NUMBER}", re.IGNORECASE)

# Of a range that begins at 0: the share of draws at its least level; that, as a part of the range.
SHARE_OF_LEAST, LEAST = 0.05, 0.01


@dataclass(frozen=True)
class LevelRange:
    """A noise whose level differs from image to image: blind training.

    Uniform in [low, high]. A range from 0 begins at a hundredth of `high`, since what has no noise
    would be a clean target; and one draw in twenty is that least level. Else next to no picture
    would be all but clean, and a network learns late to leave one alone.
    """

    family: type[Noise]
    low: float
    high: float

    def __post_init__(self) -> None:
        """Both ends must be levels of the family, in order."""
        if not self.family.per_image:
            raise ValueError(
                f"{self.family.title} takes one level, not a range, got {self.low:g}-{self.high:g}"
            )
        self.family(self.low)  # type: ignore[call-arg]
        self.family(self.high)  # type: ignore[call-arg]
        if self.low > self.high:
            raise ValueError(f"a range of levels goes from low to high, got {self.low}-{self.high}")

    def draw(self, batch: int, rng: torch.Generator) -> Noise:
        """The noise of one batch: its level is a tensor (B, 1, 1, 1)."""
        uniform = torch.rand((batch, 1, 1, 1), generator=rng, device=rng.device)
        if self.low == 0:
            uniform = ((uniform - SHARE_OF_LEAST) / (1 - SHARE_OF_LEAST)).clamp(min=LEAST)
        level: Tensor = self.low + (self.high - self.low) * uniform
        return self.family(level)  # type: ignore[call-arg]

    @property
    def middle(self) -> Noise:
        """The noise at the middle of the range, for validation at one fixed level."""
        return self.family((self.low + self.high) / 2)  # type: ignore[call-arg]


def create_noise(name: str, *levels: float) -> Noise:
    """The noise `name` at `levels` (its parameters in order; those left out take their default)."""
    if name not in NOISES:
        raise ValueError(f"unknown noise {name!r}; choose one of {', '.join(NOISES)}")
    parameters = NOISES[name].parameters
    if len(levels) > len(parameters):
        known = ", ".join(parameter.label for parameter in parameters)
        raise ValueError(f"{name} takes {len(parameters)} number(s) ({known}), got {len(levels)}")
    return NOISES[name](*levels)


def parse(text: str) -> Noise | LevelRange:
    """Read `name`, `name:level`, `name:level,second` or `name:low-high`, such as gaussian:25.

    Raises:
        ValueError: unknown name, not a number, or a level outside its range.
    """
    name, _, levels = text.strip().partition(":")
    ends = RANGE.fullmatch(levels)
    if name in NOISES and ends:
        return LevelRange(NOISES[name], float(ends[1]), float(ends[2]))
    return create_noise(name, *(_number(level, text) for level in levels.split(",") if levels))


def _number(text: str, whole: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if math.isnan(value):
        raise ValueError(f"{whole!r} is not a noise; write name:level, such as gaussian:25")
    return value
