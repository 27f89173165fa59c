"""scikit-image's own sample photos: always at hand, no download.

No shipped weights were trained on them.
"""

from collections.abc import Callable
from functools import cache

import numpy as np
from skimage import data

# The eight of scikit-image's photos that lie in its wheel, in colour, and are no mere test pattern.
_LOADERS: dict[str, Callable[[], np.ndarray]] = {
    "astronaut": data.astronaut,
    "coffee": data.coffee,
    "chelsea": data.chelsea,
    "rocket": data.rocket,
    "hubble": data.hubble_deep_field,
    "tissue": data.immunohistochemistry,
    "retina": data.retina,
    "camera": data.camera,
}
# Held out of training on the built-in photos: a cat and a cup, for validation.
VALIDATION = ("chelsea", "coffee")
NAMES = tuple(_LOADERS)


@cache
def sample(name: str) -> np.ndarray:
    """A sample photo: uint8 (H, W, 3), or (H, W) for `camera`. Do not write into it."""
    if name not in _LOADERS:
        raise ValueError(f"unknown sample {name!r}; choose one of {', '.join(_LOADERS)}")
    photo: np.ndarray = _LOADERS[name]()
    photo.setflags(write=False)
    return photo


def training_and_validation() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The built-in photos, those for training and those held out."""
    training = [sample(name) for name in NAMES if name not in VALIDATION]
    return training, [sample(name) for name in VALIDATION]
