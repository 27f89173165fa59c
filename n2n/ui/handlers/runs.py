"""All runs of this process: trainings and studies, in one queue for each device.

A run is known by an unguessable id that its page holds.
"""

import atexit
import secrets
import threading
from collections.abc import Generator, Sequence
from contextlib import suppress
from dataclasses import asdict
from functools import cache
from typing import Any, Generic, Protocol, TypeVar, cast

from n2n.devices import place
from n2n.jobs import Jobs, View, Work, inline
from n2n.ui.handlers.run_files import Files, RunFiles, run_files
from n2n.ui.handlers.visible_run import Order, VisibleRun
from n2n.ui.limits import limits

MOST_OWN = 5  # runs that a page remembers


class Watched(Work[Any], Protocol):
    """Work that a page looks at while it goes on, and after."""

    def hurry(self) -> None:
        """Cut short what takes long: the job is stopping."""
        ...


W = TypeVar("W", bound=Watched)
W_co = TypeVar("W_co", bound=Watched, covariant=True)


class Ordered(Protocol[W_co]):
    """What to do, before it is begun."""

    def begin(self, files: Files) -> W_co:
        """The work itself, which will leave these files. This may take long."""
        ...


class Runs(Generic[W]):
    """Jobs by the id of their run. The id names files, too, which outlive the job and the server.

    Args:
        jobs: who runs them, and runs of other kinds.
        files: where they leave what they made.
    """

    def __init__(self, jobs: Jobs, files: RunFiles) -> None:
        self._jobs, self._files = jobs, files
        self._keys: dict[str, str] = {}  # of jobs, by run
        self._lock = threading.Lock()

    def begin(self, run: str, order: Ordered[W], instead_of: Sequence[str] = ()) -> None:
        """Queue a run under an id that `new_run` gave, and stop others if there is room for it.

        Raises:
            ValueError: too many wait already.
        """
        files = self.files(run)
        handed_over = [order]  # once: its photos go when the run lets go of them

        def make() -> W:
            return handed_over.pop().begin(files)

        replaced = [self._keys[other] for other in instead_of if other in self._keys]
        key = self._jobs.start(make, place().device.type, replaced)
        with self._lock:
            self._keys[run] = key
        for other in instead_of:
            self.stop(other)

    def files(self, run: str) -> Files:
        """The files of a run, whether it goes on, has ended, or was never there."""
        return self._files.of(run)

    def view(self, run: str) -> View[Any] | None:
        """Where a run stands; None when this process knows nothing of it (any more)."""
        key = self._keys.get(run)
        if key is None:
            return None
        try:
            return self._jobs.view(key)
        except ValueError:
            with self._lock:
                self._keys.pop(run, None)
            return None

    def work(self, run: str) -> W | None:
        """The run itself, once it has begun."""
        if self.view(run) is None:
            return None
        work: Any = self._jobs.work(self._keys[run])  # what `begin` was given an order for
        found: W | None = work
        return found

    def stop(self, run: str) -> None:
        """Stop a run, or take it out of the queue; nothing happens to one that has ended."""
        key = self._keys.get(run)
        if key is None:
            return
        with suppress(ValueError):  # it is forgotten already
            self._jobs.stop(key)
            work = self._jobs.work(key)
            if work is not None:
                cast("W", work).hurry()

    def close(self) -> None:
        """Stop all and wait for their end."""
        self._jobs.close()


@cache
def jobs() -> Jobs:
    """The jobs of this process, whatever their kind."""
    bounds = limits()
    found = Jobs(
        unattended_seconds=60 * bounds.unattended_minutes,
        keep_seconds=60 * bounds.run_minutes,
        most_waiting=bounds.waiting_runs,
    )
    atexit.register(found.close)
    return found


@cache
def runs() -> Runs[VisibleRun]:
    """The training runs of this process."""
    return Runs(jobs(), run_files())


def new_run() -> str:
    """An id that nobody can guess."""
    return secrets.token_urlsafe(16)


def announce(run: str, order: Order, title: str) -> None:
    """Write down what a run is before it begins, so that a later server can say so."""
    facts = {"title": title, "photos": order.photos.source, "config": asdict(order.config)}
    run_files().of(run).tell(**facts)


def here(run: str, order: Ordered[W]) -> Generator[tuple[View[Any], W | None], None, None]:
    """The same run without a thread: where a GPU is lent to this very call. Closing stops it."""
    made: list[W] = []

    def make() -> W:
        made.append(order.begin(run_files().of(run)))
        return made[0]

    for view in inline(make):
        yield view, made[0] if made else None


def own_runs(value: object) -> list[str]:
    """The ids that a browser remembers, newest first, whatever stands in its storage."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return []
    return [run for run in value if isinstance(run, str) and run][:MOST_OWN]
