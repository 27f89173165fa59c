"""The autoencoder of the EE-559 report (2022), layer by layer as in its appendix.

Five convolutions and five transposed convolutions, kernel 2, stride 1, padding 1: a convolution
makes the map one pixel larger, a transposed one smaller, so 32×32 grows to 37×37 and comes back.
"""

import itertools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (3, 64, 64, 128, 256, 512)

BatchNorm = Literal["none", "everywhere", "published"]
# Layers (1 to 10) followed by BatchNorm. Published: "at the end" of the encoder and, mirrored,
# at the start of the decoder. Everywhere: after each layer but the output.
NORMALIZED: dict[BatchNorm, tuple[int, ...]] = {
    "none": (),
    "everywhere": tuple(range(1, 10)),
    "published": (3, 4, 6, 7),
}
BOTTLENECK, OUTPUT = 5, 10  # the two layers without a ReLU


class Transposed(nn.ConvTranspose2d):
    """Kernel 2, stride 1, padding 1. In training the bias is added outside of the convolution.

    Within, PyTorch 2.13 on a CPU sums its gradient number by number, a sixth of a whole step.
    """

    def __init__(self, channels: int, wanted: int) -> None:
        super().__init__(channels, wanted, 2, padding=1)

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, channels, H, W) -> (B, wanted, H - 1, W - 1)."""
        if not torch.is_grad_enabled():
            return super().forward(x, output_size)
        assert self.bias is not None
        unbiased = functional.conv_transpose2d(x, self.weight, padding=1)
        return unbiased + self.bias.to(unbiased.dtype)[:, None, None]


class Autoencoder(nn.Sequential):
    """(B, 3, H, W) -> the same size, any H and W from 1; 1,413,635 parameters as published."""

    stride = 1
    tile_px = 192  # 512 channels at full resolution: half a gigabyte at fp32
    radius = 5  # five kernels of 2 look up to 5 px back, five transposed ones up to 5 px ahead

    def __init__(self, batchnorm: BatchNorm = "published") -> None:
        if batchnorm not in NORMALIZED:
            raise ValueError(f"batchnorm is one of {', '.join(NORMALIZED)}, got {batchnorm!r}")
        convolutions: list[nn.Conv2d | nn.ConvTranspose2d] = [
            nn.Conv2d(a, b, 2, padding=1) for a, b in itertools.pairwise(CHANNELS)
        ]
        convolutions += [Transposed(a, b) for a, b in itertools.pairwise(CHANNELS[::-1])]
        layers: list[nn.Module] = []
        for number, convolution in enumerate(convolutions, 1):
            layers.append(convolution)
            if number in NORMALIZED[batchnorm]:
                layers.append(nn.BatchNorm2d(convolution.out_channels))
            if number not in (BOTTLENECK, OUTPUT):
                layers.append(nn.ReLU())
        super().__init__(*layers)

    def forward(self, noisy: Tensor) -> Tensor:
        """Denoise (B, 3, H, W) in [0, 1]; nothing is clipped."""
        first: nn.Conv2d = self[0]  # type: ignore[assignment]
        estimate: Tensor = super().forward(  # type: ignore[no-untyped-call]
            noisy.to(first.weight.dtype)
        )
        return estimate
