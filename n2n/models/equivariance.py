"""Kernels tied so that a network commutes with flips and quarter turns.

A group-equivariant network (Cohen and Welling 2016, https://arxiv.org/abs/1602.07576) of the group
D4: eight hidden channels, one after the other, are one filter in its 8 orientations, and so each
kernel is the mean over all 8. It stays an ordinary network, of the same layers and cost. What it
learns of a crop it knows in every orientation, and the mean over flips and rotations of the input
(self-ensemble) gives nothing more, where sides are multiples of the network's stride.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn.functional import pixel_shuffle, pixel_unshuffle

from n2n.models.residual_unet import UNSHUFFLE, ResidualUNet, Trunk

Orientation = tuple[bool, bool, bool]  # transposed, then upside down, then left to right
ORIENTATIONS: list[Orientation] = [(bool(i & 4), bool(i & 2), bool(i & 1)) for i in range(8)]
CORNERS = torch.arange(4).view(2, 2)  # no two orientations of it are alike
TIED = 1e-3  # of the largest weight: what rounding leaves

Mean = Callable[[Tensor], Tensor]


def orient(orientation: Orientation, picture: Tensor) -> Tensor:
    """(..., H, W) in that orientation: (..., W, H) where it is transposed."""
    transposed, vertical, horizontal = orientation
    turned = picture.transpose(-2, -1) if transposed else picture
    return turned.flip([axis for axis, flipped in ((-2, vertical), (-1, horizontal)) if flipped])


def tie(model: nn.Module) -> None:
    """Tie the kernels of an untrained network, and its gradients from now on.

    Raises:
        ValueError: no residual U-Net, or one with a width that is no multiple of 8.
    """
    for kernel, mean in _means(model):
        with torch.no_grad():  # a mean of 8 independent draws has an eighth of their variance
            centre = kernel.mean()
            kernel.copy_(centre + (mean(kernel) - centre) * len(ORIENTATIONS) ** 0.5)
        kernel.register_hook(mean)  # type: ignore[no-untyped-call]


@torch.no_grad()
def is_tied(model: nn.Module) -> bool:
    """Whether each kernel is the mean over its orientations; not where none can be."""
    try:
        means = _means(model)
    except ValueError:
        return False
    return all(
        bool((mean(kernel) - kernel).abs().max() <= TIED * kernel.abs().max())
        for kernel, mean in means
    )


def _means(model: nn.Module) -> list[tuple[nn.Parameter, Mean]]:
    """Of each kernel, what makes the mean over its orientations."""
    if not isinstance(model, Trunk):
        raise ValueError(f"only residual U-Nets can be equivariant, not {type(model).__name__}")
    found: list[tuple[nn.Parameter, Mean]] = []
    for name, kernel in model.named_parameters():
        channels = [_hidden, _hidden]  # of the outputs and the inputs, in either order
        if name in ("stem.weight", "head.weight"):
            channels[name == "stem.weight"] = (
                _unshuffled if isinstance(model, ResidualUNet) else _colours
            )
        found.append((kernel, partial(_mean, _sources(kernel, *channels))))
    return found


def _mean(sources: Tensor, kernel: Tensor) -> Tensor:
    """`sources` (8, numbers): of each number of a kernel, where it is in each orientation."""
    return kernel.flatten()[sources].mean(0).view(kernel.shape)


def _sources(kernel: Tensor, *channels: Callable[[Orientation, int], Tensor]) -> Tensor:
    places = torch.arange(kernel.numel()).view(kernel.shape)
    turned = []
    for orientation in ORIENTATIONS:
        first, second = (
            order(orientation, count)
            for order, count in zip(channels, kernel.shape[:2], strict=True)
        )
        turned.append(orient(orientation, places)[first][:, second].flatten())
    return torch.stack(turned).to(kernel.device)


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
