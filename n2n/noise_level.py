"""The noise level of one picture, and the PSNR to expect after denoising, without the clean one.

For a denoiser f near the least-squares optimum and white Gaussian noise of variance σ² on n numbers
(Miyasawa's identity), with div f the divergence of f at y:

    σ² = ‖y - f(y)‖² / (n - div f)        E‖f(y) - x‖² / n = σ² · div f / n

One random probe b ~ N(0, 1) gives the divergence: div f ≈ b · (f(y + τb) - f(y)) / τ (Ramani et al.
2008). So two passes in all, and no clean picture.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from n2n.randomness import keyed_rng

PROBE = 0.01
# Daubechies' second-order low-pass filter; its mirror with alternating signs is the high-pass.
DB2 = (0.48296291314469025, 0.8365163037378079, 0.22414386804185735, -0.12940952255092145)
FLAT = 1e-6  # above what rounding in fp32 leaves of a flat white area, far below one 16-bit level
NORMAL_QUARTILE = 0.6744897501960817  # the median of |N(0, 1)|
# What strays from f(y) by more than 5 σ: of white noise of σ 3 and more on scikit-image's photos at
# most 9 in 100,000 numbers (edges at σ 3, else 7), with every tenth pixel an impulse 12 and more.
STRAY_SIGMAS, MOST_STRAYS, FEWEST_STRAYS = 5, 1e-4, 5
EDGES = 3  # below this σ edges stray, too


@dataclass(frozen=True)
class NoiseLevel:
    """What the denoiser finds, in 8-bit units and dB.

    `wavelet_sigma_255` and `coarse_sigma_255` are second opinions; `doubt` is None, or says in
    words why the numbers cannot be trusted: the opinions differ, or some pixels stray too far.
    """

    sigma_255: float
    expected_psnr_db: float
    wavelet_sigma_255: float
    coarse_sigma_255: float
    doubt: str | None


def estimate(
    denoise: Callable[[Tensor], Tensor], noisy: Tensor, denoised: Tensor | None = None
) -> NoiseLevel:
    """σ of the white noise in a picture (B, C, H, W), and the PSNR of f(y).

    Args:
        denoise: a blind denoiser trained on Gaussian noise, such as a `Denoiser`.
        noisy: float in [0, 1] for clean pictures, noise unclipped or from a file.
        denoised: f(noisy) where it is known already, unclipped float.
    """
    clean = denoise(noisy) if denoised is None else denoised
    variance, error = _variance_and_error(denoise, noisy, clean)
    sigma, wavelet = 255 * math.sqrt(variance), 255 * wavelet_sigma(noisy)
    # The mean of 2 × 2 pixels halves white noise, and hardly lessens noise with blobs that size.
    halved = functional.avg_pool2d(noisy, 2, ceil_mode=True)
    coarse = 2 * 255 * math.sqrt(_variance_and_error(denoise, halved, denoise(halved))[0])
    return NoiseLevel(
        sigma_255=sigma,
        expected_psnr_db=-10 * math.log10(error) if error > 0 else math.inf,
        wavelet_sigma_255=wavelet,
        coarse_sigma_255=coarse,
        doubt=_doubt(sigma, wavelet, coarse, _is_uneven(noisy, clean, max(sigma, wavelet))),
    )


def _variance_and_error(
    denoise: Callable[[Tensor], Tensor], noisy: Tensor, clean: Tensor
) -> tuple[float, float]:
    """σ² and the mean squared error of f(y), in [0, 1] units."""
    probe = torch.randn(noisy.shape, generator=keyed_rng("probe"))
    moved = denoise(noisy + PROBE * probe)
    count = noisy.numel()
    divergence = float((probe * (moved - clean)).double().sum()) / PROBE
    divergence = min(max(divergence, 0.0), 0.99 * count)  # a tiny picture's may stray
    residual = float((noisy - clean).double().square().sum())
    variance = residual / (count - divergence)
    return variance, variance * divergence / count


def wavelet_sigma(noisy: Tensor) -> float:
    """Donoho and Johnstone's estimate (1994): median |HH| / 0.6745, in [0, 1] units.

    The mean over channels. HH are the finest diagonal coefficients of the db2 wavelet. Those that
    are zero but for rounding are left out: they come from flat or clipped areas.
    """
    high = torch.tensor([tap * (-1) ** index for index, tap in enumerate(reversed(DB2))])
    kernel = (high[:, None] * high[None, :])[None, None]
    if min(noisy.shape[-2:]) < len(DB2):
        return math.nan
    diagonal = functional.conv2d(
        noisy.transpose(0, 1).flatten(0, 1)[:, None].float(), kernel, stride=2
    )
    levels = [channel[channel > FLAT] for channel in diagonal.flatten(1).abs()]
    medians = [float(level.median()) if len(level) else 0.0 for level in levels]
    return sum(medians) / len(medians) / NORMAL_QUARTILE


def _is_uneven(noisy: Tensor, clean: Tensor, sigma: float) -> bool:
    """Whether some numbers stray too far for white noise, as with impulses. σ in 8-bit units."""
    strays = int((255 * (noisy - clean).abs() > STRAY_SIGMAS * sigma).sum())
    return sigma > EDGES and strays > max(MOST_STRAYS * noisy.numel(), FEWEST_STRAYS)


def _doubt(sigma: float, wavelet: float, coarse: float, is_uneven: bool) -> str | None:
    """Why not to trust σ; None if all is as with white noise.

    With white noise of σ 5 to 50 on photos the coarse one is at most 3 % or 1.8 above σ, and the
    wavelet's at most 5 % below, or 9 % or 5.3 above where texture is fine. Noise blurred over 3 × 3
    pixels makes the coarse one 2.6 times σ; JPEG makes the wavelet's 1.5 times σ or more.
    """
    if math.isnan(wavelet):
        return "the picture is too small to tell its noise"
    if coarse > 1.2 * sigma + 1.8:
        return "the noise is blurred or blotchy rather than white"
    if wavelet > max(1.2 * sigma, sigma + 7) or wavelet < 0.75 * sigma - 1:
        return "the noise is not white, or the picture is all fine texture"
    if is_uneven:
        return "the noise is uneven: some pixels stray further than white noise takes them"
    return None
