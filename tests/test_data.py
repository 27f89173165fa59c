"""Crops that say where they come from; pairs of independent noise; folders of photos."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n import images
from n2n.data import NoisyPairs, Photos
from n2n.noise import NOISES, LevelRange, Noise, create_noise
from n2n.noise.gaussian import Gaussian
from n2n.noise.sampling import PointSampling
from n2n.randomness import keyed_rng
from tests.tiny import one_thread, photo, refused, z_score  # noqa: F401  a fixture


def map_photo(height: int, width: int, number: int = 0) -> np.ndarray:
    """Every pixel states its row, its column and its photo."""
    y, x = np.mgrid[:height, :width]
    return np.stack([y, x, np.full_like(x, number)], -1).astype(np.uint8)


def pixels(crops: Tensor) -> np.ndarray:
    """Crops as integers (count, side, side, 3)."""
    return torch.round(crops * 255).long().permute(0, 2, 3, 1).numpy()


def symmetries(crop: np.ndarray) -> list[np.ndarray]:
    """A picture's 8 flips and rotations."""
    turned = [np.rot90(crop, turns) for turns in range(4)]
    return turned + [np.flipud(picture) for picture in turned]


def upright(crop: np.ndarray) -> tuple[int, np.ndarray]:
    """Which symmetry puts a crop of a map upright, and the crop then: rows and columns grow."""
    for number, picture in enumerate(symmetries(crop)):
        if (np.diff(picture[:, 0, 0])[:1] > 0).all() and (np.diff(picture[0, :, 1])[:1] > 0).all():
            return number, picture
    raise AssertionError("no symmetry puts this crop upright")


def chi_squared(counts: np.ndarray) -> float:
    """Of counts that should be equal, in standard deviations above what chance gives."""
    expected = counts.sum() / len(counts)
    degrees = len(counts) - 1
    return (((counts - expected) ** 2 / expected).sum() - degrees) / math.sqrt(2 * degrees)


# ---- crops ----


def test_crops_are_windows_of_the_photos() -> None:
    maps = [map_photo(40, 60, 0), map_photo(30, 20, 1), map_photo(16, 16, 2)]
    for crop in pixels(Photos(maps).crops(200, 16, keyed_rng(0))):
        _, window = upright(crop)
        (top, left, number), side = window[0, 0], len(window)
        np.testing.assert_array_equal(
            window, maps[number][top : top + side, left : left + side].astype(int)
        )


def test_crops_are_uniform_over_places_and_symmetries() -> None:
    """A photo of 19×21 has 4×6 places for a crop of 16: all as often, in all 8 symmetries."""
    crops = pixels(Photos([map_photo(19, 21)]).crops(9600, 16, keyed_rng(0)))
    counts = np.zeros((8, 4, 6))
    for crop in crops:
        symmetry, window = upright(crop)
        counts[symmetry, window[0, 0, 0], window[0, 0, 1]] += 1
    assert chi_squared(counts.ravel()) < 4


def test_photos_are_drawn_by_their_area() -> None:
    maps = [map_photo(100, 100, 0), map_photo(50, 20, 1), map_photo(30, 30, 2)]
    drawn = torch.from_numpy(pixels(Photos(maps).crops(4000, 4, keyed_rng(0)))[:, 0, 0, 2])
    for number, area in enumerate([10_000, 1000, 900]):
        assert abs(z_score((drawn == number).float(), area / 11_900)) < 4


@pytest.mark.parametrize("size", [(5, 7), (3, 40), (1, 1), (2, 9), (1, 30)])
def test_small_photos_go_on_as_their_mirror_image(size: tuple[int, int]) -> None:
    source, side = map_photo(*size), 12
    beyond = [(0, max(side - length, 0)) for length in size]
    # numpy cannot mirror one row: there is nothing beside it, so it is repeated.
    modes = ["edge" if length == 1 else "reflect" for length in size]
    mirrored = np.pad(source, (beyond[0], (0, 0), (0, 0)), mode=modes[0])
    mirrored = np.pad(mirrored, ((0, 0), beyond[1], (0, 0)), mode=modes[1]).astype(int)
    windows = [
        mirrored[top : top + side, left : left + side]
        for top in range(mirrored.shape[0] - side + 1)
        for left in range(mirrored.shape[1] - side + 1)
    ]
    known = {picture.tobytes() for window in windows for picture in symmetries(window)}
    for crop in pixels(Photos([source]).crops(50, side, keyed_rng(0))):
        assert np.ascontiguousarray(crop).tobytes() in known


def test_crops_follow_their_key() -> None:
    photos = Photos([photo(60, 50)])
    first, same, other = (photos.crops(4, 16, keyed_rng(key)) for key in (0, 0, 1))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.shape == (4, 3, 16, 16)
    assert first.dtype == torch.float32


