"""Held-out photos under one fixed draw of the noise: what every score of a run is measured on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from n2n import images
from n2n.losses import Loss
from n2n.metrics import psnr_mean_db
from n2n.noise import Noise
from n2n.randomness import keyed_rng
from n2n.training import Diverged, Validation

SIDE_PX = 256


@dataclass(frozen=True, eq=False)
class HeldOut:
    """One picture: the noisy input, a second noisy draw, and what a perfect denoiser would return.

    Float (1, 3, h, w) on the device. `reference` is rounded to 8 bit, as every estimate is before
    its PSNR is taken; `source` is, where the run trains on files; `target` is not.
    """

    source: Tensor
    target: Tensor
    reference: Tensor

    @property
    def noisy(self) -> np.ndarray:
        """The input as the file that a person would have: uint8 (h, w, 3)."""
        return images.to_uint8(self.source)

    @property
    def clean(self) -> np.ndarray:
        """The reference as a file: uint8 (h, w, 3)."""
        return images.to_uint8(self.reference)


class Validator:
    """Scores a network, or any other denoiser, on the same pictures under the same noise.

    Args:
        photos: clean photos, uint8 (H, W[, 3]); of each at most 256 × 256 in the middle.
        noise: drawn once for each photo, keyed by its place.
        device: where the pictures lie.
        file_step: whether the inputs are clipped and rounded to 8 bit.
    """

    def __init__(
        self,
        photos: Sequence[np.ndarray],
        noise: Noise,
        device: torch.device,
        *,
        file_step: bool = True,
    ) -> None:
        self.pictures = [
            held_out(photo, noise, device, index, file_step=file_step)
            for index, photo in enumerate(photos)
        ]

    def __len__(self) -> int:
        """How many pictures."""
        return len(self.pictures)

    @torch.inference_mode()
    def __call__(self, network: Callable[[Tensor], Tensor], loss: Loss) -> Validation:
        """The mean loss against the noisy targets, and the mean PSNR (convention A) of 8 bit.

        Raises:
            Diverged: an estimate holds values that are no numbers.
        """
        losses, scores = [], []
        for picture in self.pictures:
            estimate = network(picture.source).float()
            if not bool(torch.isfinite(estimate).all()):
                raise Diverged("the network's output is no picture any more; lower the rate")
            losses.append(float(loss(estimate, picture.target, 0.0)))
            found = images.file_step(estimate).cpu()  # Apple's GPUs know no double precision
            scores.append(psnr_mean_db(found, picture.reference.cpu()))
        return Validation(float(np.mean(losses)), float(np.mean(scores)))

    def noisy_psnr_db(self) -> float:
        """What a denoiser that changes nothing scores."""
        return self.score(lambda noisy: noisy)

    def score(self, denoise: Callable[[np.ndarray], np.ndarray]) -> float:
        """The mean PSNR in dB of any function from a noisy picture to an estimate.

        Both are uint8 (h, w, 3).
        """
        estimates = (images.to_tensor(denoise(picture.noisy)) for picture in self.pictures)
        references = (picture.reference.cpu() for picture in self.pictures)
        return float(
            np.mean([psnr_mean_db(*pair) for pair in zip(estimates, references, strict=True)])
        )


def held_out(
    photo: np.ndarray,
    noise: Noise,
    device: torch.device,
    key: int | str,
    *,
    file_step: bool = True,
) -> HeldOut:
    """The middle of a photo, at most 256 × 256, under two draws of the noise named by `key`."""
    clean = middle(images.to_tensor(photo)).to(device)
    source, target = (
        noise(clean, keyed_rng("validation", key, view, device=device)).contiguous(
            memory_format=torch.channels_last
        )
        for view in (0, 1)
    )
    return HeldOut(
        images.file_step(source) if file_step else source,
        target,
        images.file_step(noise.reference(clean)),
    )


def middle(image: Tensor, side_px: int = SIDE_PX) -> Tensor:
    """The middle of (1, 3, H, W), at most `side_px` on each side."""
    top, left = (max((size - side_px) // 2, 0) for size in image.shape[-2:])
    return image[..., top : top + side_px, left : left + side_px]
