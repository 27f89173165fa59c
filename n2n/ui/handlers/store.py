"""The pictures of all visitors: bounded in bytes and in time, the oldest dropped first."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy.typing as npt

from n2n.noise import Noise
from n2n.noise_level import NoiseLevel
from n2n.posterior import Moments
from n2n.ui.handlers.pictures import Picture, Pixels
from n2n.ui.handlers.quality import Quality
from n2n.ui.handlers.shelf import Shelf, swept
from n2n.ui.limits import limits


@dataclass(frozen=True, eq=False)
class Result:
    """What a network made of the noisy picture. `after` is the quality of the full estimate."""

    estimate: Pixels
    model: str
    milliseconds: float
    device: str
    notes: tuple[str, ...] = ()
    after: Quality | None = None
    level: NoiseLevel | None = None


Box = tuple[slice, slice]  # rows and columns of a part of a picture


@dataclass(frozen=True, eq=False)
class Drawn:
    """Samples of what a part of the noisy picture, `box`, may have been before noise of this σ.

    `denoised` is f(y) of that part and `moments` those of all samples so far, of which `newest` are
    the last few; `seconds` is what the last one took.
    """

    model: str
    box: Box
    sigma_255: float
    denoised: Pixels
    newest: tuple[Pixels, ...]
    moments: Moments
    seconds: float

    def arrays(self) -> Iterator[npt.NDArray[Any]]:
        """All that takes memory."""
        yield self.denoised
        yield from self.newest
        yield self.moments.mean.numpy()
        yield self.moments.squares.numpy()


@dataclass(frozen=True, eq=False)
class Scene:
    """What one visitor works on.

    `noise` and `reference` are None where the picture came noisy; `seed` names the noise that was
    added. `before` is the quality of `noisy`; `was_denoised` says that the picture was, with
    another noise.
    """

    picture: Picture
    name: str
    noisy: Pixels
    reference: Pixels | None = None
    noise: Noise | None = None
    before: Quality | None = None
    result: Result | None = None
    was_denoised: bool = False
    seed: int = 0
    drawn: Drawn | None = None

    @property
    def megapixels(self) -> float:
        """Of the picture that is denoised."""
        height, width = self.noisy.shape[:2]
        return float(height * width / 1e6)

    def arrays(self) -> Iterator[npt.NDArray[Any]]:
        """All that takes memory."""
        yield self.picture.pixels
        yield self.noisy
        if self.reference is not None:
            yield self.reference
        if self.result is not None:
            yield self.result.estimate
        if self.drawn is not None:
            yield from self.drawn.arrays()


class Store(Shelf[Scene]):
    """Scenes by visitor id."""

    what = "your picture is"

    def update(self, visitor: str, scene: Scene, **parts: Any) -> Scene | None:  # noqa: ANN401
        """Change parts of a scene, whatever became of its others meanwhile.

        None, and nothing is changed, if its noisy picture was replaced.
        """
        kept = self.find(visitor)
        if kept is None or kept.noisy is not scene.noisy:
            return None
        return self.put(visitor, replace(kept, **parts))

    def is_current(self, visitor: str, scene: Scene) -> bool:
        """Whether the visitor still works on this noisy picture. Asking counts as use of it."""
        kept = self.find(visitor)
        return kept is not None and kept.noisy is scene.noisy


@cache
def store() -> Store:
    """The store of this process."""
    return swept(Store(limits().session_megabytes * 2**20, limits().session_minutes * 60))