def test_grey_photos_have_three_equal_channels() -> None:
    crops = Photos([photo(20, 20)[..., 0]]).crops(2, 8, keyed_rng(0))
    assert torch.equal(crops, crops[:, :1].expand_as(crops))


def test_photos_own_their_pixels() -> None:
    array = photo(20, 20)
    photos = Photos([array])
    before = photos.crops(2, 8, keyed_rng(0))
    array[:] = 0
    assert torch.equal(photos.crops(2, 8, keyed_rng(0)), before)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((8, 9, 4), np.uint8),
        np.zeros((8, 9), np.float32),
        np.zeros((0, 9, 3), np.uint8),
        np.zeros((8,), np.uint8),
    ],
    ids=["rgba", "float", "empty", "flat"],
)
def test_other_arrays_are_no_photos(array: np.ndarray) -> None:
    with refused("uint8 (H, W) or (H, W, 3)", str(array.dtype), str(array.shape)):
        Photos([photo(8, 8), array])


def test_no_photos_are_refused() -> None:
    with refused("at least one photo"):
        Photos([])


# ---- noisy pairs ----

GAUSSIAN, BLIND = Gaussian(25), LevelRange(Gaussian, 0, 55)


def pairs(noise: Noise | LevelRange = GAUSSIAN, **changes: object) -> NoisyPairs:
    settings = {"batch": 16, "crop_px": 32, "seed": 5, "file_step": False, **changes}
    return NoisyPairs(Photos([photo(80, 90)]), noise, **settings)


def clean_of(settings: NoisyPairs, step: int) -> Tensor:
    """The clean crops behind a batch: the pairs are drawn from the key (seed, step)."""
    rng = keyed_rng(settings.seed, step, "crop")
    return settings.photos.crops(settings.batch, settings.crop_px, rng)


@pytest.mark.parametrize("name", NOISES)
def test_sources_lie_in_memory_as_convolutions_want_them(name: str) -> None:
    source, _ = pairs(create_noise(name)).at(0)
    assert source.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("noise", [GAUSSIAN, BLIND], ids=["fixed", "blind"])
def test_batches_depend_on_seed_and_step_alone(noise: Noise | LevelRange) -> None:
    one, other = pairs(noise), pairs(noise, seed=6)
    from_start = list(itertools.islice(one(), 3))
    late = next(one(2))  # as after a resume
    assert all(torch.equal(a, b) for a, b in zip(from_start[2], late, strict=True))
    assert not torch.equal(from_start[0][0], from_start[1][0])
    assert not torch.equal(one.at(0)[0], other.at(0)[0])


def test_source_and_target_are_independent_draws_over_one_crop() -> None:
    one = pairs()
    source, target = one.at(0)
    clean = clean_of(one, 0)
    assert abs(z_score((source - clean) * (target - clean))) < 4
    for noisy in (source, target):
        assert abs(z_score(noisy - clean)) < 4
        assert abs(z_score((noisy - clean).square(), (25 / 255) ** 2)) < 4


def test_clean_targets_are_the_reference() -> None:
    one = pairs(targets="clean")
    assert torch.equal(one.at(3)[1], clean_of(one, 3))
    sampled = pairs(PointSampling(4), targets="clean")
    source, target = sampled.at(0)
    assert torch.equal(target, PointSampling(4).reference(clean_of(sampled, 0)))
    assert source.shape == target.shape == (16, 3, 8, 8)


def test_the_kind_of_target_changes_no_source() -> None:
    assert torch.equal(pairs().at(0)[0], pairs(targets="clean").at(0)[0])


def test_each_image_has_one_level_for_both_views() -> None:
    one = pairs(BLIND, batch=64)
    source, target = one.at(0)
    clean = clean_of(one, 0)
    levels = BLIND.draw(64, keyed_rng(5, 0, "level")).sigma_255.flatten() / 255
    for noisy in (source, target):
        stds = (noisy - clean).flatten(1).std(1)
        # A standard deviation from n numbers has a standard error of σ / √(2n).
        off = (stds - levels).abs() * math.sqrt(2 * 3 * 32**2)
        assert (off <= 4.5 * levels).all()
    assert float(levels.std()) > 0.04


