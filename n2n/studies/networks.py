"""The networks and first weights that the studies compare."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from n2n.models import create_model, model_spec
from n2n.models.autoencoder import Autoencoder
from n2n.models.initialization import INITIALIZATIONS as SHARED
from n2n.models.initialization import Initialization

POOLED_LAYERS = 2  # convolutions before the pooling, and transposed ones after the way back up


class PooledAutoencoder(nn.Module):
    """The report's network with a 2×2 max-pooling after its second convolution.

    Nearest-neighbour doubling before the last but one transposed convolution makes up for it. The
    report tried MaxPooling and says no more of it. Even sides only.
    """

    def __init__(self) -> None:
        super().__init__()
        layers = list(Autoencoder())
        kinds = (nn.Conv2d, nn.ConvTranspose2d)
        convolutions = [index for index, layer in enumerate(layers) if isinstance(layer, kinds)]
        down, up = convolutions[POOLED_LAYERS], convolutions[-POOLED_LAYERS]
        self.layers = nn.Sequential(
            *layers[:down],
            nn.MaxPool2d(2),
            *layers[down:up],
            nn.Upsample(scale_factor=2),
            *layers[up:],
        )

    def forward(self, noisy: Tensor) -> Tensor:
        """(B, 3, H, W) -> the same."""
        estimate: Tensor = self.layers(noisy)
        return estimate


# The settings of our own network's curves, its shape too: so a record tells what it was.
OURS: dict[str, Any] = {"network": "ee559", "network_kwargs": model_spec("ee559").kwargs}

NETWORKS: dict[str, Callable[..., nn.Module]] = {
    "pooled": PooledAutoencoder,
}


@torch.no_grad()
def half_sparse_xavier(model: nn.Module) -> None:
    """The "positive Xavier" of the report's published code.

    It multiplies the mask of a first draw's positive weights with a second, independent draw: half
    of the weights are zero, a quarter negative. It sets the biases to zero too.
    """
    SHARED["xavier"](model)
    masks = [weight > 0 for weight in kernels(model)]
    SHARED["xavier"](model)
    for weight, mask in zip(kernels(model), masks, strict=True):
        weight.mul_(mask)
    for module in model.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d) and module.bias is not None:
            module.bias.zero_()


def kernels(model: nn.Module) -> list[Tensor]:
    """The weights of all convolutions, plain and transposed."""
    return [weight for weight in model.parameters() if weight.ndim == 4]


INITIALIZATIONS: dict[str, Initialization] = {**SHARED, "xavier-half-sparse": half_sparse_xavier}


def build(name: str, kwargs: Mapping[str, Any], initialization: str) -> nn.Module:
    """An untrained network. Draws from the global generator: see `seeded_initialization`.

    Raises:
        ValueError: unknown name or argument.
    """
    try:
        model = NETWORKS[name](**kwargs) if name in NETWORKS else create_model(name, **kwargs)
    except TypeError as error:
        raise ValueError(f"{name} cannot be built: {error}") from error
    INITIALIZATIONS[initialization](model)
    return model
