"""Where the studies' pictures come from: the course's files, photos, or what is always at hand."""

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from shlex import quote

import numpy as np

from n2n.data import course
from n2n.data.course import Pairs

HELD_OUT = "a part held out"
COURSE = re.compile(r"files of the course's format in ([^;]+)")
PHOTOS = re.compile(r"photos of (.+), validation: ([^;]+)")


class Source:
    """Pairs to train on, windows to validate on, and the photos behind them.

    Args:
        folder: one that holds the course's two files, or photos; None for scikit-image's photos.
        validation: other photos to validate on, where `folder` holds photos.

    Raises:
        ValueError: photos to validate on, and none to train on.
    """

    def __init__(self, folder: Path | None = None, validation: Path | None = None) -> None:
        self.folder, self._validation = folder, validation
        self._is_course = folder is not None and (folder / course.TRAINING_FILE).is_file()
        self._kept: dict[tuple[str, int], Pairs] = {}
        if validation is not None and (folder is None or self._is_course):
            raise ValueError(
                f"--validation {validation.name} goes with a folder of photos in --data; "
                "the course's files and the sample photos have their own"
            )

    @property
    def label(self) -> str:
        """In words, for the record of what is not cut anew."""
        if self.folder is None:
            return "scikit-image's sample photos"
        if self._is_course:
            return f"files of the course's format in {_name(self.folder)}"
        others = HELD_OUT if self._validation is None else _name(self._validation)
        return f"photos of {_name(self.folder)}, validation: {others}"

    @property
    def photo_folders(self) -> list[str]:
        """The names of the folders of photos: one, or none."""
        return [] if self.folder is None or self._is_course else [_name(self.folder)]

    @cached_property
    def digest(self) -> str:
        """Of its first pictures: folders of one name may hold others."""
        if self._is_course:
            assert self.folder is not None
            with (self.folder / course.TRAINING_FILE).open("rb") as file:
                first = file.read(2**16)  # bytes: some twenty pictures, and what comes before them
        else:
            first = self.photos[0][0].tobytes()
        return hashlib.blake2b(first, digest_size=4).hexdigest()

    @property
    def label_of_cuts(self) -> str:
        """In words, for the record of new windows at every step."""
        cuts = "; the windows are cut from scikit-image's sample photos" if self._is_course else ""
        return self.label + cuts

    def pairs(self, count: int) -> Pairs:
        """Two noisy draws each of `count` pictures.

        Raises:
            ValueError: the course's file holds fewer.
        """
        if self._is_course:
            return _first(self._file(course.TRAINING_FILE), count, course.TRAINING_FILE)
        return self._once("pairs", count, self.photos[0])

    def windows(self, count: int) -> Pairs:
        """Noisy and clean, `count` held-out pictures, or all that the course's file has."""
        if self._is_course:
            whole = self._file(course.VALIDATION_FILE)
            return Pairs(*(part[:count] for part in whole))
        return self._once("windows", count, self.photos[1])

    @cached_property
    def photos(self) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """To train on, and held out; scikit-image's where the folder holds the course's files."""
        if self.folder is None or self._is_course:
            return course.photos_for()
        return course.photos_for([self.folder], [self._validation] if self._validation else None)

    def _once(self, kind: str, count: int, photos: Sequence[np.ndarray]) -> Pairs:
        """Drawn when first asked for, then kept."""
        if (kind, count) not in self._kept:
            draw = course.training_pairs if kind == "pairs" else course.validation_pairs
            self._kept[kind, count] = draw(photos, count)
        return self._kept[kind, count]

    def _file(self, name: str) -> Pairs:
        if (name, 0) not in self._kept:
            assert self.folder is not None
            self._kept[name, 0] = course.read_pairs(self.folder / name)
        return self._kept[name, 0]


def _name(folder: Path) -> str:
    """Of "." too."""
    return folder.resolve().name


def options(label: str) -> str:
    """The command line's words for the source that a record tells of, or nothing."""
    if found := COURSE.match(label):
        return f" --data {quote(found[1])}"
    if found := PHOTOS.match(label):
        validation = "" if found[2] == HELD_OUT else f" --validation {quote(found[2])}"
        return f" --data {quote(found[1])}{validation}"
    return ""


def _first(pairs: Pairs, count: int, name: str) -> Pairs:
    if len(pairs.first) < count:
        raise ValueError(
            f"the study needs {count} pairs, {name} holds {len(pairs.first)}; write more with "
            "`study data --pairs`"
        )
    return Pairs(*(part[:count] for part in pairs))
