"""Multiplicative noise, as coherent light makes it: radar, ultrasound, lasers."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from n2n.noise.base import Checked, Parameter, randn_like


@dataclass(frozen=True)
class Speckle(Checked):
    """Multiplicative noise y = x·(1 + s·n), n ~ N(0, 1): E[y | x] = x, Var[y | x] = s²·x².

    Zero-mean: train with L2. `strength` is s; black stays black.
    """

    strength: float | Tensor = 0.2

    title: ClassVar[str] = "Speckle (multiplicative)"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="strength",
            label="s (standard deviation in a white pixel)",
            low=0,
            high=2,
            default=0.2,
            slider=(0, 1),
            step=0.01,
            meaning="0.05: hardly seen · 0.2: ultrasound · 0.6: only shapes are left",
        ),
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, unclipped."""
        return clean * (1 + self.strength * randn_like(clean, rng))
