"""White Gaussian noise, the field's standard test."""

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
