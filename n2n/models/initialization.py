"""The five initialisations that the EE-559 report compares (its figure 1b)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

Initialization = Callable[[nn.Module], None]


def _weights(model: nn.Module) -> list[Tensor]:
    """Kernels of every convolution, plain or transposed; biases keep PyTorch's default."""
    return [
        module.weight
        for module in model.modules()
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d)
    ]


def default(model: nn.Module) -> None:
    """The model's own: what its layers drew when they were built."""


@torch.no_grad()
def default_positive(model: nn.Module) -> None:
    """The model's own, negative weights set to zero."""
    for weight in _weights(model):
        weight.clamp_min_(0)


@torch.no_grad()
def xavier(model: nn.Module) -> None:
    """Normal, variance 2 / (fan in + fan out) (Glorot and Bengio 2010)."""
    for weight in _weights(model):
        nn.init.xavier_normal_(weight)


@torch.no_grad()
def xavier_positive(model: nn.Module) -> None:
    """Xavier, negative weights set to zero. It explodes on deep networks."""
    xavier(model)
    default_positive(model)


@torch.no_grad()
def zeros(model: nn.Module) -> None:
    """All kernels zero: nothing but the biases can learn."""
    for weight in _weights(model):
        weight.zero_()


INITIALIZATIONS: dict[str, Initialization] = {
    "default": default,
    "default-positive": default_positive,
    "xavier": xavier,
    "xavier-positive": xavier_positive,
    "zeros": zeros,
}
