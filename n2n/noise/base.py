"""What every noise is: a frozen value that states its parameters, its reference and one draw."""

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import torch
from torch import Tensor


@dataclass(frozen=True)
class Parameter:
    """One number of a noise, in the unit that its field uses: its range and what it means there.

    `low` and `high` bound what is accepted; `slider` is the part of that range worth exploring.
    """

    name: str
    label: str
    low: float
    high: float
    default: float
    slider: tuple[float, float]
    step: float
    meaning: str

    def check(self, value: float | Tensor) -> None:
        """Refuse a value outside the range. A tensor (one level per image) was drawn inside it."""
        if isinstance(value, Tensor):
            return
        if not (math.isfinite(value) and self.low <= value <= self.high):
            raise ValueError(
                f"{self.label} must lie between {self.low:g} and {self.high:g}, got {value:g}"
            )


class Noise(Protocol):
    """A frozen corruption of clean pictures (B, C, H, W) in [0, 1]; nothing is ever clipped.

    The first of `parameters` is the level; where `per_image` it may be a tensor (B, 1, 1, 1).
    `loss` names the loss whose minimiser over noisy targets is the reference. Where `in_bands`, a
    picture may be made noisy band by band: nothing in the noise is larger than a pixel or a block.
    """

    parameters: ClassVar[tuple[Parameter, ...]]
    title: ClassVar[str]
    loss: ClassVar[str]
    zero_mean: ClassVar[bool]
    per_image: ClassVar[bool]
    in_bands: ClassVar[bool]

    def reference(self, clean: Tensor) -> Tensor:
        """What a perfect denoiser would return; PSNR is measured against it."""
        ...

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One draw, of the size of the reference, from the generator alone."""
        ...


class Checked:
    """Checks every parameter of a frozen noise when it is built."""

    parameters: ClassVar[tuple[Parameter, ...]]
    per_image: ClassVar[bool] = True
    in_bands: ClassVar[bool] = True

    def __post_init__(self) -> None:
        """Refuse values outside the stated ranges, NaN included."""
        for parameter in self.parameters:
            parameter.check(getattr(self, parameter.name))


def randn_like(clean: Tensor, rng: torch.Generator) -> Tensor:
    """Standard normal numbers from `rng`; `torch.randn_like` takes no generator."""
    return torch.randn(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)


def rand_like(clean: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers in [0, 1) from `rng`; `torch.rand_like` takes no generator."""
    return torch.rand(clean.shape, generator=rng, device=clean.device, dtype=clean.dtype)


def rand_pixels(clean: Tensor, rng: torch.Generator) -> Tensor:
    """Uniform numbers (B, 1, H, W), one per pixel: all channels of a pixel share their fate."""
    return rand_like(clean[:, :1], rng)
