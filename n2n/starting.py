"""The weights that a run begins with: drawn ones, or those of a file."""

from pathlib import Path

import torch
from torch import nn

from n2n.checkpoints import load_weights
from n2n.config import TrainConfig
from n2n.devices import Placement
from n2n.models import ModelSpec, equivariance, growing
from n2n.models.initialization import INITIALIZATIONS
from n2n.randomness import seeded_initialization


def drawn(config: TrainConfig, spec: ModelSpec, placement: Placement) -> nn.Module:
    """The untrained network of a run, named by its seed.

    Raises:
        ValueError: it should be equivariant, and is no network that can be.
    """
    with seeded_initialization(config.seed):
        model = spec.build()
        INITIALIZATIONS[config.initialization](model)
    model = model.to(placement.device)
    if placement.compiled:  # kernels as the compiled convolutions want them
        model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.equivariant:
        equivariance.tie(model)
    return model


def begin_with(weights: Path, model: nn.Module, config: TrainConfig, spec: ModelSpec) -> None:
    """Give it the weights of the same network, or of a smaller one.

    Raises:
        ValueError: the file is no weight file, its network does not fit into the run's, or it is
            not equivariant and the run is.
    """
    known, found = load_weights(weights)
    if found != spec and not growing.fits_into(known, model):
        raise ValueError(
            f"{weights.name} is a {found.architecture} of {found.kwargs}, but the run trains "
            f"{config.model}, a {spec.architecture} of {spec.kwargs}"
        )
    if config.equivariant and not equivariance.is_tied(known):
        raise ValueError(
            f"an equivariant run begins with an equivariant network, {weights.name} is none; "
            "give --no-equivariant, or leave out --init"
        )
    growing.grow(known, model)
