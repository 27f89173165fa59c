"""The weights that a run begins with: drawn ones, or those of files."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn

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


def begin_with(
    files: Sequence[Path], model: nn.Module, config: TrainConfig, spec: ModelSpec
) -> None:
    """Give it the weights of the same network, or of a smaller one; of several files their mean.

    The mean of what a run began with and what it came to, or of runs that began alike, is often
    better than each (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482).

    Raises:
        ValueError: a file is no weight file, its network does not fit into the run's or is another
            than that of the first, or it is not equivariant and the run is.
    """
    loaded = [load_weights(file) for file in files]
    known, found = loaded[0]
    if found != spec and not growing.fits_into(known, model):
        raise ValueError(
            f"{files[0].name} is a {found.architecture} of {found.kwargs}, but the run trains "
            f"{config.model}, a {spec.architecture} of {spec.kwargs}"
        )
    for file, (network, other) in zip(files, loaded, strict=True):
        if other != found:
            raise ValueError(
                f"a mean is of weights of one network, {file.name} is a {other.architecture} of "
                f"{other.kwargs}, but {files[0].name} a {found.architecture} of {found.kwargs}"
            )
        if config.equivariant and not equivariance.is_tied(network):
            raise ValueError(
                f"an equivariant run begins with an equivariant network, {file.name} is none; "
                "give --no-equivariant, or leave out --init"
            )
    states = [network.state_dict() for network, _ in loaded]
    known.load_state_dict({name: _mean([state[name] for state in states]) for name in states[0]})
    growing.grow(known, model)


def _mean(tensors: Sequence[Tensor]) -> Tensor:
    """Of counts, which batch normalisation keeps, the first."""
    first = tensors[0]
    return torch.stack(tuple(tensors)).mean(0) if first.is_floating_point() else first
