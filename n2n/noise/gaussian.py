"""Gaussian noise: white, the field's standard test, and blurred, as film grain is."""

import math
from dataclasses import dataclass
from typing import ClassVar

import torch
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
    in_bands: ClassVar[bool] = False  # grain runs across every line
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
        weights = _gaussian(self.blur_px)
        *images, height, width = clean.shape
        shape = *images, height + len(weights) - 1, width + len(weights) - 1
        white = torch.randn(shape, generator=rng, device=clean.device, dtype=clean.dtype)
        grain = _blurred(_blurred(white, weights, -1), weights, -2)
        return clean + self.sigma_255 / 255 * grain


def _gaussian(width_px: float) -> list[float]:
    """Weights out to four widths, whose squares add up to 1: white noise keeps its variance."""
    radius = math.ceil(4 * width_px)
    half = [math.exp(-((i / width_px) ** 2) / 2) for i in range(1, radius + 1)]
    weights = [*reversed(half), 1.0, *half]
    length = math.hypot(*weights)
    return [weight / length for weight in weights]


def _blurred(x: Tensor, weights: list[float], axis: int) -> Tensor:
    """The weighted sum of shifts along one axis, where every weight has its pixel.

    With one channel a convolution is slower, and takes four times the memory.
    """
    size = x.shape[axis] - len(weights) + 1
    total = weights[0] * x.narrow(axis, 0, size)
    for shift, weight in enumerate(weights[1:], 1):
        total.add_(x.narrow(axis, shift, size), alpha=weight)
    return total
