"""The course's data: its files are read with care, and the stand-in is what it says."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n import images
from n2n.__main__ import main
from n2n.data import course
from n2n.data.course import PairBatches, Pairs
from n2n.metrics import psnr_mean_db
from tests.tiny import photo, refused, z_score


def pictures(count: int, seed: int = 0) -> Tensor:
    return torch.from_numpy(
        np.random.default_rng(seed).integers(0, 256, (count, 3, 32, 32), dtype=np.uint8)
    )


# ---- files ----


def test_files_come_back_as_they_were(tmp_path: Path) -> None:
    pairs = Pairs(pictures(3), pictures(3, seed=1))
    course.write_pairs(tmp_path / "deep" / "train_data.pkl", pairs)
    found = course.read_pairs(tmp_path / "deep" / "train_data.pkl")
    assert all(torch.equal(a, b) for a, b in zip(pairs, found, strict=True))
    assert [file.name for file in (tmp_path / "deep").iterdir()] == ["train_data.pkl"]


def test_files_open_as_the_course_opens_them(tmp_path: Path) -> None:
    course.write_pairs(tmp_path / "val_data.pkl", Pairs(pictures(2), pictures(2)))
    noisy, clean = torch.load(tmp_path / "val_data.pkl", weights_only=True)
    assert noisy.shape == clean.shape == (2, 3, 32, 32)
    assert noisy.dtype == torch.uint8


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (pictures(2), "two tensors"),
        ((pictures(2), 3), "two tensors"),
        ((pictures(2), pictures(2), pictures(2)), "two tensors"),
        ((pictures(2).float(), pictures(2).float()), "uint8"),
        ((pictures(2)[0], pictures(2)[0]), "(N, 3, H, W)"),
        ((pictures(2)[:, :1], pictures(2)[:, :1]), "(N, 3, H, W)"),
        ((pictures(0), pictures(0)), "(N, 3, H, W)"),
        ((pictures(2), pictures(3)), "one shape"),
    ],
)
def test_other_contents_are_refused(tmp_path: Path, content: Any, says: str) -> None:  # noqa: ANN401
    torch.save(content, tmp_path / "odd.pkl")
    with refused("odd.pkl", says):
        course.read_pairs(tmp_path / "odd.pkl")


class Bomb:
    """Unpickling this creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_code_in_a_pickle_never_runs(tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps(Bomb(mark)))
    torch.save((Bomb(mark), pictures(1)), tmp_path / "torch.pkl")
    for name in ("plain.pkl", "torch.pkl"):
        with refused(name):
            course.read_pairs(tmp_path / name)
    assert not mark.exists()


