"""Noisy pairs: the same crop under two independent draws of the noise, keyed by (seed, step)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from n2n import images
from n2n.data.photos import Photos
from n2n.noise import LevelRange, Noise
from n2n.randomness import keyed_rng

Targets = Literal["noisy", "clean"]
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class NoisyPairs:
    """Batches (source, target), float (B, 3, h, w), of random crops.

    Step `n` depends on (seed, n) alone.

    Args:
        photos: where the crops come from.
        noise: one noise, or a range of levels of which each image gets one.
        batch: images in a batch.
        crop_px: side of the crop in the photo (point sampling makes the images smaller).
        seed: names the whole sequence.
        targets: "noisy" for a second draw, "clean" for the reference.
        frozen: None draws crops and noise afresh for ever; a number repeats after so many batches.
        file_step: half of the sources pass the 8-bit file step (clipped, rounded), as real files
            do. A target never does: clipping it would bias what is learnt.
        exposure: share of images that are drawn instead: flat or smooth, in grey or strong
            colours, most of them clipped somewhere. Photos have little of that, and without it a
            network learns to grey clipped noise and to change what is clean and smooth.
        grey: share of images in grey, with one noise for all channels, as a grey picture's is.
            A network that knows only three independent ones leaves it alone.
        plain_steps: the first so many batches know none of the last three.
    """

    photos: Photos
    noise: Noise | LevelRange
    batch: int
    crop_px: int
    seed: int = 0
    targets: Targets = "noisy"
    frozen: int | None = None
    file_step: bool = True
    exposure: float = 0.0
    grey: float = 0.0
    plain_steps: int = 0

    def __post_init__(self) -> None:
        """Refuse what no batch could be made of."""
        if self.targets not in ("noisy", "clean"):
            raise ValueError(f'targets are "noisy" or "clean", got {self.targets!r}')
        if min(self.batch, self.crop_px) < 1 or (self.frozen is not None and self.frozen < 1):
            raise ValueError("batch, crop and the number of frozen batches must be at least 1")

    def at(self, step: int) -> Batch:
        """The batch of one step."""
        plain = step < self.plain_steps
        if self.frozen is not None:
            step %= self.frozen
        clean = self.photos.crops(self.batch, self.crop_px, self._rng(step, "crop"))
        if self.exposure > 0 and not plain:
            clean = self._with_drawn(clean, step)
        is_grey = self._choice(step, "grey", 0.0 if plain else self.grey)
        clean = torch.where(is_grey, clean.mean(1, keepdim=True), clean)
        noise = self.noise
        if isinstance(noise, LevelRange):
            noise = noise.draw(self.batch, self._rng(step, "level"))
        source = _one_channel(noise(clean, self._rng(step, "source")), is_grey)
        # As the crops are, whatever the noise made of it: convolutions are twice as fast so.
        source = source.contiguous(memory_format=torch.channels_last)
        # A draw of its own: reusing the source's would teach the identity.
        noisy = self.targets == "noisy"
        target = noise(clean, self._rng(step, "target")) if noisy else noise.reference(clean)
        target = _one_channel(target, is_grey)
        if self.file_step and not plain:
            source = self._file_step_half(source, step)
        return source, target

    def __call__(self, start: int = 0) -> Iterator[Batch]:
        """Batches without end, from step `start`."""
        while True:
            yield self.at(start)
            start += 1

    def _with_drawn(self, clean: Tensor, step: int) -> Tensor:
        """Some crops become drawn ones: a blend of four corner colours, of half of them one."""
        rng = self._rng(step, "exposure")
        numbers = torch.rand((len(clean), 4, 2, 2), generator=rng, device=clean.device)
        choice = torch.rand((3, len(clean), 1, 1, 1), generator=rng, device=clean.device)
        corners = torch.where(choice[1] < 0.5, numbers[..., :1, :1], numbers)
        values = 2 * corners - 0.5  # a quarter each black and white, in all channels or in each
        colours = torch.where(choice[2] < 0.5, values[:, :1], values[:, 1:])
        drawn = functional.interpolate(
            colours, clean.shape[-2:], mode="bilinear", align_corners=True
        ).clamp(0, 1)
        return torch.where(choice[0] < self.exposure, drawn, clean)

    def _file_step_half(self, source: Tensor, step: int) -> Tensor:
        return torch.where(self._choice(step, "file", 0.5), images.file_step(source), source)

    def _choice(self, step: int, view: str, share: float) -> Tensor:
        """Which images of a batch, bool (B, 1, 1, 1)."""
        rng = self._rng(step, view)
        return torch.rand((self.batch, 1, 1, 1), generator=rng, device=rng.device) < share

    def _rng(self, step: int, view: str) -> torch.Generator:
        return keyed_rng(self.seed, step, view, device=self.photos.device)


def _one_channel(noisy: Tensor, is_grey: Tensor) -> Tensor:
    """The first channel in place of all, where (B, 1, 1, 1) says so."""
    return torch.where(is_grey, noisy[:, :1], noisy)
