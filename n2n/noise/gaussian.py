"""Gaussian noise: white, the field's standard test, and blurred, as film grain is."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from n2n.noise.base import Checked, Parameter, randn_like


@dataclass(frozen=True)
class Gaussian(Checked):
    """Additive white Gaussian noise y = x + σ·n, n ~ N(0, 1): E[y | x] = x, Var[y | x] = σ².

    Zero-mean: train with L2. `sigma_255` is σ in 8-bit units, as every published table has it.
    """

    sigma_255: float | Tensor = 25.0

    title: ClassVar[str] = "Gaussian"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="sigma_255",
            label="σ (8-bit units)",
            low=0,
            high=255,
            default=25,
            slider=(0, 100),
            step=1,
            meaning="σ 5: hardly seen · σ 25: a dark room · σ 75: ruin",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped."""
        return clean + self.sigma_255 / 255 * randn_like(clean, rng)


@dataclass(frozen=True)
class CorrelatedGaussian(Checked):
    """Blurred grain y = x + σ·(g * n), n ~ N(0, 1) white, g a Gaussian of width b with Σg² = 1.

    E[y | x] = x and Var[y | x] = σ², but neighbours d pixels apart share exp(-d² / 4b²) of it.
    Zero-mean: train with L2. `sigma_255` is σ in 8-bit units, `blur_px` is b; at 0 it is white.
    """

    sigma_255: float | Tensor = 25.0
    blur_px: float = 1.0

    title: ClassVar[str] = "Grain (blurred Gaussian)"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        *Gaussian.parameters,
        Parameter(
            name="blur_px",
            label="blur (pixels)",
            low=0,
            high=8,
            default=1,
            slider=(0, 4),
            step=0.1,
            meaning="0: white · 1: film, or a photo made larger · 3: clouds",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped, and as strong at the border as inside."""
        radius = math.ceil(4 * self.blur_px)
        offset = torch.arange(-radius, radius + 1, device=clean.device, dtype=clean.dtype)
        kernel = torch.exp(-((offset / max(self.blur_px, 0.1)) ** 2) / 2)
        kernel /= kernel.square().sum().sqrt()
        batch, channels, height, width = clean.shape
        shape = batch * channels, 1, height + 2 * radius, width + 2 * radius
        grain = torch.randn(shape, generator=rng, device=clean.device, dtype=clean.dtype)
        grain = F.conv2d(F.conv2d(grain, kernel.view(1, 1, -1, 1)), kernel.view(1, 1, 1, -1))
        return clean + self.sigma_255 / 255 * grain.view_as(clean)
