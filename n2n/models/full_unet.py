"""Bias-free residual U-Net at full resolution: the shape of `ee559`, for pictures of 32 × 32.

As `residual_unet`, but without the pixel-unshuffle stem: in pictures this small every pixel counts
more than the time it costs.
"""

import itertools
from collections.abc import Sequence

from torch import Tensor, nn

from n2n.models.padding import pad_to_multiple
from n2n.models.residual_unet import ResidualBlock


class FullResolutionUNet(nn.Module):
    """(B, 3, H, W) -> the same size.

    Args:
        widths: channels of each level, from the full-resolution one down.
        blocks: residual blocks on each side of every level but the last.
        middle: residual blocks at the last level.
    """

    tile_px = 512

    def __init__(
        self, widths: Sequence[int] = (64, 128, 256), blocks: int = 1, middle: int = 2
    ) -> None:
        super().__init__()
        self.stride = 2 ** (len(widths) - 1)
        self.stem = nn.Conv2d(3, widths[0], 3, padding=1, bias=False)
        steps = list(itertools.pairwise(widths))
        self.encoders = nn.ModuleList(_level(width, blocks) for width in widths[:-1])
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in steps)
        self.middle = _level(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in reversed(steps)
        )
        self.decoders = nn.ModuleList(_level(width, blocks) for width in reversed(widths[:-1]))
        self.head = nn.Conv2d(widths[0], 3, 3, padding=1, bias=False)
        # Each 3×3 convolution at stride s looks s pixels further; two a block. Resampling adds less
        # than one stride in all.
        strides = [2**level for level in range(len(widths))]
        self.radius = 2 + 4 * blocks * sum(strides[:-1]) + 2 * middle * strides[-1] + self.stride
        self._initialize()

    def _initialize(self) -> None:
        """He, but near zero for the last convolution of each block and of the net: an identity."""
        if self.head.weight.is_meta:  # a file brings the weights, and drawing there takes a second
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        blocks = [module.last for module in self.modules() if isinstance(module, ResidualBlock)]
        for last in (*blocks, self.head):
            nn.init.normal_(last.weight, std=1e-3)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        height, width = noisy.shape[-2:]
        padded = pad_to_multiple(noisy, self.stride)
        x = self.stem(padded.to(self.stem.weight.dtype))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)  # (B, widths[i], H/2^i, W/2^i)
            x = down(x)
        x = self.middle(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        estimate: Tensor = padded - self.head(x)
        return estimate[..., :height, :width]


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
