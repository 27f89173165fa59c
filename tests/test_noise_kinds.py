"""What is peculiar to one noise: what its docstring promises beyond mean and variance."""

import itertools
import math

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw, ImageFont

from n2n.noise import Noise
from n2n.noise.gaussian import CorrelatedGaussian, Gaussian
from n2n.noise.impulse import MissingPixels, RandomImpulse, SaltAndPepper
from n2n.noise.photon import Poisson, PoissonGaussian
from n2n.noise.sampling import PointSampling
from n2n.noise.speckle import Speckle
from n2n.noise.text import SHEET_PX, TextOverlay, written_sheet
from n2n.noise.uniform import Uniform
from n2n.randomness import keyed_rng
from tests.tiny import one_thread, random_picture, refused, z_score  # noqa: F401  a fixture

NO_NOISE: list[Noise] = [
    Gaussian(0),
    CorrelatedGaussian(0, 2),
    Uniform(0),
    Speckle(0),
    PoissonGaussian(0, 0),
    SaltAndPepper(0),
    RandomImpulse(0),
    MissingPixels(0),
    TextOverlay(0),
    PointSampling(1),
]


@pytest.mark.parametrize("noise", NO_NOISE, ids=repr)
def test_no_noise_is_the_identity(noise: Noise) -> None:
    clean = random_picture(2, 3, 64, 64)
    assert torch.equal(noise(clean, keyed_rng(0)), clean)


def test_poisson_counts_photons() -> None:
    photons = Poisson(7)(random_picture(1, 3, 64, 64), keyed_rng(0)) * 7
    torch.testing.assert_close(photons, photons.round())


@pytest.mark.parametrize("noise", [SaltAndPepper(0.2), MissingPixels(0.2)])
def test_impulses_hit_the_stated_share_of_pixels(noise: Noise) -> None:
    clean = torch.full((2, 3, 128, 128), 0.5)
    noisy = noise(clean, keyed_rng(0))
    assert torch.equal(noisy, noisy[:, :1].expand_as(noisy))  # all channels share their fate
    shares = {0.0: 0.1, 1.0: 0.1} if isinstance(noise, SaltAndPepper) else {0.0: 0.2, 1.0: 0.0}
    for value, share in shares.items():
        hits, pixels = int((noisy[:, 0] == value).sum()), noisy[:, 0].numel()
        assert abs(hits - share * pixels) <= 4 * math.sqrt(pixels * share * (1 - share))
    assert set(noisy.unique().tolist()) <= {0.0, 0.5, 1.0}


def test_impulses_at_certainty() -> None:
    clean = torch.full((1, 3, 32, 32), 0.5)
    assert not MissingPixels(1)(clean, keyed_rng(0)).any()
    assert set(SaltAndPepper(1)(clean, keyed_rng(0)).unique().tolist()) == {0.0, 1.0}


def test_point_sampling_against_a_slow_loop() -> None:
    """A picture whose pixels all differ tells which pixel of each block was taken."""
    k, clean = 3, torch.arange(2 * 3 * 10 * 14).float().reshape(2, 3, 10, 14)
    draw, reference = PointSampling(k)(clean, keyed_rng(0)), PointSampling(k).reference(clean)
    assert draw.shape == reference.shape == (2, 3, 3, 4)  # the ragged border is cut off
    for image in range(2):
        for row in range(3):
            for column in range(4):
                y, x = row * k, column * k
                block = clean[image, :, y : y + k, x : x + k].flatten(1)
                assert torch.equal(reference[image, :, row, column], block.mean(1))
                taken = draw[image, :, row, column]
                # The channels of one and the same pixel.
                assert any(torch.equal(taken, pixel) for pixel in block.unbind(1))


def test_point_sampling_takes_each_pixel_as_often() -> None:
    codes = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 1, 64, 64)
    counts = PointSampling(4)(codes, keyed_rng(0)).long().flatten().bincount(minlength=16)
    expected = 64 * 64 / 16
    chi_squared = float(((counts - expected) ** 2 / expected).sum())
    assert chi_squared < 15 + 4 * math.sqrt(2 * 15)  # 15 degrees of freedom


def test_point_sampling_needs_a_whole_block() -> None:
    with refused("31×37 px has no whole block of 40×40 px; choose a smaller K"):
        PointSampling(40).reference(torch.zeros(1, 3, 37, 31))


def test_point_sampling_takes_whole_numbers_alone() -> None:
    assert type(PointSampling(10.0).block_px) is int
    with refused("whole number"):
        PointSampling(2.5)


# ---- uniform and speckle ----


def test_uniform_noise_fills_its_width_evenly() -> None:
    error = Uniform(51)(torch.zeros(1, 3, 128, 128), keyed_rng(0)) * 255
    assert 50.9 < float(error.max()) <= 51
    assert -51 <= float(error.min()) < -50.9
    counts = torch.histc(error, bins=16, min=-51, max=51)
    expected = error.numel() / 16
    assert float(((counts - expected) ** 2 / expected).sum()) < 15 + 4 * math.sqrt(2 * 15)


def test_speckle_leaves_black_alone_and_scales_with_the_light() -> None:
    clean = random_picture(1, 3, 64, 64)
    clean[..., :8] = 0
    noisy, brighter = (Speckle(0.5)(scale * clean, keyed_rng(0)) for scale in (1, 2))
    assert not noisy[..., :8].any()
    torch.testing.assert_close(brighter, 2 * noisy)


# ---- blurred grain ----


