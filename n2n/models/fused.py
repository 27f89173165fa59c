"""The residual U-Net for bf16 inference on a CPU: the same function in fewer passes over memory.

Matrix units work faster than memory delivers, so what costs beside the 3×3 convolutions is every
other walk over a map. Here

- ReLU and the additions of residual blocks happen inside the convolutions (oneDNN's fused ones);
- the stem's 3×3 convolution of unshuffled pixels is a 6×6 convolution of stride 2 on the pixels;
- a transposed 2×2 convolution is a matrix from one pixel to four, added to the skip in place;
- clipped white is looked for only in a picture that reaches white.

The operators are private in PyTorch: a release without them runs the plain network.
"""

from __future__ import annotations

from typing import TypeGuard

import torch
from torch import Tensor, nn
from torch.nn import functional

from n2n.models.padding import pad_to_multiple
from n2n.models.residual_unet import UNSHUFFLE, ResidualUNet, amid_white

# Larger than the plain network's tiles: having fewer maps at a time, it has the room, and what
# smaller tiles read twice costs more than memory that is new to the process.
TILE_PX = 1360

onednn = torch.ops.mkldnn
OPERATORS = (
    "_convolution_pointwise",
    "_convolution_pointwise_",
    "_reorder_convolution_weight",
    "_is_mkldnn_bf16_supported",
)


def fusible(model: nn.Module) -> TypeGuard[ResidualUNet]:
    """Whether this PyTorch, this chip and this network allow it."""
    return (
        isinstance(model, ResidualUNet)
        and all(hasattr(onednn, name) for name in OPERATORS)
        and onednn._is_mkldnn_bf16_supported()
    )


class FusedConvolution:
    """A convolution without bias, in bf16, its kernels laid out for the chip once."""

    def __init__(self, weight: Tensor, *, stride: int = 1, padding: int = 0) -> None:
        self.stride, self.padding = [stride] * 2, [padding] * 2
        kernels = weight.detach().to(torch.bfloat16).contiguous(memory_format=torch.channels_last)
        self.kernels = onednn._reorder_convolution_weight(
            kernels, self.padding, self.stride, [1, 1], 1, None
        )

    def __call__(self, x: Tensor, then: str = "none") -> Tensor:
        """The convolution of (B, C, H, W), and "relu" if that is to come after it."""
        result: Tensor = onednn._convolution_pointwise(
            x, self.kernels, None, self.padding, self.stride, [1, 1], 1, then, [], ""
        )
        return result

    def add_to(self, total: Tensor, x: Tensor) -> Tensor:
        """`total` plus the convolution of x, in the memory of `total`."""
        result: Tensor = onednn._convolution_pointwise_.binary(
            total, x, self.kernels, None, self.padding, self.stride, [1, 1], 1, "add", None, None,
            [], None,
        )  # fmt: skip
        return result


