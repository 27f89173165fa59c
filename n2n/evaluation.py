"""PSNR and SSIM of a denoiser on a folder of clean photos, as the literature measures them.

The protocol is KAIR's (https://github.com/cszn/KAIR): for each image the noise is drawn from
NumPy's legacy generator seeded with 0, added in float and not clipped; the output is clamped and
rounded to 8 bit; PSNR runs over RGB without a border crop and is averaged per image (convention A).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from n2n import images, noise_level
from n2n.denoiser import Denoiser
from n2n.metrics import psnr_db, ssim
from n2n.noise import Noise
from n2n.noise.gaussian import Gaussian
from n2n.noise_level import NoiseLevel
from n2n.randomness import keyed_rng

# Colour AWGN, PSNR in dB at σ = 15, 25, 50, as the papers and KAIR's tables print them. All but
# CBM3D were trained, with clean targets. CBM3D, FFDNet and DRUNet are told σ; IRCNN and SwinIR are
# one network for each.
PUBLISHED: dict[str, dict[str, tuple[float, float, float]]] = {
    "CBSD68": {
        "CBM3D": (33.52, 30.71, 27.38),
        "CDnCNN-B": (33.90, 31.24, 27.95),
        "IRCNN": (33.86, 31.16, 27.86),
        "FFDNet": (33.87, 31.21, 27.96),
        "DRUNet": (34.30, 31.69, 28.51),
        "SwinIR": (34.42, 31.78, 28.56),
        "Restormer": (34.39, 31.78, 28.59),
    },
    "KODAK24": {
        "CBM3D": (34.28, 31.68, 28.46),
        "CDnCNN-B": (34.60, 32.14, 28.95),
        "FFDNet": (34.63, 32.13, 28.98),
        "DRUNet": (35.31, 32.89, 29.86),
        "Restormer": (35.44, 33.02, 30.00),
    },
    "MCMASTER": {
        "CBM3D": (34.06, 31.66, 28.51),
        "CDnCNN-B": (33.45, 31.52, 28.62),
        "FFDNet": (34.66, 32.35, 29.18),
        "DRUNet": (35.40, 33.14, 30.08),
        "Restormer": (35.55, 33.31, 30.29),
    },
}
PUBLISHED_SIGMAS = (15.0, 25.0, 50.0)
# Of each: how many photos, and the pixels of one. Kodak's are larger elsewhere, and then easier.
PUBLISHED_PHOTOS = {"CBSD68": (68, 321 * 481), "KODAK24": (24, 500**2), "MCMASTER": (18, 500**2)}


@dataclass(frozen=True)
class ImageScore:
    """One picture: PSNR in dB and SSIM of the 8-bit result against the 8-bit reference."""

    name: str
    noisy_psnr_db: float
    psnr_db: float
    ssim: float
    mse: float
    seconds: float
    megapixels: float
    level: NoiseLevel | None = None


@dataclass(frozen=True)
class Blind:
    """What was found without the clean pictures: σ, its spread, and the error of the PSNR."""

    sigma_255: float
    spread_255: float
    psnr_error_db: float
    doubts: int


@dataclass(frozen=True)
class Score:
    """A whole folder. `psnr_db` is convention A (mean per image), `psnr_global_db` convention B."""

    images: int
    noisy_psnr_db: float
    psnr_db: float
    psnr_global_db: float
    ssim: float
    seconds_per_megapixel: float
    blind: Blind | None = None


def evaluate(
    denoiser: Denoiser,
    pictures: Iterable[tuple[str, np.ndarray]],
    noise: Noise,
    *,
    file_step: bool = False,
    self_ensemble: bool = False,
    blind: bool = False,
) -> Iterator[ImageScore]:
    """Score each picture in turn.

    Args:
        denoiser: what to score.
        pictures: names and clean photos, uint8 or uint16 (H, W) or (H, W, 3).
        noise: what to add to them.
        file_step: clip and round the noisy input to 8 bit, as a file would be: another task,
            reported apart.
        self_ensemble: average over 8 views, as `n2n.ensemble` says.
        blind: also find the noise level and the PSNR to expect, without the clean picture.
    """
    for name, pixels in pictures:
        clean = images.to_tensor(pixels)
        noisy = draw(noise, clean)
        reference = images.file_step(noise.reference(clean))
        shown = images.file_step(noisy)
        given = shown if file_step else noisy
        done = denoiser.run(given, self_ensemble=self_ensemble)
        estimate = images.file_step(done.image)
        yield ImageScore(
            name=name,
            noisy_psnr_db=float(psnr_db(given, reference)),
            psnr_db=float(psnr_db(estimate, reference)),
            ssim=ssim(images.to_uint8(estimate), images.to_uint8(reference)),
            mse=float((estimate - reference).double().square().mean()),
            seconds=done.milliseconds / 1000,
            megapixels=done.megapixels,
            level=noise_level.estimate(denoiser, given) if blind else None,
        )


def summarize(scores: Sequence[ImageScore]) -> Score:
    """Means over a folder, in both conventions of PSNR; of the speed the median.

    The first picture is slower: layers are set up for it, and a GPU wakes.
    """
    if not scores:
        raise ValueError("no picture was scored")
    # Over all pixels of all pictures, so a large one counts for more.
    mse = np.average([s.mse for s in scores], weights=[s.megapixels for s in scores])
    return Score(
        images=len(scores),
        noisy_psnr_db=float(np.mean([score.noisy_psnr_db for score in scores])),
        psnr_db=float(np.mean([score.psnr_db for score in scores])),
        psnr_global_db=float(-10 * np.log10(mse + 1e-8)),
        ssim=float(np.nanmean([score.ssim for score in scores])),
        seconds_per_megapixel=float(np.median([s.seconds / s.megapixels for s in scores])),
        blind=_blind(scores),
    )


def _blind(scores: Sequence[ImageScore]) -> Blind | None:
    found = [(score.level, score.psnr_db) for score in scores if score.level is not None]
    if not found:
        return None
    sigmas = [level.sigma_255 for level, _ in found]
    return Blind(
        sigma_255=float(np.mean(sigmas)),
        spread_255=float(np.std(sigmas)),
        psnr_error_db=float(np.mean([level.expected_psnr_db - true for level, true in found])),
        doubts=sum(level.doubt is not None for level, _ in found),
    )


def draw(noise: Noise, clean: Tensor) -> Tensor:
    """The protocol's noise: KAIR's own draw if it is Gaussian, else keyed by seed 0."""
    if not isinstance(noise, Gaussian):
        return noise(clean, keyed_rng(0, "evaluate"))
    _, channels, height, width = clean.shape
    # A generator of its own with the very stream that `numpy.random.seed(0)` would give.
    stream = np.random.RandomState(0)
    values = stream.normal(0, float(noise.sigma_255) / 255, (height, width, channels))
    return clean + torch.from_numpy(values.transpose(2, 0, 1)[None]).float()


def published(data_set: str, noise: Noise, count: int, pixels: int) -> dict[str, float]:
    """What the literature reports on a data set (its folder's name) at this noise, if anything.

    Nothing unless it is that set: so many photos, of so many pixels each.
    """
    table = PUBLISHED.get(data_set.upper(), {})
    if not isinstance(noise, Gaussian) or noise.sigma_255 not in PUBLISHED_SIGMAS:
        return {}
    if table and (count, pixels) != PUBLISHED_PHOTOS[data_set.upper()]:
        return {}
    column = PUBLISHED_SIGMAS.index(float(noise.sigma_255))
    return {method: values[column] for method, values in table.items()}
