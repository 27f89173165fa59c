"""A larger network that begins with all that a smaller one of its kind has learnt.

The smaller network's channels keep their weights and do not read the new ones, so the result is the
same; new channels read everything, and new blocks, near the identity, follow the old ones (Net2Net,
Chen et al. 2016, https://arxiv.org/abs/1511.05641, with weights of their own for new channels
instead of copies, which would learn alike). All of it learns from the second step on.
"""

import torch
from torch import nn

from n2n.models.residual_unet import Trunk


def fits_into(small: nn.Module, large: nn.Module) -> bool:
    """Whether both are residual U-Nets of as many levels, and nothing in `small` is larger."""
    targets = large.state_dict()
    return (
        isinstance(small, Trunk)
        and type(small) is type(large)
        and len(small.downs) == len(large.downs)
        and all(
            name in targets
            and all(a <= b for a, b in zip(tensor.shape, targets[name].shape, strict=True))
            for name, tensor in small.state_dict().items()
        )
    )


@torch.no_grad()
def grow(small: nn.Module, large: nn.Module) -> None:
    """Put the weights of a network into a larger, untrained one, or one of the same size.

    Args:
        small: the same network, or one that `fits_into` the other.
        large: with the weights it was drawn with, which stay in its new channels and blocks.
    """
    targets = large.state_dict()
    for name, tensor in small.state_dict().items():
        target = targets[name]
        if target.shape == tensor.shape:
            target.copy_(tensor)
            continue
        if name.startswith("ups."):  # transposed: (in, out, k, k), not (out, in, k, k)
            target, tensor = target.transpose(0, 1), tensor.transpose(0, 1)
        outputs, inputs = tensor.shape[:2]
        target[:outputs, :inputs] = tensor
        target[:outputs, inputs:] = 0
