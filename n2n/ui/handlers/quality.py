"""PSNR and SSIM of pictures of any size, on the very 8-bit arrays that a visitor can download."""

import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from n2n import images, metrics
from n2n.ui.handlers.pictures import Pixels, bands

SSIM_HALO = 5  # the window of 11 px looks 5 px to each side
ROWS = 128
AT_ONCE = 2  # bands of which SSIM is taken at once


@dataclass(frozen=True)
class Quality:
    """How close a picture is to its reference; `ssim` is None where it was not computed."""

    psnr_db: float
    ssim: float | None = None


def quality(picture: Pixels, reference: Pixels, with_ssim: bool = True) -> Quality:
    """PSNR (8 bit against 8 bit, over all pixels and channels) and SSIM.

    Raises:
        ValueError: the pictures differ in size, or one is grey and the other in colour.
    """
    if picture.shape != reference.shape:
        raise ValueError(
            f"the pictures must have one size, got {_size(picture)} and {_size(reference)}"
        )
    return Quality(psnr_db(picture, reference), ssim(picture, reference) if with_ssim else None)


def psnr_db(picture: Pixels, reference: Pixels) -> float:
    """`metrics.psnr_db` of the whole, from the mean squared errors of its bands."""
    error = 0.0
    for rows in bands(len(picture), ROWS):
        pair = images.to_tensor(picture[rows]), images.to_tensor(reference[rows])
        share = (rows.stop - rows.start) / len(picture)
        error += share * 10 ** (-float(metrics.psnr_db(*pair)) / 10)
    return -10 * math.log10(error) if error > 0 else math.inf


def ssim(picture: Pixels, reference: Pixels) -> float:
    """`metrics.ssim` of the whole, from bands that overlap by what its window looks beyond them."""
    rows_inside = len(picture) - 2 * SSIM_HALO
    if rows_inside < 1:
        return metrics.ssim(picture, reference)

    def share(rows: slice) -> float:
        window = slice(rows.start, rows.stop + 2 * SSIM_HALO)
        part: float = (rows.stop - rows.start) / rows_inside
        return part * metrics.ssim(picture[window], reference[window])

    with ThreadPoolExecutor(AT_ONCE) as pool:  # NumPy and SciPy let each other run
        return math.fsum(pool.map(share, bands(rows_inside, ROWS)))


def _size(picture: Pixels) -> str:
    height, width = picture.shape[:2]
    return f"{width} × {height} px {'grey' if picture.ndim == 2 else 'colour'}"
