"""Bias-free residual U-Net at full resolution: the shape of `ee559`, for pictures of 32 × 32.

As `residual_unet`, but without the pixel-unshuffle stem: in pictures this small every pixel counts
more than the time it costs.
"""

from collections.abc import Sequence

from torch import Tensor

from n2n.models.padding import pad_to_multiple
from n2n.models.residual_unet import Trunk


class FullResolutionUNet(Trunk):
    """(B, 3, H, W) -> the same size.

    Args:
        widths: channels of each level, from the full-resolution one down.
        blocks: residual blocks on each side of every level but the last.
        middle: residual blocks at the last level.
    """

    tile_px = 512

    def __init__(self, widths: Sequence[int], blocks: int = 1, middle: int = 2) -> None:
        super().__init__(3, 3, widths, blocks, middle)
        self.stride = 2 ** (len(widths) - 1)
        # Each 3×3 convolution at stride s looks s pixels further; two a block. Resampling adds less
        # than one stride in all.
        strides = [2**level for level in range(len(widths))]
        self.radius = 2 + 4 * blocks * sum(strides[:-1]) + 2 * middle * strides[-1] + self.stride

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        height, width = noisy.shape[-2:]
        padded = pad_to_multiple(noisy, self.stride)
        estimate: Tensor = padded - self.noise(padded)
        return estimate[..., :height, :width]
