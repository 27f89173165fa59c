"""What visitors left here, by a secret id of their page: bounded in bytes and in time."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from n2n import memory

SWEEP_EVERY_S = 60


class Stale(Protocol):
    """Anything that promises to keep nothing longer than it said."""

    def drop_stale(self) -> None:
        """Drop what is too old."""
        ...


class Kept(Protocol):
    """Anything that says how much memory it takes."""

    def arrays(self) -> Iterator[npt.NDArray[np.uint8]]:
        """All that takes memory."""
        ...


K = TypeVar("K", bound=Kept)
S = TypeVar("S", bound=Stale)


class Shelf(Generic[K]):
    """One thing for each visitor; nothing is ever shared.

    Args:
        max_bytes: memory of all together; the oldest go first.
        seconds: what was unused for so long goes.
        clock: seconds, for that rule.
    """

    what = "your pictures are"  # for the one line that says that they are gone

    def __init__(
        self, max_bytes: float, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._max_bytes, self._seconds, self._clock = max_bytes, seconds, clock
        self._kept: OrderedDict[str, tuple[K, float]] = OrderedDict()  # oldest use first
        self._lock = threading.Lock()

    def get(self, visitor: str) -> K:
        """What the visitor left here.

        Raises:
            ValueError: nothing, or it was dropped.
        """
        kept = self.find(visitor)
        if kept is None:
            raise ValueError(
                f"{self.what} not kept here any more (after {self._seconds / 60:g} minutes "
                "without use, or when memory is short); add the picture again"
            )
        return kept

    def find(self, visitor: str) -> K | None:
        """What the visitor left here, if it is still there. Asking counts as use of it."""
        with self._lock:
            self._drop_stale()
            kept, _ = self._kept.get(visitor, (None, 0.0))
            if kept is not None:
                self._keep(visitor, kept)
            return kept

    def put(self, visitor: str, kept: K) -> K:
        """Keep this in place of the visitor's last one.

        Raises:
            ValueError: the visitor has no id, so that others without one would see it.
        """
        if not visitor:
            raise ValueError("the server was busy when this page opened; reload the page")
        with self._lock:
            self._keep(visitor, kept)
            self._drop_stale()
            while len(self._kept) > 1 and self.bytes() > self._max_bytes:
                self._kept.popitem(last=False)
        return kept

    def drop(self, visitor: str) -> None:
        """Forget a visitor."""
        with self._lock:
            self._kept.pop(visitor, None)

    def drop_stale(self) -> None:
        """Forget whoever was away too long."""
        with self._lock:
            self._drop_stale()

    def bytes(self) -> int:
        """Memory of all arrays; one that several share, as a sample photo, counts once."""
        everything: list[Any] = [kept for kept, _ in self._kept.values()]
        arrays = {id(array): array for kept in everything for array in kept.arrays()}
        return sum(array.nbytes for array in arrays.values())

    def _keep(self, visitor: str, kept: K) -> None:
        self._kept[visitor] = kept, self._clock()
        self._kept.move_to_end(visitor)

    def _drop_stale(self) -> None:
        oldest = self._clock() - self._seconds
        while self._kept and next(iter(self._kept.values()))[1] < oldest:
            self._kept.popitem(last=False)


def swept(kept: S) -> S:
    """The same, with a thread that sees to it that nothing stays longer than promised."""
    threading.Thread(target=sweep, args=(kept,), daemon=True, name="sweep").start()
    return kept


def sweep(kept: Stale) -> None:
    """Drop what is stale, again and again; this never returns."""
    while True:
        time.sleep(SWEEP_EVERY_S)
        kept.drop_stale()
        memory.give_back()
