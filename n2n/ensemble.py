"""Self-ensemble: what a network makes of a picture on average over how the picture lies.

Over the 8 flips and rotations (Timofte et al. 2016, https://arxiv.org/abs/1511.02228), and over
where the network's grid lies (cycle spinning, Coifman and Donoho 1995, "Translation-invariant
de-noising"): what a network with strides makes of a pixel depends on the pixel's place in them.
"""

from collections.abc import Callable
from itertools import product

import torch
from torch import Tensor

ORIENTATIONS = tuple(product(range(4), (False, True)))  # quarter turns, then left to right
# Where the grid of each begins: Hammersley's points, which lie evenly among 8 × 8 places.
PLACES = ((0, 0), (1, 4), (2, 2), (3, 6), (4, 1), (5, 5), (6, 3), (7, 7))


def averaged(network: Callable[[Tensor], Tensor], noisy: Tensor, spin: int) -> Tensor:
    """The mean of eight views of (B, 3, H, W), each turned otherwise.

    Where `spin` is not 0, each also begins at another place of the first `spin` px and ends as far
    before the last; so within `spin` px of the ends there are fewer views, and no mean.
    """
    height, width = noisy.shape[-2:]
    total = torch.zeros_like(noisy)
    for (turns, flip), place in zip(ORIENTATIONS, PLACES, strict=True):
        top, left = (start % spin if spin else 0 for start in place)
        window = (..., slice(top, height - spin + top), slice(left, width - spin + left))
        view = torch.rot90(noisy[window], turns, (-2, -1))
        estimate = network(view.flip(-1) if flip else view).float()
        estimate = estimate.flip(-1) if flip else estimate
        total[window] += torch.rot90(estimate, -turns, (-2, -1))
    return total / len(PLACES)
