"""Photos to train on: built in or brought, within limits, some of them never trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from n2n import images
from n2n.data import samples
from n2n.ui.handlers import photos
from n2n.ui.handlers.photos import BUILT_IN, MINE, Photo, photo_set
from n2n.ui.limits import Limits
from tests.tiny import photo
from tests.ui.visitor import VISITOR


@pytest.fixture(autouse=True)
def _forget() -> None:
    photos.clear(VISITOR)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"photo {index}.png" for index in range(5)]
    for index, path in enumerate(paths):
        images.write(path, photo(40, 50, index))
    return paths


def limited(monkeypatch: pytest.MonkeyPatch, **bounds: float) -> None:
    monkeypatch.setattr(photos, "limits", lambda: Limits(**bounds))


def test_the_watched_photo_is_never_trained_on() -> None:
    built_in = photos.chosen(VISITOR, BUILT_IN)
    assert built_in.watched is samples.sample("chelsea")
    brought = photo_set([Photo(f"{index}", photo(8, 9, index)) for index in range(25)])
    assert len(brought.training) + len(brought.held_out) == 25
    for found in (built_in, brought):
        assert any(found.watched is one for one in found.held_out)
        for apart in found.held_out:
            assert not any(np.array_equal(apart, one) for one in found.training)


def test_photos_of_one_name_are_two_photos() -> None:
    found = photo_set([Photo("a.png", photo(8, 9, index)) for index in range(4)])
    assert len(found.training) + len(found.held_out) == 4


def test_a_single_photo_is_trained_on_and_chelsea_watched() -> None:
    found = photo_set([Photo("a.png", photo(8, 9))])
    assert len(found.training) == 1
    assert found.watched_name == "chelsea"


def test_photos_add_up_and_can_be_removed(files: list[Path]) -> None:
    assert photos.add(VISITOR, files[:2]) == ""
    assert photos.add(VISITOR, files[2:]) == ""
    assert [name for _, name in photos.thumbnails(VISITOR, MINE)] == [f.name for f in files]
    assert photos.count(VISITOR, MINE).startswith("5 photos, 0.01 megapixels; 1 of them held out")
    assert photos.thumbnails("another", MINE) == []
    photos.clear(VISITOR)
    with pytest.raises(ValueError, match="add photos"):
        photos.chosen(VISITOR, MINE)


def test_broken_ones_are_named_and_left_out(files: list[Path]) -> None:
    files[1].write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    files[3].write_bytes(b"no picture")
    said = photos.add(VISITOR, files)
    assert "\n" not in said
    assert "photo 1.png" in said
    assert "photo 3.png" in said
    assert len(photos.thumbnails(VISITOR, MINE)) == 3


def test_many_broken_ones_make_a_short_line(tmp_path: Path) -> None:
    paths = [tmp_path / f"{index}.png" for index in range(50)]
    for path in paths:
        path.write_bytes(b"no picture")
    said = photos.add(VISITOR, paths)
    assert said.endswith("and 47 more.")


def test_no_more_photos_than_allowed(files: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    limited(monkeypatch, train_photos=3)
    assert "more than 3 photos" in photos.add(VISITOR, files)
    assert len(photos.thumbnails(VISITOR, MINE)) == 3


def test_no_more_megapixels_than_allowed(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, train_megapixels=0.005)
    assert "more than 0.005 megapixels in all" in photos.add(VISITOR, files)
    assert len(photos.thumbnails(VISITOR, MINE)) == 2


def test_a_photo_that_is_too_large_is_left_out(
    files: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(monkeypatch, max_megapixels=0.001)
    assert "megapixels" in photos.add(VISITOR, files[:1])


def test_16_bit_and_grey_photos_are_taken(tmp_path: Path) -> None:
    images.write(tmp_path / "deep.png", np.full((9, 8, 3), 30000, np.uint16))
    images.write(tmp_path / "grey.png", photo(9, 8)[..., 0])
    assert photos.add(VISITOR, sorted(tmp_path.iterdir())) == ""
    found = photos.chosen(VISITOR, MINE)
    assert {one.dtype for one in (*found.training, *found.held_out)} == {np.dtype(np.uint8)}
