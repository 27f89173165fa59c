"""U-Net of Noise2Noise (Lehtinen et al. 2018, appendix, table 2), https://arxiv.org/abs/1803.04189.

Differs from the paper only in taking any image size: the input is padded to a multiple of 32 and
the output cropped back.
"""

import itertools

import torch
from torch import Tensor, nn

from n2n.models.padding import pad_to_multiple

DEPTH = 5


class ConvBlock(nn.Sequential):
    """3×3 convolutions, each followed by LeakyReLU(0.1); `channels` lists the widths in order."""

    def __init__(self, *channels: int) -> None:
        layers: list[nn.Module] = []
        for fan_in, fan_out in itertools.pairwise(channels):
            layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.LeakyReLU(0.1)]
        super().__init__(*layers)


class UNet(nn.Module):
    """(B, 3, H, W) -> the same size; 991,203 parameters."""

    stride = 2**DEPTH
    tile_px = 512
    # Convolutions times their stride: encoders 2·1 + 2 + 4 + 8 + 16, bottleneck 32, decoders
    # 2·(16 + 8 + 4 + 2 + 1), head 1; pooling and upsampling add less than one stride.
    radius = 2 + 30 + 32 + 62 + 1 + stride

    def __init__(self, channels: int = 3) -> None:
        super().__init__()
        self.encoders = nn.ModuleList(
            [ConvBlock(channels, 48, 48), *(ConvBlock(48, 48) for _ in range(DEPTH - 1))]
        )
        self.bottleneck = ConvBlock(48, 48)
        # The decoder's inputs: what comes up from below beside what was kept at its level; the
        # topmost level keeps the picture itself.
        self.decoders = nn.ModuleList(
            [
                ConvBlock(48 + 48, 96, 96),
                *(ConvBlock(96 + 48, 96, 96) for _ in range(DEPTH - 2)),
                ConvBlock(96 + channels, 64, 32),
            ]
        )
        self.head = nn.Conv2d(32, channels, 3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.upsample = nn.Upsample(scale_factor=2)  # nearest, as the official `upscale2d`

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        height, width = noisy.shape[-2:]
        x = pad_to_multiple(noisy, self.stride).to(self.head.weight.dtype)
        skips = []
        for encoder in self.encoders:
            skips.append(x)  # the picture, then (B, 48, H/2^i, W/2^i)
            x = self.pool(encoder(x))
        x = self.bottleneck(x)
        for decoder in self.decoders:
            x = decoder(torch.cat([self.upsample(x), skips.pop()], dim=1))
        estimate: Tensor = self.head(x)
        return estimate[..., :height, :width]
