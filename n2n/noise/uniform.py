"""Uniform noise: rounding to few levels looks like it, and dither is made of it."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from n2n.noise.base import Checked, Parameter, rand_like


@dataclass(frozen=True)
class Uniform(Checked):
    """Additive uniform noise y = x + u, u ~ U(-h, h): E[y | x] = x, Var[y | x] = h² / 3.

    Zero-mean: train with L2. `half_width_255` is h in 8-bit units.
    """

    half_width_255: float | Tensor = 40.0

    title: ClassVar[str] = "Uniform"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="half_width_255",
            label="half width (8-bit units)",
            low=0,
            high=255,
            default=40,
            slider=(0, 150),
            step=1,
            meaning="10: hardly seen · 43: as strong as σ 25 · 130: ruin",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped."""
        return clean + self.half_width_255 / 255 * (2 * rand_like(clean, rng) - 1)
