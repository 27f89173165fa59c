"""Self-ensemble: what a network makes of a picture on average over eight views of it.

Flipped and rotated (Timofte et al. 2016, https://arxiv.org/abs/1511.02228), and shifted against the
network's grid (cycle spinning, Coifman and Donoho 1995, "Translation-invariant de-noising"): what a
network with strides makes of a pixel depends on where in the grid it lies.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

ORIENTATIONS = tuple(product(range(4), (False, True)))  # quarter turns, then left to right
# Hammersley's points: no two of them in one row or column of a grid of 8 px.
SHIFTS = ((0, 0), (1, 4), (2, 2), (3, 6), (4, 1), (5, 5), (6, 3), (7, 7))


def averaged(network: Callable[[Tensor], Tensor], noisy: Tensor, period: int) -> Tensor:
    """The mean of eight views of (B, 3, H, W), each flipped and rotated otherwise.

    Each is also shifted by less than `period`, the network's stride, of which H and W are
    multiples; 0 for no shifts. Within `period` px of the borders not all views have a part, and
    what comes back is no mean.
    """
    height, width = noisy.shape[-2:]
    total = torch.zeros_like(noisy)
    for (turns, flip), shift in zip(ORIENTATIONS, SHIFTS, strict=True):
        top, left = (pixels % period if period else 0 for pixels in shift)
        window = (..., slice(top, height - period + top), slice(left, width - period + left))
        view = torch.rot90(noisy[window], turns, (-2, -1))
        estimate = network(view.flip(-1) if flip else view).float()
        estimate = estimate.flip(-1) if flip else estimate
        total[window] += torch.rot90(estimate, -turns, (-2, -1))
    return total / len(SHIFTS)
