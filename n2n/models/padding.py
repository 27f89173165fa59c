"""What a network sees beyond a picture: its border, mirrored."""

import numpy as np
from torch import Tensor, nn
from torch.nn import functional

Index = slice | np.ndarray


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Mirror the border of (B, C, H, W) at the right and the bottom, up to whole multiples.

    Mirrored, not repeated: the same noise again and again is a streak, which no network takes for
    noise, and along the border it would stay. Only a side that is too short for it is repeated.
    """
    height, width = image.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    for more, length, sides in (
        (right, width, (0, right, 0, 0)),
        (bottom, height, (0, 0, 0, bottom)),
    ):
        if more:
            mode = "reflect" if more < length else "replicate"
            image = functional.pad(image, sides, mode=mode)
    return image


def mirrored(length: int, start: int, stop: int) -> Index:
    """Which pixels of an axis of `length` stand from `start` to `stop`, if mirrored at its ends."""
    if start >= 0 and stop <= length:
        return slice(start, stop)
    there_and_back = max(2 * (length - 1), 1)
    place = np.arange(start, stop) % there_and_back
    return np.minimum(place, there_and_back - place)


def amid_border(network: nn.Module, noisy: Tensor) -> Tensor:
    """What a network makes of (B, 3, H, W) amid as much mirrored border as its `margin` says."""
    margin = int(getattr(network, "margin", 0))
    height, width = noisy.shape[-2:]
    rows, columns = (mirrored(side, -margin, side + margin) for side in (height, width))
    estimate: Tensor = network(noisy[..., rows, :][..., columns])
    return estimate[..., margin : margin + height, margin : margin + width]