def test_drawn_images_are_flat_or_smooth_and_some_are_white_or_black() -> None:
    drawn = pairs(targets="clean", exposure=1.0, batch=400).at(0)[1].double()
    assert (float(drawn.min()), float(drawn.max())) == (0, 1)
    spread = drawn.flatten(2).std(2)
    assert abs(z_score((spread.amax(1) < 1e-6).double(), 0.5)) < 5  # more than half: clipped ramps
    for pure in (0, 1):
        assert 10 < int((drawn == pure).flatten(1).all(1).sum()) < 100
    pure_channels = ((drawn == 0) | (drawn == 1)).flatten(2).all(2)
    vivid = pure_channels.all(1) & (drawn.amax(1) != drawn.amin(1)).flatten(1).any(1)
    assert 2 < int(vivid.sum()) < 40  # such as pure red
    for axis in (2, 3):
        bend = torch.diff(drawn, n=2, dim=axis)
        inside = ((drawn > 0) & (drawn < 1)).unfold(axis, 3, 1).all(-1)
        assert float(bend[inside].abs().max()) < 1e-5
    some = pairs(targets="clean", exposure=0.25, batch=400).at(0)[1]
    photos = pairs(targets="clean", batch=400).at(0)[1]
    replaced = (some != photos).flatten(1).any(1)
    assert abs(z_score(replaced.double(), 0.25)) < 4


def test_grey_images_have_one_noise_for_all_channels() -> None:
    one = pairs(grey=0.25, batch=400)
    grey = [(view == view[:, :1]).flatten(1).all(1) for view in one.at(0)]
    assert torch.equal(*grey)
    assert abs(z_score(grey[0].double(), 0.25)) < 4
    source, target = (view[grey[0]][:, 0] for view in one.at(0))
    clean = one.photos.crops(400, 32, keyed_rng(5, 0, "crop"))[grey[0]].mean(1)
    products = (source - clean) * (target - clean)  # independent draws of the noise
    assert abs(z_score(products.double())) < 4
    others = [view[~grey[0]] for view in one.at(0)]
    for view, same in zip(others, pairs(batch=400).at(0), strict=True):
        assert torch.equal(view, same[~grey[0]])


def test_frozen_batches_have_their_plain_steps_once() -> None:
    frozen = pairs(frozen=2, plain_steps=3, file_step=True, exposure=0.0, grey=0.0, batch=16)
    plain, filed = frozen.at(2)[0], frozen.at(4)[0]
    assert torch.equal(frozen.at(0)[0], plain)
    assert float(plain.min()) < 0
    clipped = filed.flatten(1).amin(1) >= 0
    assert 0 < int(clipped.sum()) < 16
    assert torch.equal(filed[~clipped], plain[~clipped])


def test_plain_steps_know_photos_under_noise_alone() -> None:
    late = {"exposure": 0.5, "grey": 0.5, "file_step": True}
    one = pairs(plain_steps=2, **late)
    for step, same in [(0, pairs()), (1, pairs()), (2, pairs(**late)), (3, pairs(**late))]:
        for a, b in zip(one.at(step), same.at(step), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one.at(2)[0], pairs().at(2)[0])


def test_frozen_batches_repeat() -> None:
    one = pairs(frozen=3)
    for step, twin in [(0, 3), (2, 8)]:
        for a, b in zip(one.at(step), one.at(twin), strict=True):
            assert torch.equal(a, b)
    assert not torch.equal(one.at(0)[0], one.at(1)[0])
    assert torch.equal(one.at(1)[0], pairs().at(1)[0])


def stepped(batch: Tensor) -> Tensor:
    """Which images of a batch hold 8-bit levels alone."""
    return (images.file_step(batch) == batch).flatten(1).all(1)


@pytest.mark.parametrize("targets", ["noisy", "clean"])
def test_half_of_the_sources_and_no_target_pass_the_file_step(targets: str) -> None:
    """Noisy targets stay unclipped: clipping them would bias what is learnt."""
    plain = pairs(batch=1024, crop_px=8, targets=targets)
    filed = pairs(batch=1024, crop_px=8, targets=targets, file_step=True)
    passed = []
    for step in range(4):
        (raw, raw_target), (source, target) = plain.at(step), filed.at(step)
        assert torch.equal(target, raw_target)
        if targets == "noisy":
            assert not bool(stepped(target).any())
            assert float(target.min()) < 0
            assert float(target.max()) > 1
        through = stepped(source)
        expected = torch.where(through[:, None, None, None], images.file_step(raw), raw)
        assert torch.equal(source, expected)
        passed.append(through.float())
    assert abs(z_score(torch.cat(passed), 0.5)) < 4


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"targets": "other"}, 'targets are "noisy" or "clean", got \'other\''),
        ({"batch": 0}, "at least 1"),
        ({"crop_px": 0}, "at least 1"),
        ({"frozen": 0}, "at least 1"),
    ],
)
def test_impossible_pairs_are_refused(wrong: dict[str, object], message: str) -> None:
    with refused(message):
        pairs(**wrong)
