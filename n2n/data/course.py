"""The EE-559 course's data: its files, and a stand-in for them, since they cannot be had.

`train_data.pkl` holds two noisy draws of each picture, `val_data.pkl` noisy and clean ones: both a
pair of uint8 tensors (N, 3, 32, 32). The stand-in is point sampling: a window of a photo is cut
into 32 × 32 blocks; clean is a block's mean, noisy one of its pixels.
"""

import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from n2n import images
from n2n.data import samples
from n2n.data.photos import Photos, hold_out, photo_files, read_photos, warn
from n2n.noise.sampling import PointSampling
from n2n.randomness import keyed_rng

TRAINING_FILE, VALIDATION_FILE = "train_data.pkl", "val_data.pkl"
SIDE_PX = 32
BLOCK_PX = 10  # gives the noisy PSNR of the original files, 20.7 dB
SMALLEST_BLOCK_PX = 2  # in a block of one pixel there is no noise
CHUNK = 50  # windows cut at once: 320 px each in float, 60 MB


class Pairs(NamedTuple):
    """Pictures in pairs, uint8 (N, 3, h, w): two noisy draws, or noisy and clean."""

    first: Tensor
    second: Tensor


@dataclass(frozen=True)
class PairBatches:
    """Batches without end of a fixed set of pairs: float (b, 3, h, w) in [0, 1], channels_last.

    Every epoch goes through all pairs once, in an order of its own; the last batch of an epoch may
    be smaller. Step `n` depends on (seed, n) alone.

    Args:
        pairs: uint8, on the device to train on.
        batch: pairs in a batch.
        seed: names the order and the flips.
        flips: mirror each pair, or not, along either axis.
        swap: let either picture of a pair be the source; only for pairs of two noisy draws.
    """

    pairs: Pairs
    batch: int
    seed: int = 0
    flips: bool = False
    swap: bool = False

    def __post_init__(self) -> None:
        """Refuse an empty set and an empty batch."""
        if not len(self.pairs.first) or self.batch < 1:
            raise ValueError(
                f"training needs pairs and a batch of at least 1, got {len(self.pairs.first)} "
                f"pairs and a batch of {self.batch}"
            )

    @property
    def per_epoch(self) -> int:
        """Batches in an epoch."""
        return -(-len(self.pairs.first) // self.batch)

    def at(self, step: int) -> tuple[Tensor, Tensor]:
        """The batch of one step, (source, target)."""
        epoch, place = divmod(step, self.per_epoch)
        order = torch.randperm(len(self.pairs.first), generator=self._rng(epoch, "order"))
        chosen = order[place * self.batch : (place + 1) * self.batch].to(self.pairs.first.device)
        both = torch.stack([pictures[chosen] for pictures in self.pairs])  # (2, b, 3, h, w)
        coin = torch.rand((3, len(chosen)), generator=self._rng(step, "flips")).to(both.device)
        for axis, heads in zip((-1, -2), coin[:2] < 0.5, strict=True):
            if self.flips:
                both = torch.where(heads[:, None, None, None], both.flip(axis), both)
        if self.swap:
            both = torch.where((coin[2] < 0.5)[:, None, None, None], both.flip(0), both)
        return unit(both[0]), unit(both[1])

    def __call__(self, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches from step `start`."""
        while True:
            yield self.at(start)
            start += 1

    def _rng(self, index: int, view: str) -> torch.Generator:
        return keyed_rng(self.seed, index, "pairs", view)


def unit(pictures: Tensor) -> Tensor:
    """Values 0 to 255 as float in [0, 1], (..., 3, h, w), channels_last where there is a batch."""
    scaled = pictures.float() / 255
    if scaled.ndim == 4:
        return scaled.contiguous(memory_format=torch.channels_last)
    return scaled


# ---- files ----


def read_pairs(path: str | Path) -> Pairs:
    """One of the course's files. Nothing but tensors is ever unpickled.

    Raises:
        ValueError: no such file, no pickle of tensors, or tensors of another shape or type.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged or hostile pickle may fail in any way
        raise ValueError(
            f"{path.name} is no file of tensors that torch.save wrote, or is damaged"
        ) from error
    if not (
        isinstance(content, tuple | list)
        and len(content) == 2
        and all(isinstance(part, Tensor) for part in content)
    ):
        raise ValueError(f"{path.name} must hold two tensors, (noisy, noisy) or (noisy, clean)")
    pairs = Pairs(*content)
    for part in pairs:
        if part.dtype != torch.uint8 or part.ndim != 4 or part.shape[1] != 3 or not part.numel():
            raise ValueError(
                f"{path.name} must hold uint8 tensors (N, 3, H, W), got {part.dtype} "
                f"{tuple(part.shape)}"
            )
    if pairs.first.shape != pairs.second.shape:
        raise ValueError(
            f"the two tensors of {path.name} must have one shape, got "
            f"{tuple(pairs.first.shape)} and {tuple(pairs.second.shape)}"
        )
    return pairs


def write_pairs(path: Path, pairs: Pairs) -> None:
    """Write a file of the course's format, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        torch.save(tuple(pairs), temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- the stand-in ----


def training_pairs(photos: Iterable[np.ndarray], count: int, seed: int = 0) -> Pairs:
    """Two noisy draws of each of `count` windows, as in train_data.pkl."""
    return _stand_in(photos, count, seed, clean=False)


def validation_pairs(photos: Iterable[np.ndarray], count: int, seed: int = 0) -> Pairs:
    """Noisy and clean of each of `count` windows, as in val_data.pkl."""
    return _stand_in(photos, count, seed, clean=True)


def photos_for(
    folders: Sequence[Path] | None = None,
    validation: Sequence[Path] | None = None,
    tell: Callable[[str], None] = warn,
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Photos to train on, and others to validate on; none serves both.

    Args:
        folders: None for scikit-image's photos, which are always at hand.
        validation: None to hold out a part of `folders`, by a hash of the names.
        tell: gets a line for each file that cannot be read.
    """
    if folders is None:
        training, held_out = samples.training_and_validation()
    else:
        kept, others = (_files(folders), []) if validation else hold_out(_files(folders))
        training, held_out = read_photos(kept, tell), read_photos(others, tell)
    if validation:
        held_out = read_photos(_files(validation), tell)
    # By what is in them: copies of a photo may go by other names.
    kept_back = {_digest(photo) for photo in held_out}
    left = [photo for photo in training if _digest(photo) not in kept_back]
    if training and not left:
        raise ValueError("all photos to train on are among those to validate on; give others")
    return left, held_out


def _files(folders: Sequence[Path]) -> list[Path]:
    return [file for folder in folders for file in photo_files(folder)]


def _digest(photo: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(photo).tobytes()).digest()


def block_px(photo: np.ndarray) -> int:
    """K for a photo (H, W[, 3]): 10 where a window of 320 px fits, else the largest that fits."""
    return min(BLOCK_PX, int(min(photo.shape[:2])) // SIDE_PX)


def _stand_in(photos: Iterable[np.ndarray], count: int, seed: int, clean: bool) -> Pairs:
    """Windows of all photos, mixed, each photo in proportion to its area."""
    if count < 1:
        raise ValueError(f"ask for at least one pair, got {count}")
    by_block: dict[int, list[np.ndarray]] = defaultdict(list)
    for photo in photos:
        by_block[block_px(photo)].append(photo)
    usable = {block: group for block, group in by_block.items() if block >= SMALLEST_BLOCK_PX}
    if not usable:
        raise ValueError(
            f"point sampling needs photos of at least {SMALLEST_BLOCK_PX * SIDE_PX} px a side"
        )
    areas = [sum(photo.shape[0] * photo.shape[1] for photo in usable[block]) for block in usable]
    # Shares of `count` that add up to it exactly.
    ends = np.rint(np.cumsum(areas) / sum(areas) * count).astype(int)
    parts = [
        chunk
        for (block, group), share in zip(usable.items(), np.diff(ends, prepend=0), strict=True)
        for chunk in _windows(Photos(group), PointSampling(block), int(share), seed, clean)
    ]
    order = torch.randperm(count, generator=keyed_rng(seed, "stand-in", "order"))
    return Pairs(*(torch.cat(pictures)[order] for pictures in zip(*parts, strict=True)))


def _windows(
    photos: Photos, noise: PointSampling, count: int, seed: int, clean: bool
) -> Iterator[tuple[Tensor, Tensor]]:
    """Chunks of pairs with one K."""
    for start in range(0, count, CHUNK):
        key = (seed, "stand-in", noise.block_px, start)
        windows = photos.crops(
            min(CHUNK, count - start), SIDE_PX * noise.block_px, keyed_rng(*key, "window")
        )
        first = noise(windows, keyed_rng(*key, "first"))
        # A draw of its own, as a second exposure would be.
        second = noise.reference(windows) if clean else noise(windows, keyed_rng(*key, "second"))
        yield _bytes(first), _bytes(second)


def _bytes(pictures: Tensor) -> Tensor:
    """Float in [0, 1] as uint8, by the file step."""
    return (images.file_step(pictures) * 255).round().to(torch.uint8)
