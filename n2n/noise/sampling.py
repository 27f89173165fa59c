"""Point sampling: the noise of the EE-559 data ("downsampled, pixelated images")."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from n2n.noise.base import Checked, Parameter


@dataclass(frozen=True)
class PointSampling(Checked):
    """Blocks of K×K pixels: the reference is a block's mean, a draw one of its pixels.

    The result is K times smaller each way. Zero-mean (the pixel is uniform in its block): train
    with L2. White in space, strongly correlated between channels, stronger at edges.
    """

    block_px: int = 4

    title: ClassVar[str] = "Point sampling"
    loss: ClassVar[str] = "l2"
    zero_mean: ClassVar[bool] = True
    per_image: ClassVar[bool] = False  # all images of a batch have the same size
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter(
            name="block_px",
            label="K (block side in pixels)",
            low=1,
            high=64,
            default=4,
            slider=(2, 16),
            step=1,
            meaning="the picture becomes K times smaller · the course's data: K = 10",
        ),
    )

    def __post_init__(self) -> None:
        """A block has a whole number of pixels."""
        super().__post_init__()
        if self.block_px != int(self.block_px):
            raise ValueError(f"K must be a whole number of pixels, got {self.block_px:g}")
        object.__setattr__(self, "block_px", int(self.block_px))

    def _blocks(self, clean: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H // K, W // K, K²); what does not fill a block is cut off."""
        k = self.block_px
        height, width = clean.shape[-2] // k, clean.shape[-1] // k
        if min(height, width) < 1:
            raise ValueError(
                f"a picture of {clean.shape[-1]}×{clean.shape[-2]} px has no whole block of "
                f"{k}×{k} px; choose a smaller K"
            )
        whole = clean[..., : height * k, : width * k]
        blocks = whole.reshape(*clean.shape[:-2], height, k, width, k).transpose(-3, -2)
        return blocks.flatten(-2)

    def reference(self, clean: Tensor) -> Tensor:
        """The mean of each block, (B, C, H // K, W // K)."""
        return self._blocks(clean).mean(-1)

    def __call__(self, clean: Tensor, rng: torch.Generator) -> Tensor:
        """One pixel of each block, (B, C, H // K, W // K); all channels from the same pixel."""
        blocks = self._blocks(clean)
        batch, _, height, width, count = blocks.shape
        choice = torch.randint(
            count, (batch, 1, height, width, 1), generator=rng, device=clean.device
        )
        return blocks.gather(-1, choice.expand(-1, blocks.shape[1], -1, -1, -1)).squeeze(-1)