@pytest.mark.parametrize("blur_px", [0.5, 1.0, 2.5])
def test_grain_is_correlated_as_theory_says(blur_px: float) -> None:
    """The covariance at a distance d is σ²·exp(-d² / 4b²): a Gaussian blur met with itself."""
    grain = CorrelatedGaussian(255, blur_px)(torch.zeros(256, 1, 48, 48), keyed_rng(0))[:, 0]
    for down, right in itertools.product((0, 1, 2, 4), repeat=2):
        here, there = grain[:, down:, right:], grain[:, : 48 - down, : 48 - right]
        expected = math.exp(-(down**2 + right**2) / (4 * blur_px**2))
        if blur_px < 1:  # so narrow a Gaussian is no longer the samples of one: sum them up
            expected = sampled(blur_px, down) * sampled(blur_px, right)
        assert abs(z_score((here * there).flatten(1).mean(1), expected)) < 4, (down, right)


def sampled(blur_px: float, shift: int) -> float:
    """The correlation of a Gaussian taken at whole pixels with itself, by direct sums."""
    kernel = np.exp(-(np.arange(-40.0, 41) ** 2) / (2 * blur_px**2))
    return float((kernel[shift:] * kernel[: 81 - shift]).sum() / (kernel**2).sum())


def test_grain_is_as_strong_at_the_border() -> None:
    grain = CorrelatedGaussian(255, 3)(torch.zeros(512, 1, 12, 12), keyed_rng(0))
    for part in (grain[..., 0, 0], grain[..., -1, 5], grain[..., 6, 6]):
        assert abs(z_score(part.square(), 1)) < 4


def test_grain_without_blur_is_white() -> None:
    clean = random_picture(2, 3, 24, 24)
    white, grain = (
        noise(clean, keyed_rng(0)) for noise in (Gaussian(25), CorrelatedGaussian(25, 0))
    )
    torch.testing.assert_close(grain, white)


# ---- random colours ----


def test_random_impulses_take_any_colour() -> None:
    clean = torch.full((2, 3, 128, 128), 2.0)  # which no impulse can be
    noisy = RandomImpulse(0.25)(clean, keyed_rng(0))
    hit = noisy != 2
    assert torch.equal(hit, hit[:, :1].expand_as(hit))  # all channels share their fate
    pixels, share = hit[:, 0].numel(), float(hit[:, 0].double().mean())
    assert abs(share - 0.25) < 4 * math.sqrt(0.25 * 0.75 / pixels)
    colours = noisy.movedim(1, -1)[hit[:, 0]]
    assert 0 <= float(colours.min()) < 0.01
    assert 0.99 < float(colours.max()) <= 1
    for one, other in itertools.combinations_with_replacement(range(3), 2):
        expected = 1 / 3 if one == other else 1 / 4  # the channels are independent
        assert abs(z_score(colours[:, one] * colours[:, other], expected)) < 4


def test_certain_impulses_leave_nothing() -> None:
    assert not (RandomImpulse(1)(torch.full((1, 3, 32, 32), 2.0), keyed_rng(0)) == 2).any()


# ---- text ----

WHOLE = torch.full((1, 3, SHEET_PX, SHEET_PX), 2.0)  # a colour that no text has


@pytest.mark.parametrize("share", [0.01, 0.1, 0.25, 0.5])
def test_text_covers_the_stated_share(share: float) -> None:
    """Of a picture as large as the sheet exactly, but for the last string."""
    covered = TextOverlay(share)(WHOLE, keyed_rng(0)) != 2
    assert torch.equal(covered, covered[:, :1].expand_as(covered))
    assert share <= float(covered.double().mean()) < share + 0.003


def test_more_text_is_written_over_what_is_there() -> None:
    little, much = (TextOverlay(share)(WHOLE, keyed_rng(0)) for share in (0.1, 0.3))
    written = little != 2
    assert torch.equal(much[written], little[written])


def test_a_string_has_one_colour_and_two_draws_have_other_colours() -> None:
    part = WHOLE[..., :200, :300]
    one, two = (TextOverlay(0.1)(part, keyed_rng(i))[0].flatten(1).unique(dim=1) for i in range(2))
    assert 5 < one.shape[1] < 50  # of 6000 covered pixels
    shared = set(map(tuple, one.T.tolist())) & set(map(tuple, two.T.tolist()))
    assert shared == {(2.0, 2.0, 2.0)}


def test_the_same_generator_writes_the_same_text_in_any_process() -> None:
    """The sheet depends on nothing but its key."""
    sheet = written_sheet(torch.device("cpu"))
    again = written_sheet.__wrapped__(torch.device("cpu"))
    assert torch.equal(sheet.owner, again.owner)
    assert torch.equal(sheet.covered_before, again.covered_before)


def test_text_is_letters() -> None:
    """The first string of the sheet, which nothing covers, as Pillow's drawing has it."""
    owner = written_sheet(torch.device("cpu")).owner == 0
    rows, columns = owner.any(1).nonzero()[:, 0], owner.any(0).nonzero()[:, 0]
    assert len(rows) == rows.max() - rows.min() + 1, "the first string crosses no edge"
    found = owner[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1].numpy()
    drawn = Image.new("L", (200, 40))
    ImageDraw.Draw(drawn).text((5, 5), "61KXLeO", 255, ImageFont.load_default(10))
    drawn = drawn.point(lambda value: value > 127 and 255)
    np.testing.assert_array_equal(found, np.asarray(drawn.crop(drawn.getbbox())) == 255)


def test_the_edges_of_the_sheet_meet() -> None:
    """A picture of twice its size shows every string whole: the sheet beside itself."""
    noisy = TextOverlay(0.2)(torch.full((1, 1, 2 * SHEET_PX, SHEET_PX + 50), 2.0), keyed_rng(0))
    assert torch.equal(noisy[..., :SHEET_PX, :], noisy[..., SHEET_PX:, :])
    assert torch.equal(noisy[..., :50], noisy[..., SHEET_PX:])
