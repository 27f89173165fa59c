"""Work that outlives the page that started it: one piece at a time on each device, others queue.

A work is anything that yields events, such as a training run. Whoever knows the unguessable id of
its job sees where it stands, and may stop it; a job that nobody looks at is stopped by the clock.
`inline` does the same work without a thread, where none may be started.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable, Collection, Generator, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, Generic, Protocol, TypeVar

E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)


class Work(Protocol[E_co]):
    """What a job does."""

    def events(self) -> Iterator[E_co]:
        """The work itself, a generator: to stop it is to close it, between two events."""
        ...

    def finish(self) -> Iterator[E_co]:
        """What brings work that was stopped to a good end, in a moment."""
        ...


class State(StrEnum):
    """Where a job stands."""

    WAITING = "waiting"
    RUNNING = "running"
    STOPPING = "stopping"
    DONE = "done"
    STOPPED = "stopped"
    FAILED = "failed"


OVER = (State.DONE, State.STOPPED, State.FAILED)


@dataclass(frozen=True)
class View(Generic[E]):
    """A job as it stands. Place 1 in the queue is next, 0 is not waiting; `error` is one line."""

    state: State
    place: int = 0
    latest: E | None = None
    events: int = 0
    error: str | None = None
    started: datetime | None = None


class _Job(Generic[E]):
    """One work and what is known of it: `told`, which any thread may read, is replaced whole."""

    def __init__(self, make: Callable[[], Work[E]], device: str = "", now: float = 0.0) -> None:
        self.make, self.device, self.looked_at = make, device, now
        self.work: Work[E] | None = None
        self.told: View[E] = View(State.WAITING)
        self.is_stopping = False

    def view(self) -> View[E]:
        told = self.told
        stopping = told.state is State.RUNNING and self.is_stopping
        return replace(told, state=State.STOPPING) if stopping else told

    def stop(self) -> None:
        self.is_stopping = True  # the walk sees it after the present event
        if self.told.state is State.WAITING:
            self.told = replace(self.told, state=State.STOPPED)

    def begin(self) -> Iterator[None]:
        """Its turn has come: walk through it, pausing before the work and after each event."""
        self.told = replace(self.told, state=State.RUNNING, started=datetime.now().astimezone())
        return self._walk()

    def _walk(self) -> Iterator[None]:
        try:
            yield
            end = yield from self._work()
            self.told = replace(self.told, state=end)
        except Exception as error:
            self.told = replace(self.told, state=State.FAILED, error=_one_line(error))

    def _work(self) -> Generator[None, None, State]:
        if self.is_stopping:
            return State.STOPPED
        self.work = self.make()
        events = self.work.events()
        for _ in self._kept(events):
            yield
            if self.is_stopping:
                break
        if not self.is_stopping:
            return State.DONE
        if isinstance(events, Generator):
            events.close()
        yield from self._kept(self.work.finish())
        return State.STOPPED

    def _kept(self, events: Iterator[E]) -> Iterator[None]:
        for event in events:
            self.told = replace(self.told, latest=event, events=self.told.events + 1)
            yield


class Jobs:
    """All jobs of this process, by id.

    Whoever names an id attends to that job. A job that was never here, or is forgotten, is refused
    with a ValueError.

    Args:
        unattended_seconds: a job that nobody looked at for so long is stopped.
        keep_seconds: a job is forgotten so long after its end, or after the last look at it.
        most_waiting: how many may wait for a device.
        clock: seconds, for these rules.
    """

    def __init__(
        self,
        *,
        unattended_seconds: float,
        keep_seconds: float,
        most_waiting: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._unattended_seconds, self._keep_seconds = unattended_seconds, keep_seconds
        self._most_waiting, self._clock = most_waiting, clock
        self._lock = threading.Lock()  # of the two below
        self._jobs: dict[str, _Job[Any]] = {}  # in the order of `start`, which is the queue's
        self._threads: dict[str, threading.Thread] = {}  # of the devices at work

    def start(
        self, make: Callable[[], Work[Any]], device: str, instead_of: Collection[str] = ()
    ) -> str:
        """Queue a work for a device; returns the id of its job.

        `make` builds the work when its turn has come, in the thread of the job. Jobs that it comes
        `instead_of` are stopped if there is room for it, of which they take none.

        Raises:
            ValueError: too many wait already.
        """
        with self._lock:
            self._sweep()
            others = [self._jobs[key] for key in instead_of if key in self._jobs]
            waiting = [job for job in self._queue(device) if job not in others]
            if device in self._threads and len(waiting) >= self._most_waiting:
                raise ValueError("too many wait for their turn already; try again in a minute")
            for job in others:
                job.stop()
            key = secrets.token_urlsafe()
            self._jobs[key] = _Job(make, device, self._clock())
            if device not in self._threads:
                self._start_next(device)
        return key

    def view(self, key: str) -> View[Any]:
        """Where a job stands."""
        with self._lock:
            job = self._attended(key)
            queue = self._queue(job.device)
            return replace(job.view(), place=queue.index(job) + 1 if job in queue else 0)

    def work(self, key: str) -> Work[Any] | None:
        """The live work of a job, kept after its end; None until it is built."""
        with self._lock:
            return self._attended(key).work

    def stop(self, key: str) -> None:
        """Stop a job after its present event and let it finish; one that waits just leaves."""
        with self._lock:
            self._attended(key).stop()

    def close(self, seconds: float = 10.0) -> None:
        """Stop all jobs and wait for their threads, for each at most so long."""
        with self._lock:
            for job in self._jobs.values():
                job.stop()
            threads = list(self._threads.values())
        for thread in threads:
            thread.join(seconds)

    def _start_next(self, device: str) -> None:
        """Hand a free device to the first that waits for it."""
        for job in self._queue(device)[:1]:
            thread = threading.Thread(target=self._run, args=(job, job.begin()), daemon=True)
            self._threads[device] = thread
            thread.start()

    def _run(self, job: _Job[Any], walk: Iterator[None]) -> None:
        """The life of a thread. Its last act is to free the device, so never two run at once."""
        for _ in walk:
            with self._lock:
                self._sweep()
        with self._lock:
            job.looked_at = self._clock()  # it is kept from now on
            self._sweep()
            del self._threads[job.device]
            self._start_next(job.device)

    def _queue(self, device: str) -> list[_Job[Any]]:
        waiting = (job for job in self._jobs.values() if job.told.state is State.WAITING)
        return [job for job in waiting if job.device == device]

    def _attended(self, key: str) -> _Job[Any]:
        self._sweep()
        if key not in self._jobs:
            raise ValueError("this run is not known here any more; start a new one")
        self._jobs[key].looked_at = self._clock()
        return self._jobs[key]

    def _sweep(self) -> None:
        """Stop what nobody attends to, forget what was kept long enough."""
        now = self._clock()
        for key, job in list(self._jobs.items()):
            is_over = job.told.state in OVER
            if is_over and now - job.looked_at > self._keep_seconds:
                del self._jobs[key]
            elif not is_over and now - job.looked_at > self._unattended_seconds:
                job.stop()


def inline(make: Callable[[], Work[E]]) -> Iterator[View[E]]:
    """The views of a work done here and now, without a thread. Closing this lets it finish."""
    job = _Job(make)
    walk = job.begin()
    try:
        for _ in walk:
            yield job.view()
        yield job.view()
    finally:
        job.stop()
        for _ in walk:
            pass


def _one_line(error: Exception) -> str:
    """What to tell of a failure; one that nobody foresaw is logged in full."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror  # without the path, which is the server's own
    if isinstance(error, ValueError | OSError) or type(error).__module__.startswith("n2n."):
        return " ".join(str(error).split())
    logging.getLogger(__name__).error("a job failed", exc_info=error)
    return f"the run failed: {type(error).__name__}"
