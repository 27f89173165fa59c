"""Pad a picture to whole multiples and crop back, so that a network takes any size."""

from torch import Tensor
from torch.nn import functional


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the border of (B, C, H, W) at the right and the bottom up to whole multiples.

    The border pixel is repeated, not mirrored: mirroring needs more pixels than a tiny picture has.
    """
    height, width = image.shape[-2:]
    right, bottom = -width % multiple, -height % multiple
    if not (right or bottom):
        return image
    return functional.pad(image, (0, right, 0, bottom), mode="replicate")
