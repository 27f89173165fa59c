"""Photos as one packed array, from which a batch of crops is a single gather on the device."""

import hashlib
import logging
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from n2n import images

# To standard error, unless whoever uses the package decides otherwise.
warn = logging.getLogger(__name__).warning

PHOTO_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff"})


class Photos:
    """Clean photos of any sizes, packed as uint8 (pixels, 3) on a device.

    Crops are read by index arithmetic, so that flips, rotations and crops cost one gather in static
    shapes on a CPU or a GPU. A photo is drawn in proportion to its area.
    """

    def __init__(self, arrays: Iterable[np.ndarray], device: torch.device | str = "cpu") -> None:
        """`arrays`: uint8 (H, W) or (H, W, 3).

        Raises:
            ValueError: an array of another kind, or none at all.
        """
        flat: list[Tensor] = []
        sizes: list[tuple[int, int]] = []
        for array in arrays:
            colour = _colour(array)
            flat.append(torch.tensor(np.ascontiguousarray(colour).reshape(-1, 3)))
            sizes.append(colour.shape[:2])
        if not flat:
            raise ValueError("training needs at least one photo, got none")
        self.pixels = torch.cat(flat).to(device)
        self.sizes = torch.tensor(sizes, device=device)  # (N, 2): height, width
        areas = self.sizes.prod(1)
        self.starts = areas.cumsum(0) - areas

    @property
    def device(self) -> torch.device:
        """Where the pixels lie."""
        return self.pixels.device

    @property
    def _precise(self) -> torch.dtype:
        """For positions among many megapixels; Apple's GPUs have no double precision."""
        return torch.float32 if self.device.type == "mps" else torch.float64

    def __len__(self) -> int:
        """How many photos."""
        return len(self.sizes)

    def crops(self, count: int, side: int, rng: torch.Generator) -> Tensor:
        """Random crops, flipped and rotated: float (count, 3, side, side) in [0, 1].

        Rotations are by quarter turns. A photo smaller than the crop is continued by its mirror
        image. channels_last in memory.
        """
        uniform = torch.rand((6, count), generator=rng, device=self.device, dtype=self._precise)
        areas = self.sizes.prod(1).to(self._precise)
        photo = torch.searchsorted(areas.cumsum(0) / areas.sum(), uniform[0].clamp_max(1 - 1e-9))
        height, width = self.sizes[photo].unbind(1)
        ramp = torch.arange(side, device=self.device)
        rows = _axis(ramp, height, uniform[1], uniform[2])
        columns = _axis(ramp, width, uniform[3], uniform[4])
        swap = (uniform[5] < 0.5)[:, None, None]
        y = torch.where(swap, rows[:, None, :], rows[:, :, None])
        x = torch.where(swap, columns[:, :, None], columns[:, None, :])
        index = self.starts[photo][:, None, None] + y * width[:, None, None] + x
        return (self.pixels[index].float() / 255).permute(0, 3, 1, 2)


def _colour(array: np.ndarray) -> np.ndarray:
    """(H, W[, 3]) as (H, W, 3)."""
    colour = np.repeat(array[..., None], 3, -1) if array.ndim == 2 else array
    if colour.ndim != 3 or colour.shape[2] != 3 or colour.dtype != np.uint8 or not colour.size:
        raise ValueError(f"photos are uint8 (H, W) or (H, W, 3), got {array.dtype} {array.shape}")
    return colour


def _axis(ramp: Tensor, length: Tensor, where: Tensor, flip: Tensor) -> Tensor:
    """Coordinates (count, side) of one axis of each crop: from a random start, maybe backwards."""
    side = len(ramp)
    room = (length - side).clamp_min(0) + 1
    start = (where * room).long()
    forwards = start[:, None] + ramp
    # Mirror at the far border where the photo ends before the crop: 0 1 2 | 1 0 1 2 …
    period = (2 * length - 2).clamp_min(1)[:, None]
    folded = forwards % period
    mirrored = torch.minimum(folded, period - folded).clamp_max((length - 1)[:, None])
    return torch.where((flip < 0.5)[:, None], mirrored.flip(1), mirrored)


def photo_files(folder: str | Path) -> list[Path]:
    """All pictures below a folder, sorted by path, so that a seed means the same everywhere."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; give a folder of photos")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in PHOTO_SUFFIXES)
    if not files:
        raise ValueError(
            f"{folder} holds no PNG, JPEG, WebP, GIF, BMP or TIFF; give a folder of photos"
        )
    return files


def read_photos(files: Sequence[Path], tell: Callable[[str], None] = warn) -> list[np.ndarray]:
    """Read photos as uint8 (H, W, 3); what cannot be read is named to `tell` and left out."""
    arrays = []
    for file in files:
        try:
            pixels = images.read(file).pixels
        except ValueError as error:
            tell(f"left out: {error}")
            continue
        arrays.append(images.to_uint8(images.to_tensor(pixels)))
    return arrays


def hold_out(
    files: Sequence[Path], share: float = 0.1, most: int = 24
) -> tuple[list[Path], list[Path]]:
    """Split files, by a hash of their names, into those to train on and those to validate on.

    When one file comes or goes, at most one other changes its side.
    """
    if len(files) < 2:
        raise ValueError("validation needs photos of its own: give at least two photos")
    ranked = sorted(files, key=lambda file: hashlib.blake2b(file.name.encode()).digest())
    count = min(most, max(1, round(share * len(files))))
    return sorted(ranked[count:]), sorted(ranked[:count])
