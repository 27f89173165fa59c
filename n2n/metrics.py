"""How close an estimate is to the reference: PSNR in both conventions of the course, and SSIM.

All take pictures of any one kind: float in [0, 1] (`data_range` 1) or 8 bit converted to float.
"""

import numpy as np
import torch
from skimage.metrics import structural_similarity
from torch import Tensor


def psnr_db(estimate: Tensor, clean: Tensor, *, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio per image, 10·log10(range² / MSE), in dB.

    Inputs (B, C, H, W), output (B,). The MSE runs over all channels of an image; identical images
    give inf. The mean over a set is convention A of the course (and of the literature).
    """
    if estimate.shape != clean.shape:
        raise ValueError(
            f"PSNR compares pictures of one size, got {tuple(estimate.shape)} and "
            f"{tuple(clean.shape)}"
        )
    mse = (estimate.double() - clean.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / mse)


def psnr_mean_db(estimates: Tensor, clean: Tensor) -> float:
    """Convention A: the mean over images of each one's PSNR, as the course's grader computes it."""
    return float(psnr_db(estimates, clean).mean())


def psnr_global_db(estimates: Tensor, clean: Tensor) -> float:
    """Convention B of the course: -10·log10(MSE over all images + 1e-8), which ends at 80 dB."""
    mse = (estimates.double() - clean.double()).square().mean()
    return float(-10 * torch.log10(mse + 1e-8))


def ssim(estimate: np.ndarray, clean: np.ndarray) -> float:
    """Structural similarity (Wang et al. 2004) of two pictures (H, W[, 3]) of one integer type.

    scikit-image's, with the settings of the original: Gaussian window of σ = 1.5, population
    covariance. A picture with a side below the window's 11 px has none: nan.
    """
    if estimate.shape != clean.shape or estimate.dtype != clean.dtype:
        raise ValueError(
            f"SSIM compares pictures of one size and type, got {estimate.shape} {estimate.dtype} "
            f"and {clean.shape} {clean.dtype}"
        )
    if min(clean.shape[:2]) < 11:
        return float("nan")
    value = structural_similarity(
        estimate,
        clean,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        channel_axis=-1 if clean.ndim == 3 else None,
        data_range=np.iinfo(clean.dtype).max,
    )
    return float(value)
