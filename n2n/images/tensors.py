"""Pixels <-> tensors: the one place that clamps, and the only place that knows 255 and 65535."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor


def to_tensor(pixels: npt.NDArray[Any], *, channels_last: bool = False) -> Tensor:
    """Turn an array of pixels into a batch of one float32 image.

    Args:
        pixels: (H, W) or (H, W, 3); uint8 and uint16 are scaled so that their whole range becomes
            [0, 1], floats are kept as they are. Grey is repeated to three channels.
        channels_last: lay a pixel's colours side by side in memory, as the array does.

    Returns:
        (1, 3, H, W) float32 on the CPU, a copy.
    """
    if pixels.ndim not in (2, 3) or (pixels.ndim == 3 and pixels.shape[2] != 3) or not pixels.size:
        raise ValueError(f"an image array must be (H, W) or (H, W, 3), got shape {pixels.shape}")
    is_float = np.issubdtype(pixels.dtype, np.floating)
    if not is_float and pixels.dtype not in (np.uint8, np.uint16):
        raise TypeError(
            f"an image array must be uint8, uint16 or float, got {pixels.dtype}; convert it first"
        )
    height, width = pixels.shape[:2]
    planes = pixels[None] if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    if channels_last:
        image = np.moveaxis(np.empty((1, height, width, 3), np.float32), 3, 1)
    else:
        image = np.empty((1, 3, height, width), np.float32)
    if is_float:
        image[0] = planes
    else:
        top = np.float32(np.iinfo(pixels.dtype).max)
        np.divide(planes, top, out=image[0], dtype=np.float32)
    return torch.from_numpy(image)


def to_uint8(image: Tensor) -> npt.NDArray[np.uint8]:
    """Clamp to [0, 1] and round to 8 bit, halves to even as `torch.round` does.

    Args:
        image: (1, 3, H, W) or (3, H, W), any float dtype and device.

    Returns:
        (H, W, 3).

    Raises:
        ValueError: the shape is another, or a value is NaN.
    """
    levels = _levels(_one_image(image), 255).to(torch.uint8)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy())


def to_uint16(image: Tensor) -> npt.NDArray[np.uint16]:
    """Clamp to [0, 1] and round to 16 bit; otherwise as `to_uint8`."""
    levels = _levels(_one_image(image), 65535).to(torch.int32)
    return np.ascontiguousarray(levels.permute(1, 2, 0).cpu().numpy().astype(np.uint16))


def file_step(image: Tensor, depth: int = 8) -> Tensor:
    """Do to an image what saving it and reading it again does: clip to [0, 1] and round.

    Args:
        image: any shape.
        depth: bits per sample of the file, 8 or 16.

    Returns:
        float32 of the same shape and device, bit for bit what `to_tensor` makes of the file.
    """
    if depth not in (8, 16):
        raise ValueError(f"a file has 8 or 16 bits per sample, got depth {depth}")
    top = 2**depth - 1
    levels = _levels(image, top)
    # A tensor as divisor: by a Python number CUDA multiplies with the reciprocal, one bit off.
    return levels / torch.full((), top, dtype=levels.dtype, device=levels.device)


def _levels(image: Tensor, top: int) -> Tensor:
    if not image.is_floating_point():
        raise TypeError(f"an image tensor must be float, got {image.dtype}")
    if image.numel() and image.amax().isnan():  # a maximum passes NaN on, at a fifth of the time
        raise ValueError("the image holds NaN (not a number) and cannot become a picture")
    return image.detach().float().clamp(0, 1).mul_(top).round_()


def _one_image(image: Tensor) -> Tensor:
    if image.ndim == 4 and image.shape[0] == 1:
        image = image[0]
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(
            f"need one image of shape (1, 3, H, W) or (3, H, W), got {tuple(image.shape)}"
        )
    return image
