"""Noise2Noise: train a denoiser from pairs of noisy pictures, and use it.

Load a shipped model with `denoise = n2n.load("best")`, then call it: `clean = denoise(noisy)`.
"""

from n2n import ee559
from n2n.denoiser import Denoised, Denoiser, load
from n2n.images import to_tensor, to_uint8
from n2n.metrics import psnr_db, ssim
from n2n.models import MODELS, create_model
from n2n.noise import NOISES
from n2n.noise import parse as parse_noise
from n2n.runs import Run, TrainConfig
from n2n.shipped import names as shipped_models

__version__ = "0.1.0"
__all__ = [
    "MODELS",
    "NOISES",
    "Denoised",
    "Denoiser",
    "Run",
    "TrainConfig",
    "create_model",
    "ee559",
    "load",
    "parse_noise",
    "psnr_db",
    "shipped_models",
    "ssim",
    "to_tensor",
    "to_uint8",
]
