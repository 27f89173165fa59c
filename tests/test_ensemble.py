"""The mean over eight views of a picture, and that less depends on how the picture lies."""

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n.denoiser import Denoiser, load
from n2n.ensemble import averaged
from n2n.models import ModelSpec
from tests.tiny import CPU, estimate, pixels, random_picture, randomize

SHIFTS = [(0, 0), (1, 4), (2, 2), (3, 6), (4, 1), (5, 5), (6, 3), (7, 7)]


@pytest.fixture(name="small")
def small_denoiser() -> Denoiser:
    spec = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})
    return Denoiser(randomize(spec.build()), spec, CPU, "small")


@pytest.mark.parametrize("margin", [0, 4])
def test_self_ensemble_is_the_mean_of_eight_views(small: Denoiser, margin: int) -> None:
    """Flipped and rotated; shifted, too, where the network sees a mirrored border."""
    small.margin = margin
    noisy = pixels(22, 32, 3, dtype=np.float32)
    period = small.stride if margin else 0
    around = margin + period
    seen = np.pad(noisy, ((around, around + 2), (around, around), (0, 0)), mode="reflect")
    rows, columns = seen.shape[0] - period, seen.shape[1] - period
    views = []
    for index, shift in enumerate(SHIFTS):
        top, left = (by % period if period else 0 for by in shift)
        view = np.rot90(seen[top : top + rows, left : left + columns], index // 2)
        if index % 2:
            view = np.rot90(estimate(small, view[:, ::-1])[:, ::-1], -(index // 2))
        else:
            view = np.rot90(estimate(small, view), -(index // 2))
        views.append(view[around - top :, around - left :][:22, :32])
    assert np.ptp(views, axis=0).max() > 0.01  # the views differ: the mean is one
    expected = np.mean(views, axis=0)
    np.testing.assert_allclose(small(noisy, self_ensemble=True), expected, atol=1e-5)


CHANGES = {
    "flipped": lambda image: image.flip(-1),
    "upside down": lambda image: image.flip(-2),
    "turned": lambda image: torch.rot90(image, 1, (-2, -1)),
    "moved": lambda image: image.roll((1, 2), (-2, -1)),
}


def unlike(denoise: Denoiser, change: Callable[[Tensor], Tensor], **options: bool) -> float:
    """How far the estimate of a changed picture is from the changed estimate, amid the picture."""
    noisy = random_picture(1, 3, 96, 96)
    off = denoise(change(noisy), **options) - change(denoise(noisy, **options))
    return float(off[..., 32:-32, 32:-32].square().mean().sqrt())


@pytest.mark.parametrize(("name", "way"), [*(("fast", way) for way in CHANGES), ("best", "moved")])
def test_self_ensemble_depends_less_on_how_a_picture_lies(name: str, way: str) -> None:
    """`best`, whose kernels are tied, knows flips and turns by itself."""
    denoise = load(name, device="cpu", dtype="fp32")
    alone = unlike(denoise, CHANGES[way])
    assert alone > 0.3 / 255
    assert unlike(denoise, CHANGES[way], self_ensemble=True) < 0.5 * alone


@pytest.mark.parametrize("change", list(CHANGES.values())[:3], ids=list(CHANGES)[:3])
def test_without_a_margin_it_commutes_with_flips_and_turns(
    small: Denoiser, change: Callable[[Tensor], Tensor]
) -> None:
    small.margin = 0
    noisy = random_picture(1, 3, 24, 32)
    result = small(noisy, self_ensemble=True)
    changed = small(change(noisy), self_ensemble=True)
    torch.testing.assert_close(changed, change(result), atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("axis", [-1, -2])
@torch.inference_mode()
def test_no_view_sees_beyond_the_halo_of_its_tile(small: Denoiser, axis: int) -> None:
    """Far pixels move a result by less than rounding; but not a number would show from anywhere."""
    stride = small.stride
    halo = math.ceil((small.radius + stride) / stride) * stride
    start = halo + 2 * stride
    strip = torch.full((1, 3, 4 * stride, 2 * start + stride), math.nan, dtype=torch.float64)
    strip[..., start - halo : start + stride + halo] = 0.5
    strip = strip if axis == -1 else strip.transpose(-1, -2)
    seen = averaged(small.model.double(), strip, stride)
    cell = seen[..., stride:-stride, stride:-stride].narrow(axis, start - stride, stride)
    assert bool(cell.isfinite().all())
    assert bool(seen.isnan().any())
