"""From photos to (source, target) batches on the device."""

from n2n.data.pairs import NoisyPairs
from n2n.data.photos import Photos, hold_out, photo_files, read_photos

__all__ = ["NoisyPairs", "Photos", "hold_out", "photo_files", "read_photos"]
