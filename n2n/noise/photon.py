"""Noise of light and of cameras: its variance follows the brightness."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from n2n.noise.base import Checked, Parameter, randn_like


@dataclass(frozen=True)
class Poisson(Checked):
    """Photon noise y = Poisson(peak · x) / peak: E[y | x] = x, Var[y | x] = x / peak.

    Zero-mean: train with L2. `peak` is the expected photon count of a white pixel (x = 1).
    """

    peak: float | Tensor = 30.0

    title: ClassVar[str] = "Poisson (photons)"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="peak",
            label="peak (photons in a white pixel)",
            low=0.1,
            high=100_000,
            default=30,
            slider=(1, 200),
            step=1,
            meaning="200 photons: fine grain · 30: dusk · 3: almost nothing left",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped. Light is never negative: values of `clean` below 0 count as 0."""
        return torch.poisson(clean.clamp_min(0) * self.peak, generator=rng) / self.peak


@dataclass(frozen=True)
class PoissonGaussian(Checked):
    """Camera noise, Gaussian with variance a·x + b (Foi et al. 2008): E[y | x] = x.

    Zero-mean: train with L2. `a` is the variance that light adds in a white pixel (1 / photons),
    `b` the variance in black (read-out).
    """

    a: float | Tensor = 0.01
    b: float = 0.0004

    title: ClassVar[str] = "Poisson-Gaussian (camera)"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="a",
            label="a (variance per unit of light)",
            low=0,
            high=1,
            default=0.01,
            slider=(0, 0.1),
            step=0.001,
            meaning="0.001: daylight · 0.01: indoors · 0.05: a phone at night",
        ),
        Parameter(
            name="b",
            label="b (variance in black)",
            low=0,
            high=1,
            default=0.0004,
            slider=(0, 0.01),
            step=0.0001,
            meaning="0.0004: a standard deviation of 5 in 8-bit units",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped."""
        variance = clean.clamp_min(0) * self.a + self.b
        return clean + variance.sqrt() * randn_like(clean, rng)
