"""The photos of a training run: built-in ones, or those that a visitor brings."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from n2n.data import hold_out, samples
from n2n.ui.handlers import pictures
from n2n.ui.handlers.pictures import Pixels
from n2n.ui.handlers.shelf import Shelf, swept
from n2n.ui.limits import limits

BUILT_IN, MINE = "Built-in photos", "My photos"
WATCHED = "chelsea"  # of the built-in ones; it is held out of training
THUMBNAIL_PX = 160
MOST_NAMED = 3


@dataclass(frozen=True, eq=False)
class Photo:
    """A picture to train on, at 8 bit: (H, W) or (H, W, 3)."""

    name: str
    pixels: Pixels


@dataclass(frozen=True, eq=False)
class Album:
    """What a visitor brought."""

    photos: tuple[Photo, ...] = ()

    def arrays(self) -> Iterator[Pixels]:
        """All that takes memory."""
        return (photo.pixels for photo in self.photos)

    @property
    def megapixels(self) -> float:
        """All together."""
        return sum(np.prod(photo.pixels.shape[:2]) for photo in self.photos) / 1e6


class Albums(Shelf[Album]):
    """Albums by visitor id."""

    what = "your photos are"


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """What one run trains on, is validated on, and shows; the latter two are never trained on."""

    source: str
    training: tuple[Pixels, ...]
    held_out: tuple[Pixels, ...]
    watched: Pixels
    watched_name: str


@cache
def albums() -> Albums:
    """The albums of this process."""
    return swept(Albums(limits().session_megabytes * 2**20, limits().session_minutes * 60))


def add(visitor: str, paths: Sequence[str | Path]) -> str:
    """Read more photos into a visitor's album; their paths were checked.

    Returns:
        One line that names what was left out, and why; empty where nothing was.
    """
    photos = list((albums().find(visitor) or Album()).photos)
    left_out = []
    for path in paths:
        try:
            photos.append(_read(Path(path), Album(tuple(photos))))
        except ValueError as error:
            left_out.append(str(error))
    albums().put(visitor, Album(tuple(photos)))
    if not left_out:
        return ""
    more = len(left_out) - MOST_NAMED
    named = "; ".join(left_out[:MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
    return f"Left out: {named}."


def read_all(paths: Sequence[Path]) -> list[Photo]:
    """Read photos; their paths were checked.

    Raises:
        ValueError: one cannot be read, or they are too many or too large.
    """
    found: list[Photo] = []
    for path in paths:
        found.append(_read(path, Album(tuple(found))))
    return found


def clear(visitor: str) -> None:
    """Forget a visitor's album."""
    albums().drop(visitor)


def thumbnails(visitor: str, source: str) -> list[tuple[Pixels, str]]:
    """Small pictures with their names, in the order that they are trained on."""
    if source == MINE:
        photos = list((albums().find(visitor) or Album()).photos)
    else:
        names = [name for name in samples.NAMES if name not in samples.VALIDATION]
        photos = [Photo(name, samples.sample(name)) for name in names]
    return [(pictures.shrunk(photo.pixels, THUMBNAIL_PX), photo.name) for photo in photos]


def count(visitor: str, source: str) -> str:
    """How many there are, how large, and what they are for."""
    if source == MINE:
        album = albums().find(visitor) or Album()
        if not album.photos:
            most, megapixels = limits().train_photos, limits().train_megapixels
            return f"None yet. Up to {most} photos, {megapixels:g} megapixels in all."
        return _counted(len(album.photos), album.megapixels, _chosen(visitor, source))
    photos = _chosen(visitor, source)
    everything = (*photos.training, *photos.held_out)
    megapixels = sum(np.prod(photo.shape[:2]) for photo in everything) / 1e6
    return _counted(len(everything), float(megapixels), photos)


def chosen(visitor: str, source: str) -> PhotoSet:
    """The photos of a run.

    Raises:
        ValueError: the visitor brought none, or they are not kept here any more.
    """
    if source == MINE and not (albums().find(visitor) or Album()).photos:
        raise ValueError("add photos to train on first, or take the built-in ones")
    return _chosen(visitor, source)


def photo_set(photos: Sequence[Photo]) -> PhotoSet:
    """Split photos; of a single one nothing can be held out, so a built-in one is watched."""
    if len(photos) < 2:
        _, held_out = samples.training_and_validation()
        shown = samples.sample(WATCHED)
        return PhotoSet(MINE, (photos[0].pixels,), tuple(held_out), shown, WATCHED)
    by_key = {Path(f"{index} {photo.name}"): photo for index, photo in enumerate(photos)}
    train, hold = ([by_key[key] for key in part] for part in hold_out(list(by_key)))
    return PhotoSet(
        MINE,
        tuple(photo.pixels for photo in train),
        tuple(photo.pixels for photo in hold),
        hold[0].pixels,
        hold[0].name,
    )


def _chosen(visitor: str, source: str) -> PhotoSet:
    if source == MINE:
        return photo_set(albums().get(visitor).photos)
    training, held_out = samples.training_and_validation()
    shown = samples.sample(WATCHED)
    return PhotoSet(BUILT_IN, tuple(training), tuple(held_out), shown, WATCHED)


def _counted(number: int, megapixels: float, photos: PhotoSet) -> str:
    kept = number - len(photos.training)
    apart = f"{kept} of them held out to judge by" if kept else "judged by two built-in ones"
    plural = "photo" if number == 1 else "photos"
    return f"{number} {plural}, {megapixels:.3g} megapixels; {apart}."


def _read(path: Path, album: Album) -> Photo:
    bounds = limits()
    if len(album.photos) >= bounds.train_photos:
        raise ValueError(f"{path.name}: more than {bounds.train_photos} photos")
    room = bounds.train_megapixels - album.megapixels
    picture = pictures.read(path, bounds.max_megapixels)
    if np.prod(picture.pixels.shape[:2]) > room * 1e6:
        most = bounds.train_megapixels
        raise ValueError(f"{path.name}: more than {most:g} megapixels in all")
    return Photo(path.name, picture.pixels)
