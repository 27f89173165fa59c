"""Folders of photos: what is found, read, held out; and the sample photos."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from n2n.data import hold_out, photo_files, read_photos, samples
from tests.tiny import one_thread, photo, refused  # noqa: F401  a fixture

# ---- folders ----


def test_photo_files_are_all_pictures_below_a_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "a.JPG", "sub/c.tiff", "notes.txt", "d.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in photo_files(tmp_path)]
    assert found == ["a.JPG", "b.png", "sub/c.tiff"]


def test_folders_without_photos_are_refused(tmp_path: Path) -> None:
    with refused("holds no PNG, JPEG", "give a folder of photos"):
        photo_files(tmp_path)
    with refused("none is not a folder"):
        photo_files(tmp_path / "none")


def test_unreadable_photos_are_named_and_left_out(tmp_path: Path) -> None:
    Image.fromarray(photo(8, 9)).save(tmp_path / "colour.png")
    Image.fromarray(photo(8, 9)[..., 0]).save(tmp_path / "grey.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    told: list[str] = []
    arrays = read_photos(photo_files(tmp_path), told.append)
    assert [array.shape for array in arrays] == [(8, 9, 3)] * 2
    assert all(array.dtype == np.uint8 for array in arrays)
    np.testing.assert_array_equal(arrays[0], photo(8, 9))
    np.testing.assert_array_equal(arrays[1], np.repeat(photo(8, 9)[..., :1], 3, -1))
    assert len(told) == 1
    assert "broken.png" in told[0]


def names(count: int) -> list[Path]:
    return [Path(f"folder/{number:03}.png") for number in range(count)]


@pytest.mark.parametrize(("count", "expected"), [(2, 1), (5, 1), (30, 3), (239, 24), (500, 24)])
def test_hold_out_splits(count: int, expected: int) -> None:
    training, validation = hold_out(names(count))
    assert len(validation) == expected
    assert sorted(training + validation) == names(count)


def test_hold_out_follows_the_names_alone() -> None:
    files = names(40)
    assert hold_out(files[::-1]) == hold_out(files)
    moved = [Path("elsewhere") / file.name for file in files]
    assert [file.name for file in hold_out(moved)[1]] == [file.name for file in hold_out(files)[1]]


def test_one_file_more_moves_at_most_one_other() -> None:
    files = names(60)
    _, before = hold_out(files[:-1])
    _, after = hold_out(files)
    assert len(set(before) ^ set(after)) <= 2


def test_hold_out_needs_two_photos() -> None:
    with refused("at least two photos"):
        hold_out(names(1))


@pytest.mark.parametrize("name", samples.NAMES)
def test_samples_are_photos(name: str) -> None:
    picture = samples.sample(name)
    assert picture.dtype == np.uint8
    assert picture.shape[2:] in ((3,), ())
    with pytest.raises(ValueError, match="read-only"):
        picture[0] = 0


def test_samples_for_training_and_validation_are_apart() -> None:
    training, validation = samples.training_and_validation()
    assert len(training) + len(validation) == len(samples.NAMES)
    assert {id(picture) for picture in training}.isdisjoint(map(id, validation))
    with refused("unknown sample 'lena'", "chelsea"):
        samples.sample("lena")
