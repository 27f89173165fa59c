"""Corruptions that hit some pixels and spare the rest. None preserves the mean."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from n2n.noise.base import Checked, Parameter, rand_like, rand_pixels


def _share(fate: str, default: float, most: float, meaning: str) -> tuple[Parameter, ...]:
    """The one number of all these: the probability that a pixel is not x any more."""
    return (
        Parameter(
            name="probability",
            label=f"share of pixels {fate}",
            low=0,
            high=1,
            default=default,
            slider=(0, most),
            step=0.01,
            meaning=meaning,
        ),
    )


@dataclass(frozen=True)
class SaltAndPepper(Checked):
    """A pixel turns white or black, with probability p/2 each, and stays x otherwise.

    Not zero-mean: E[y | x] = x + p·(1/2 - x). While p < 1 the median of y is x: train with L1.
    """

    probability: float | Tensor = 0.1

    title: ClassVar[str] = "Salt and pepper"
    loss: ClassVar[str] = "l1"
    zero_mean: ClassVar[bool] = False
    parameters: ClassVar[tuple[Parameter, ...]] = _share(
        "hit", 0.1, 0.9, "0.01: a few specks · 0.1: a bad sensor · 0.5: half of all pixels"
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw: the same pixels in all channels."""
        fate = rand_pixels(clean, rng)
        pepper = fate < self.probability / 2
        salt = (fate >= self.probability / 2) & (fate < self.probability)
        return clean.masked_fill(pepper, 0.0).masked_fill(salt, 1.0)


@dataclass(frozen=True)
class RandomImpulse(Checked):
    """A pixel turns into a random colour, uniform in [0, 1]³, with probability p; else it stays x.

    Not zero-mean: E[y | x] = x + p·(1/2 - x). Its mode is x at any p < 1: train with L0, which
    finds it where L1 would drift to grey (Lehtinen et al. 2018, section 3.2).
    """

    probability: float | Tensor = 0.3

    title: ClassVar[str] = "Random colours (impulses)"
    loss: ClassVar[str] = "l0"
    zero_mean: ClassVar[bool] = False
    parameters: ClassVar[tuple[Parameter, ...]] = _share(
        "hit", 0.3, 0.95, "0.05: confetti · 0.3: a third is lost · 0.7: most of it is"
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw: the same pixels in all channels, each with a colour of its own."""
        hit = rand_pixels(clean, rng) < self.probability
        return torch.where(hit, rand_like(clean, rng), clean)


@dataclass(frozen=True)
class MissingPixels(Checked):
    """A pixel is lost (black) with probability p, and stays x otherwise (Bernoulli).

    Not zero-mean: E[y | x] = (1 - p)·x. While p < 1/2 the median of y is x: train with L1.
    """

    probability: float | Tensor = 0.3

    title: ClassVar[str] = "Missing pixels"
    loss: ClassVar[str] = "l1"
    zero_mean: ClassVar[bool] = False
    parameters: ClassVar[tuple[Parameter, ...]] = _share(
        "lost", 0.3, 0.95, "0.05: dust · 0.3: a third is lost · 0.9: one pixel in ten is left"
    )

    def reference(self, clean: Tensor) -> Tensor:
        """The clean picture itself."""
        return clean

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw: the same pixels in all channels."""
        return clean.masked_fill(rand_pixels(clean, rng) < self.probability, 0.0)
