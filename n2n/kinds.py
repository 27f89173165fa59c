"""The kinds of pictures that a denoiser takes, and the way back to each."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from n2n import images

PIL_MODES = ("L", "RGB", "I;16", "F")  # those that an array can be and that come back from one


def check_strength(strength: float) -> None:
    """Refuse a strength outside [0, 1], NaN included."""
    if not 0 <= strength <= 1:
        raise ValueError(f"strength lies between 0 (the input) and 1 (denoised), got {strength}")


def mix(noisy: Any, estimate: Any, strength: float) -> Any:  # noqa: ANN401
    """Noisy + strength · (estimate - noisy), of the same kind; integers are rounded."""
    if strength == 1:
        return estimate
    if isinstance(noisy, np.ndarray) and np.issubdtype(noisy.dtype, np.integer):
        mixed = (1 - strength) * noisy.astype(np.float32) + strength * estimate.astype(np.float32)
        return np.rint(mixed).astype(noisy.dtype)
    return (1 - strength) * noisy + strength * estimate


def as_array_or_tensor(noisy: Any) -> tuple[Any, Callable[[Any], Any]]:  # noqa: ANN401
    """The picture as an array or tensor, and the way back to its kind."""
    if isinstance(noisy, Image.Image):
        if noisy.mode not in PIL_MODES:
            raise ValueError(
                f"a PIL image must be one of {', '.join(PIL_MODES)}, got {noisy.mode}; convert it "
                "first (n2n.images.read does, transparency and depth included)"
            )
        return as_array_or_tensor(np.asarray(noisy))[0], Image.fromarray
    if isinstance(noisy, Tensor):
        if (
            noisy.ndim != 4
            or noisy.shape[1] != 3
            or not noisy.is_floating_point()
            or not noisy.numel()
        ):
            raise ValueError(
                f"a tensor must be float (B, 3, H, W), got {noisy.dtype} {tuple(noisy.shape)}"
            )
        if not bool(torch.isfinite(noisy).all()):
            raise ValueError("the picture holds NaN or infinite values; replace them first")
        return noisy, lambda result: result
    array = np.asarray(noisy)
    if array.ndim < 2 or array.shape[2:] not in ((), (3,)) or not array.size:
        raise ValueError(f"an image array must be (H, W) or (H, W, 3), got shape {array.shape}")
    if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
        raise ValueError("the picture holds NaN or infinite values; replace them first")
    return array, lambda result: result


def like(estimate: Tensor, source: np.ndarray) -> np.ndarray:
    """(1, 3, h, w) float as an array of the kind of `source`; grey is the mean of the channels."""
    if source.ndim == 2:
        estimate = estimate.mean(1, keepdim=True).expand(-1, 3, -1, -1)
    colour: np.ndarray
    if source.dtype == np.uint8:
        colour = images.to_uint8(estimate)
    elif source.dtype == np.uint16:
        colour = images.to_uint16(estimate)
    else:
        colour = estimate[0].permute(1, 2, 0).numpy().astype(source.dtype)
    return colour[..., 0] if source.ndim == 2 else colour
