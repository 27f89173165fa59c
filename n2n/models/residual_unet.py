"""Bias-free residual U-Net behind a pixel-unshuffle stem: the shape of `fast` and `best`.

- Bias-free (Mohan et al. 2020, https://arxiv.org/abs/1906.05478): no additive constant anywhere, so
  the network scales with its input and generalises over noise levels.
- Beside the picture the network sees where it is saturated, exactly 1, as only a clipped file is: a
  network that scales with its input cannot know white by itself, and would grey clipped noise.
- Pixel-unshuffle stem (FFDNet, https://arxiv.org/abs/1710.04026): no layer runs at full resolution,
  where three channels would leave a processor's matrix units empty.
- Residual blocks and strided 2×2 resampling with additive skips (DRUNet,
  https://arxiv.org/abs/2008.13751); the network estimates the noise and subtracts it.
"""

import itertools
import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from n2n.models.padding import pad_to_multiple

UNSHUFFLE = 2


def clipped_white(image: Tensor) -> Tensor:
    """Where (B, C, H, W) is exactly 1, as a clipped file is: 1 there and 0 elsewhere.

    But not amid 5 × 5 such pixels: noise would have darkened some of them, so that white is clean.
    """
    white = image == 1
    return (white & ~amid_white(white)).to(image.dtype)


def amid_white(white: Tensor) -> Tensor:
    """Where all of the 5 × 5 pixels around are white, those outside too. Booleans or bits."""
    solid = functional.pad(white, (2, 2, 2, 2), value=-1)  # -1 has every bit
    for axis in (-2, -1):  # a run of 5 is two of 2, one after the other, and one more
        size = white.shape[axis]
        two = solid.narrow(axis, 0, size + 3) & solid.narrow(axis, 1, size + 3)
        four = two.narrow(axis, 0, size) & two.narrow(axis, 2, size)
        solid = four & solid.narrow(axis, 4, size)
    return solid


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))), 3×3, without biases."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1, bias=False)
        self.relu = nn.ReLU(inplace=True)
        self.last = nn.Conv2d(channels, channels, 3, padding=1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        update: Tensor = self.last(self.relu(self.first(x)))
        return x + update


class Trunk(nn.Module):
    """The layers that residual U-Nets share, from the first convolution to the last.

    Args:
        seen: channels that the first convolution reads.
        told: channels that the last one gives.
        widths: channels of each level, from the largest map down.
        blocks: residual blocks on each side of every level but the last.
        middle: residual blocks at the last level.

    Raises:
        ValueError: no level, or one without channels.
    """

    def __init__(
        self, seen: int, told: int, widths: Sequence[int], blocks: int, middle: int
    ) -> None:
        super().__init__()
        if not widths or min(*widths, middle) < 1 or blocks < 0:
            raise ValueError(
                f"a U-Net has widths and middle of at least 1 and blocks of at least 0, got "
                f"{list(widths)}, {middle} and {blocks}"
            )
        self.stem = nn.Conv2d(seen, widths[0], 3, padding=1, bias=False)
        steps = list(itertools.pairwise(widths))
        self.encoders = nn.ModuleList(_level(width, blocks) for width in widths[:-1])
        self.downs = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2, bias=False) for a, b in steps)
        self.middle = _level(widths[-1], middle)
        self.ups = nn.ModuleList(
            nn.ConvTranspose2d(b, a, 2, stride=2, bias=False) for a, b in reversed(steps)
        )
        self.decoders = nn.ModuleList(_level(width, blocks) for width in reversed(widths[:-1]))
        self.head = nn.Conv2d(widths[0], told, 3, padding=1, bias=False)
        self._initialize()

    def _initialize(self) -> None:
        """He for every convolution; the last of each block and of the net near zero.

        The untrained network is then close to the identity, and so is every block.
        """
        if self.head.weight.is_meta:  # a file brings the weights, and drawing there takes a second
            return
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        for module in self.modules():
            if isinstance(module, ResidualBlock):
                nn.init.normal_(module.last.weight, std=1e-3)
        nn.init.normal_(self.head.weight, std=1e-3)

    def noise(self, seen: Tensor) -> Tensor:
        """(B, seen, H, W) -> (B, told, H, W), at the precision of the weights."""
        rounded = seen.to(self.stem.weight.dtype)
        x = self.stem(rounded)
        if rounded.dtype != seen.dtype:  # what rounding takes, as noise of σ 0.3 would, it gets too
            x = x + self.stem((seen - rounded.to(seen.dtype)).to(rounded.dtype))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            x = encoder(x)
            skips.append(x)  # (B, widths[i], H/2^i, W/2^i)
            x = down(x)
        x = self.middle(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up(x) + skips.pop())
        found: Tensor = self.head(x)
        return found


class ResidualUNet(Trunk):
    """(B, 3, H, W) -> the same size.

    Args:
        widths: channels of each level, from the half-resolution one down.
        blocks: residual blocks on each side of every level but the last.
        middle: residual blocks at the last level.
    """

    def __init__(self, widths: Sequence[int], blocks: int = 1, middle: int = 2) -> None:
        shuffled = 3 * UNSHUFFLE**2
        super().__init__(2 * shuffled, shuffled, widths, blocks, middle)
        self.stride = UNSHUFFLE * 2 ** (len(widths) - 1)
        self.unshuffle = nn.PixelUnshuffle(UNSHUFFLE)
        self.shuffle = nn.PixelShuffle(UNSHUFFLE)
        # Each 3×3 convolution at stride s looks s pixels further; two a block. Resampling adds less
        # than one stride in all, finding clipped white 2.
        strides = [UNSHUFFLE * 2**level for level in range(len(widths))]
        convolutions = 2 * UNSHUFFLE + 4 * blocks * sum(strides[:-1]) + 2 * middle * strides[-1]
        self.radius = 2 + convolutions + self.stride
        self.halo = _halo(blocks, middle, strides)
        # A layer sees zeros beyond the border, and in crops of photos there is little border to
        # learn that from: so a picture is denoised with as much of its mirrored border around it.
        self.margin = self.stride
        # With its halo the largest map, at half resolution, is 32 MB at most in bf16: larger
        # ones the system takes back after every layer, and clears again for the next.
        side = math.isqrt(32_000_000 // 2 * UNSHUFFLE**2 // widths[0])
        self.tile_px = min(max(side - 2 * self.halo, 256), 1024)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        height, width = noisy.shape[-2:]
        padded = pad_to_multiple(noisy, self.stride)
        # Only the network runs at the weights' precision; the picture keeps its own to the end.
        seen = self.unshuffle(torch.cat([padded, clipped_white(padded)], dim=1))
        seen = seen.contiguous(memory_format=torch.channels_last)  # CUDA's unshuffle forgets it
        estimate: Tensor = padded - self.shuffle(self.noise(seen))
        return estimate[..., :height, :width]


def _level(width: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))


def _halo(blocks: int, middle: int, strides: Sequence[int]) -> int:
    """How far the network looks from the edge of a cell of its grid: less than from its inside."""
    reach = UNSHUFFLE  # the head; then up the decoders, each on the grid of the level below it
    for stride in strides[:-1]:
        reach += 2 * blocks * stride
        reach += -reach % (2 * stride)
    reach += 2 * middle * strides[-1] + 2 * blocks * sum(strides[:-1])
    return reach + UNSHUFFLE + 2  # the stem, and 2 for finding clipped white
