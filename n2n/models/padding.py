"""Pad a picture to whole multiples and crop back, so that a network takes any size."""

from torch import Tensor
from torch.nn import functional


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