def test_missing_and_damaged_files_are_refused(tmp_path: Path) -> None:
    with refused("there is no file"):
        course.read_pairs(tmp_path / "train_data.pkl")
    course.write_pairs(tmp_path / "cut.pkl", Pairs(pictures(9), pictures(9)))
    whole = (tmp_path / "cut.pkl").read_bytes()
    for cut in (b"", whole[: len(whole) // 2], b"not a pickle at all"):
        (tmp_path / "cut.pkl").write_bytes(cut)
        with refused("cut.pkl", "damaged"):
            course.read_pairs(tmp_path / "cut.pkl")


# ---- the stand-in ----


def flips(picture: np.ndarray) -> list[np.ndarray]:
    """(h, w, 3) in its 8 orientations."""
    turned = [np.rot90(picture, turns) for turns in range(4)]
    return turned + [np.flip(view, 0) for view in turned]


def test_clean_is_the_mean_of_blocks_and_noisy_one_of_their_pixels() -> None:
    """On a photo that holds but one window; blocks counted out here once more."""
    whole = np.random.default_rng(0).integers(0, 256, (320, 320, 3), dtype=np.uint8)
    blocks = [
        view.reshape(32, 10, 32, 10, 3).swapaxes(1, 2).reshape(32, 32, 100, 3)
        for view in flips(whole)
    ]
    noisy, clean = course.validation_pairs([whole], 6)
    for seen, mean in zip(noisy.permute(0, 2, 3, 1), clean.permute(0, 2, 3, 1), strict=True):
        errors = [np.abs(view.mean(2) - mean.numpy()).max() for view in blocks]
        assert min(errors) <= 0.5001  # rounding to 8 bit
        view = blocks[int(np.argmin(errors))]
        among = (view == seen.numpy()[:, :, None]).all(-1)  # all channels from the same pixel
        assert bool(among.any(2).all())


def test_two_draws_share_nothing_but_the_picture() -> None:
    flat = np.random.default_rng(0).integers(0, 2, (400, 400, 1), dtype=np.uint8) * 100 + 50
    first, second = course.training_pairs([flat.repeat(3, 2)], 40)
    a, b = (course.unit(part)[:, 0] - 100 / 255 for part in (first, second))
    assert abs(z_score(a)) < 4
    assert abs(z_score(b)) < 4
    assert abs(z_score(a * b)) < 4  # white clean pictures: nothing in common at all
    assert a.std() > 0.15


def test_draws_are_keyed_by_the_seed() -> None:
    photos = [photo(330, 350)]
    one, same, other = (course.training_pairs(photos, 5, seed=seed) for seed in (1, 1, 2))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not torch.equal(one.first, other.first)


def test_smaller_photos_have_smaller_blocks() -> None:
    assert [course.block_px(np.zeros((side, 500, 3))) for side in (320, 900, 319, 100, 31)] == [
        10, 10, 9, 3, 0,
    ]  # fmt: skip
    pairs = course.training_pairs([photo(100, 90), photo(330, 330), photo(40, 500)], 7)
    assert pairs.first.shape == pairs.second.shape == (7, 3, 32, 32)
    with refused("64 px"):
        course.training_pairs([photo(63, 500)], 1)
    with refused("at least one"):
        course.training_pairs([photo(100, 90)], 0)


def test_noise_is_as_strong_as_the_courses() -> None:
    """20.7 dB on the course's own photos; these are two others."""
    noisy, clean = course.validation_pairs(course.photos_for()[1], 60)
    assert 19 < psnr_mean_db(course.unit(noisy), course.unit(clean)) < 25


def test_no_photo_serves_both_parts(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / name).mkdir()
    for index in range(6):
        images.write(tmp_path / "a" / f"{index}.png", photo(70, 80, index))
    images.write(tmp_path / "b" / "other name.png", photo(70, 80, 3))
    training, held_out = course.photos_for([tmp_path / "a"])
    assert len(training) + len(held_out) == 6
    assert not {one.tobytes() for one in training} & {one.tobytes() for one in held_out}
    training, held_out = course.photos_for([tmp_path / "a"], [tmp_path / "b"])
    assert (len(training), len(held_out)) == (5, 1)


def test_copies_alone_are_refused(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        images.write(tmp_path / name, photo(70, 80))
    with refused("among those to validate on"):
        course.photos_for([tmp_path])


def test_command_writes_both_files(tmp_path: Path) -> None:
    out = tmp_path / "course"
    words = ["study", "data", "--out", str(out), "--pairs", "4", "--windows", "3"]
    assert main(words) == 0
    assert course.read_pairs(out / course.TRAINING_FILE).first.shape == (4, 3, 32, 32)
    assert course.read_pairs(out / course.VALIDATION_FILE).second.shape == (3, 3, 32, 32)
    assert main([*words, "--photos", str(tmp_path / "none")]) == 2


# ---- batches ----


def test_an_epoch_sees_every_pair_once() -> None:
    pairs = Pairs(pictures(5), pictures(5, seed=1))
    batches = PairBatches(pairs, batch=2)
    assert batches.per_epoch == 3
    epoch = [batches.at(step) for step in range(3)]
    assert [len(source) for source, _ in epoch] == [2, 2, 1]
    for part, whole in enumerate(pairs):
        seen = torch.cat([batch[part] for batch in epoch]).flatten(1)
        assert sorted(map(tuple, (seen * 255).round().int()[:, :9].tolist())) == sorted(
            map(tuple, whole.flatten(1)[:, :9].tolist())
        )
    assert not torch.equal(epoch[0][0], batches.at(3)[0])  # another order


def test_flips_and_swaps_keep_pairs_together() -> None:
    first = pictures(64)
    batches = PairBatches(Pairs(first, 255 - first), batch=64, flips=True, swap=True)
    source, target = batches.at(0)
    torch.testing.assert_close(source + target, torch.ones_like(source))
    known = {bytes(view.numpy().tobytes()) for view in _mirrored(first)}
    swapped = sum((s * 255).round().byte().numpy().tobytes() not in known for s in source)
    assert 10 < swapped < 54  # half of 64, by six standard deviations


def _mirrored(stack: Tensor) -> list[Tensor]:
    views = [stack, stack.flip(-1), stack.flip(-2), stack.flip(-1, -2)]
    return [one for view in views for one in view.contiguous()]


def test_batches_lie_as_convolutions_are_quick() -> None:
    for picture in PairBatches(Pairs(pictures(4), pictures(4)), batch=2).at(0):
        assert picture.is_contiguous(memory_format=torch.channels_last)


def test_empty_batches_are_refused() -> None:
    with refused("at least 1"):
        PairBatches(Pairs(pictures(2), pictures(2)), batch=0)
    with refused("0 pairs"):
        PairBatches(Pairs(pictures(0), pictures(0)), batch=1)
