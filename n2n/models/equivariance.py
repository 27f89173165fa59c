"""Kernels tied so that a network commutes with flips and quarter turns.

A group-equivariant network (Cohen and Welling 2016, https://arxiv.org/abs/1602.07576) of the group
D4: eight hidden channels, one after the other, are one filter in its 8 orientations, and so each
kernel is the mean over all 8. It stays an ordinary network, of the same layers and cost. What it
learns of a crop it knows in every orientation, and the mean over flips and rotations of the input
gives nothing more, where sides are multiples of the network's stride.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from n2n.models.residual_unet import UNSHUFFLE, ResidualUNet, Trunk

Orientation = tuple[bool, bool, bool]  # transposed, then upside down, then left to right
ORIENTATIONS: list[Orientation] = [(bool(i & 4), bool(i & 2), bool(i & 1)) for i in range(8)]
CORNERS = torch.arange(4).view(2, 2)  # no two orientations of it are alike
TIED = 1e-3  # of the largest weight: what rounding leaves


def orient(orientation: Orientation, picture: Tensor) -> Tensor:
    """(..., H, W) in that orientation: (..., W, H) where it is transposed."""
    transposed, vertical, horizontal = orientation
    turned = picture.transpose(-2, -1) if transposed else picture
    return turned.flip([axis for axis, flipped in ((-2, vertical), (-1, horizontal)) if flipped])


class Ties:
    """Makes the kernels of a network, or their gradients, means over the orientations.

    Raises:
        ValueError: no residual U-Net, or one with a width that is no multiple of 8.
    """

    def __init__(self, model: nn.Module) -> None:
        if not isinstance(model, Trunk):
            raise ValueError(
                f"only residual U-Nets can be equivariant, not {type(model).__name__}; "
                "give --no-equivariant, or another network"
            )
        sources, start = [], 0
        for name, kernel in model.named_parameters():
            channels = [_hidden, _hidden]  # of the outputs and the inputs, in either order
            if name in ("stem.weight", "head.weight"):
                channels[name == "stem.weight"] = (
                    _unshuffled if isinstance(model, ResidualUNet) else _colours
                )
            sources.append(start + _sources(kernel, *channels))
            start += kernel.numel()
        # (8, numbers): of each number of all kernels, where it is in each orientation. One
        # gather for all of them, since a GPU would spend its time on launches.
        self.sources = torch.cat(sources, 1).to(next(model.parameters()).device)

    @torch.no_grad()
    def __call__(self, kernels: Sequence[Tensor]) -> None:
        """Of all kernels in their order, or of their gradients, in place."""
        numbers = torch.cat([kernel.flatten() for kernel in kernels])
        means = numbers[self.sources].mean(0)
        parts = torch.split(means, [kernel.numel() for kernel in kernels])
        shaped = [part.view(kernel.shape) for part, kernel in zip(parts, kernels, strict=True)]
        torch._foreach_copy_(list(kernels), shaped)


def tie(model: nn.Module) -> None:
    """Tie the kernels of an untrained network; `Ties` of its gradients keep them so.

    Raises:
        ValueError: as `Ties` has it.
    """
    kernels = [kernel.detach() for kernel in model.parameters()]
    ties, centres = Ties(model), [kernel.mean() for kernel in kernels]
    ties(kernels)
    for kernel, centre in zip(kernels, centres, strict=True):
        # A mean of 8 independent draws has an eighth of their variance.
        kernel.sub_(centre).mul_(len(ORIENTATIONS) ** 0.5).add_(centre)


def is_tied(model: nn.Module) -> bool:
    """Whether each kernel is the mean over its orientations; not where none can be."""
    kernels = [kernel.detach() for kernel in model.parameters()]
    means = [kernel.clone() for kernel in kernels]
    try:
        Ties(model)(means)
    except ValueError:
        return False
    return all(
        bool((mean - kernel).abs().max() <= TIED * kernel.abs().max())
        for mean, kernel in zip(means, kernels, strict=True)
    )


def _sources(kernel: Tensor, *channels: Callable[[Orientation, int], Tensor]) -> Tensor:
    places = torch.arange(kernel.numel()).view(kernel.shape)
    turned = []
    for orientation in ORIENTATIONS:
        first, second = (
            order(orientation, count)
            for order, count in zip(channels, kernel.shape[:2], strict=True)
        )
        turned.append(orient(orientation, places)[first][:, second].flatten())
    return torch.stack(turned)


def _hidden(orientation: Orientation, count: int) -> Tensor:
    """Which channels become which: within a filter, from orientation to orientation."""
    if count % len(ORIENTATIONS):
        raise ValueError(
            f"an equivariant network has widths that are multiples of 8, got {count}; "
            "give --no-equivariant, or other widths"
        )
    corners = [orient(each, CORNERS).tolist() for each in ORIENTATIONS]
    becomes = [orient(orientation, torch.tensor(each)).tolist() for each in corners]
    within = torch.tensor([becomes.index(each) for each in corners])
    return (torch.arange(0, count, len(ORIENTATIONS))[:, None] + within).flatten()


def _unshuffled(orientation: Orientation, count: int) -> Tensor:
    """Each colour's 2 × 2 pixels change places."""
    pixels = pixel_shuffle(torch.arange(float(count)).view(1, count, 1, 1), UNSHUFFLE)
    return pixel_unshuffle(orient(orientation, pixels), UNSHUFFLE).flatten().long()


def _colours(orientation: Orientation, count: int) -> Tensor:
    """They stay what they are."""
    return torch.arange(count)