class FusedLevel:
    """The residual blocks of one level; they work in the memory of what they are given."""

    def __init__(self, level: nn.Module) -> None:
        self.blocks = [
            (
                FusedConvolution(block.get_parameter("first.weight"), padding=1),
                FusedConvolution(block.get_parameter("last.weight"), padding=1),
            )
            for block in level.children()
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same."""
        for first, last in self.blocks:
            x = last.add_to(x, first(x, "relu"))
        return x


class FusedUp:
    """The transposed 2×2 convolution of stride 2, added to the skip."""

    def __init__(self, weight: Tensor) -> None:
        below, above = weight.shape[:2]
        pixels = weight.detach().permute(2, 3, 1, 0)  # (row, column, above, below)
        # Not as a 1×1 convolution: for maps of 2×2, 6×6 or 10×10 oneDNN's takes forty times longer.
        self.matrix = pixels.reshape(4 * above, below).to(torch.bfloat16)

    def add_to(self, skip: Tensor, x: Tensor) -> Tensor:
        """`skip` (B, C, 2H, 2W) plus what x (B, C', H, W) says, in the memory of `skip`."""
        pixels = functional.linear(x.permute(0, 2, 3, 1), self.matrix)  # (B, H, W, 2 rows of 2 · C)
        batch, height, width, four = pixels.shape
        rows = skip.permute(0, 2, 3, 1).view(batch, height, 2, width, four // 2)
        rows += pixels.view(batch, height, width, 2, four // 2).transpose(2, 3)
        return skip


class FusedResidualUNet(nn.Module):
    """A `ResidualUNet` as it stands now, for inference. (B, 3, H, W) fp32 -> the same."""

    def __init__(self, model: ResidualUNet) -> None:
        super().__init__()
        self.stride, self.radius = model.stride, model.radius
        self.tile_px = max(model.tile_px, TILE_PX)
        picture, white = _on_pixels(model.stem.weight).chunk(2, dim=1)
        self.stem = FusedConvolution(picture, stride=UNSHUFFLE, padding=2)
        self.white_stem = FusedConvolution(white, stride=UNSHUFFLE, padding=2)
        self.encoders = [FusedLevel(blocks) for blocks in model.encoders]
        self.downs = [
            FusedConvolution(down.get_parameter("weight"), stride=2) for down in model.downs
        ]
        self.middle = FusedLevel(model.middle)
        self.ups = [FusedUp(up.get_parameter("weight")) for up in model.ups]
        self.decoders = [FusedLevel(blocks) for blocks in model.decoders]
        self.head = FusedConvolution(_rows_first(model.head.weight), padding=1)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        height, width = noisy.shape[-2:]
        noisy = noisy.contiguous(memory_format=torch.channels_last)
        padded = pad_to_multiple(noisy, self.stride)
        rounded = padded.to(torch.bfloat16)
        x = self.stem(rounded)
        # What rounding takes from a picture, as noise of σ 0.3 would, the stem is given, too.
        x = self.stem.add_to(x, (padded - rounded.float()).to(torch.bfloat16))
        if padded.amax() >= 1:
            x = self.white_stem.add_to(x, _clipped_white(padded))
        skips = []
        for encoder, down in zip(self.encoders, self.downs, strict=True):
            skips.append(encoder(x))
            x = down(skips[-1])
        x = self.middle(x)
        for up, decoder in zip(self.ups, self.decoders, strict=True):
            x = decoder(up.add_to(skips.pop(), x))
        noise = _shuffled(self.head(x)).float()  # first: of two types, sums take twice as long
        return torch.sub(padded, noise, out=noise)[..., :height, :width]


def _on_pixels(weight: Tensor) -> Tensor:
    """A 3×3 kernel on 2×2 unshuffled pixels (O, 4C, 3, 3) as one on pixels, (O, C, 6, 6)."""
    outputs, inputs = weight.shape[:2]
    split = weight.view(outputs, inputs // 4, 2, 2, 3, 3)  # (O, C, row, column, 3, 3)
    return split.permute(0, 1, 4, 2, 5, 3).reshape(outputs, inputs // 4, 6, 6)


def _rows_first(weight: Tensor) -> Tensor:
    """The outputs (colour, row, column) of a head as (row, column, colour)."""
    return weight.view(-1, 4, *weight.shape[1:]).transpose(0, 1).reshape(weight.shape)


def _shuffled(pixels: Tensor) -> Tensor:
    """(B, 12, H, W) with channels (row, column, colour) -> (B, 3, 2H, 2W), channels last."""
    batch, _, height, width = pixels.shape
    # A row of two pixels is six bf16 numbers: moved as three integers, in half the time.
    rows = pixels.permute(0, 2, 3, 1).view(torch.int32).view(batch, height, width, 2, 3)
    moved = rows.transpose(2, 3).reshape(batch, 2 * height, width * 3).view(torch.bfloat16)
    return moved.view(batch, 2 * height, 2 * width, 3).permute(0, 3, 1, 2)


def _clipped_white(image: Tensor) -> Tensor:
    """`clipped_white` in bf16, by bits: a comparison to Booleans takes longer than all the rest."""
    ones = torch.eq(image, 1, out=torch.empty_like(image)).to(torch.bfloat16)
    white = ones.view(torch.int16)
    return (white & ~amid_white(white)).view(torch.bfloat16)
