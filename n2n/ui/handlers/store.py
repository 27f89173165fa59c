"""The pictures of all visitors: bounded in bytes and in time, the oldest dropped first."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache

from n2n.noise import Noise
from n2n.noise_level import NoiseLevel
from n2n.ui.handlers.pictures import Picture, Pixels
from n2n.ui.handlers.quality import Quality
from n2n.ui.limits import limits

SWEEP_EVERY_S = 60


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


@dataclass(frozen=True, eq=False)
class Scene:
    """What one visitor works on.

    `noise` and `reference` are None where the picture came noisy. `before` is the quality of
    `noisy`; `was_denoised` says that the picture was, with another noise.
    """

    picture: Picture
    name: str
    noisy: Pixels
    reference: Pixels | None = None
    noise: Noise | None = None
    before: Quality | None = None
    result: Result | None = None
    was_denoised: bool = False

    @property
    def megapixels(self) -> float:
        """Of the picture that is denoised."""
        height, width = self.noisy.shape[:2]
        return float(height * width / 1e6)

    def arrays(self) -> Iterator[Pixels]:
        """All that takes memory."""
        yield self.picture.pixels
        yield self.noisy
        if self.reference is not None:
            yield self.reference
        if self.result is not None:
            yield self.result.estimate


class Store:
    """Scenes by visitor id. An id is a secret of one page; scenes are never shared."""

    def __init__(
        self, max_bytes: float, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes, self._seconds, self._clock = max_bytes, seconds, clock
        self._scenes: OrderedDict[str, tuple[Scene, float]] = OrderedDict()  # oldest use first
        self._lock = threading.Lock()

    def get(self, visitor: str) -> Scene:
        """The visitor's scene.

        Raises:
            ValueError: there is none, or it was dropped.
        """
        with self._lock:
            self._drop_stale()
            if visitor not in self._scenes:
                raise ValueError(
                    f"your picture is not kept here any more (after {self._seconds / 60:g} minutes "
                    "without use, or when memory is short); add the picture again"
                )
            scene, _ = self._scenes[visitor]
            self._keep(visitor, scene)
            return scene

    def put(self, visitor: str, scene: Scene) -> Scene:
        """Keep a scene in place of the visitor's last one."""
        with self._lock:
            self._keep(visitor, scene)
            self._drop_stale()
            while len(self._scenes) > 1 and self.bytes() > self._max_bytes:
                self._scenes.popitem(last=False)
        return scene

    def update(self, visitor: str, scene: Scene) -> bool:
        """Keep a scene unless its noisy picture was replaced meanwhile; say whether."""
        current = self.is_current(visitor, scene)
        if current:
            self.put(visitor, scene)
        return current

    def is_current(self, visitor: str, scene: Scene) -> bool:
        """Whether the visitor still works on this noisy picture. Asking counts as use of it."""
        with self._lock:
            kept, _ = self._scenes.get(visitor, (None, 0.0))
            if kept is None or kept.noisy is not scene.noisy:
                return False
            self._keep(visitor, kept)
            return True

    def drop(self, visitor: str) -> None:
        """Forget a visitor."""
        with self._lock:
            self._scenes.pop(visitor, None)

    def drop_stale(self) -> None:
        """Forget whoever was away too long."""
        with self._lock:
            self._drop_stale()

    def bytes(self) -> int:
        """Memory of all arrays; one that scenes share, as a sample photo, counts once."""
        scenes = [scene for scene, _ in self._scenes.values()]
        arrays = {id(array): array for scene in scenes for array in scene.arrays()}
        return sum(array.nbytes for array in arrays.values())

    def _keep(self, visitor: str, scene: Scene) -> None:
        self._scenes[visitor] = scene, self._clock()
        self._scenes.move_to_end(visitor)

    def _drop_stale(self) -> None:
        oldest = self._clock() - self._seconds
        while self._scenes and next(iter(self._scenes.values()))[1] < oldest:
            self._scenes.popitem(last=False)


@cache
def store() -> Store:
    """The store of this process; a thread sees to it that nothing stays longer than promised."""
    kept = Store(limits().session_megabytes * 2**20, limits().session_minutes * 60)
    threading.Thread(target=sweep, args=(kept,), daemon=True, name="sweep").start()
    return kept


def sweep(kept: Store) -> None:
    """Drop what is stale, again and again; this never returns."""
    while True:
        time.sleep(SWEEP_EVERY_S)
        kept.drop_stale()
