"""Networks, one at a time in this process: who asks waits for a turn, sees progress, may stop."""

import contextlib
import contextvars
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

from torch import Tensor

import n2n
from n2n import noise_level
from n2n.denoiser import Denoised, Denoiser
from n2n.noise_level import NoiseLevel
from n2n.ui.handlers import own
from n2n.ui.handlers.pictures import Pixels, as_tensor, middle

TIMED_MEGAPIXELS = 0.1  # what a smaller picture takes says nothing of a larger one
SILENCE_SECONDS = 0.5  # at most, between two events
RECENT_RUNS = 5
Tell = Callable[[float], None]
T = TypeVar("T")

# What this machine was measured to take in the last runs of a model.
_ms_per_megapixel: dict[str, deque[float]] = {}


@dataclass(frozen=True)
class Progress:
    """The part done, 0 to 1 (None while waiting for a turn), when, and when the turn began."""

    part: float | None
    now: float = 0.0
    began: float = 0.0

    def seconds_left(self) -> float:
        """If the rest goes as fast as the part that is done, which must not be 0."""
        assert self.part
        left = (self.now - self.began) * (1 - self.part) / self.part
        return max(left - (time.monotonic() - self.now), 0.0)


@dataclass(frozen=True, eq=False)
class Finished(Generic[T]):
    """What the job returned."""

    value: T


class _StoppedError(Exception):
    """The one who asked has gone."""


class _Line:
    """Those who want a turn, in the order in which they came. The first one's event is set."""

    def __init__(self) -> None:
        self._lock, self._waiting = threading.Lock(), list[threading.Event]()

    def join(self, turn: threading.Event) -> None:
        with self._lock:
            self._waiting.append(turn)
            self._waiting[0].set()

    def leave(self, turn: threading.Event) -> None:
        with self._lock:
            self._waiting.remove(turn)
            for first in self._waiting[:1]:
                first.set()

    def is_empty(self) -> bool:
        return not self._waiting


_line = _Line()


def in_turn(job: Callable[[Tell], T]) -> Iterator[Progress | Finished[T]]:
    """Run a job when no other runs, first come, first served; tells twice a second how far it is.

    The job runs in a thread, since a network cannot yield. Closing this generator stops the job at
    its next `tell`; until then its turn lasts, so that never two networks run at once.
    """
    stop, turn, began = threading.Event(), threading.Event(), 0.0
    events: queue.SimpleQueue[Progress | Finished[T] | BaseException] = queue.SimpleQueue()

    def tell(part: float) -> None:
        if stop.is_set():
            raise _StoppedError
        events.put(Progress(part, time.monotonic(), began))

    def work() -> None:
        nonlocal began
        try:
            while not turn.wait(0.2):
                if stop.is_set():
                    return
            began = time.monotonic()
            tell(0.0)
            events.put(Finished(job(tell)))
        except _StoppedError:
            pass
        except BaseException as error:  # it is raised again where the result is awaited
            events.put(error)
        finally:
            _line.leave(turn)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(work,), daemon=True, name="network").start()
    _line.join(turn)  # only now, since a thread that did not start would never leave it
    try:
        yield from _until_finished(events)
    finally:
        stop.set()


def is_busy() -> bool:
    """Whether a network has its turn now."""
    return not _line.is_empty()


def _until_finished(
    events: "queue.SimpleQueue[Progress | Finished[T] | BaseException]",
) -> Iterator[Progress | Finished[T]]:
    latest = Progress(None)
    while True:
        event: Progress | Finished[T] | BaseException = latest
        with contextlib.suppress(queue.Empty):
            event = events.get(timeout=SILENCE_SECONDS)
        if isinstance(event, BaseException):
            raise event
        yield event
        if isinstance(event, Finished):
            return
        latest = event  # said again while nothing new is known, so that a page can be told "stop"


def result_of(events: Iterator[Progress | Finished[T]]) -> T:
    """Wait for the end of a job."""
    (value,) = (event.value for event in events if isinstance(event, Finished))
    return value


def load(model: str) -> Denoiser:
    """A shipped model by its name, or the model of a run by its id: a visitor names no files.

    Raises:
        ValueError: it is neither.
    """
    if own.is_own(model):
        return n2n.load(str(own.weights(model)))
    names = n2n.shipped_models()
    if not names:
        raise ValueError("this server has no models: its folder of weights is empty")
    if model not in names:
        raise ValueError(f"unknown model {model!r}; choose one of {', '.join(names)}")
    return n2n.load(model)


def default_model() -> str | None:
    """The first shipped model; None where no weights are."""
    return next(iter(n2n.shipped_models()), None)


def denoise(model: str, noisy: Pixels, tell: Tell = lambda part: None) -> Denoised:
    """Denoise and remember how fast it was. Call it `in_turn`."""
    denoised = load(model).run(noisy, progress=tell)
    if denoised.megapixels >= TIMED_MEGAPIXELS:
        recent = _ms_per_megapixel.setdefault(model, deque(maxlen=RECENT_RUNS))
        recent.append(denoised.milliseconds / denoised.megapixels)
    return denoised


def level(model: str, noisy: Pixels, megapixels: float) -> NoiseLevel:
    """The noise in the middle of a picture, at most so large, and the PSNR to expect there.

    The identity behind it holds for denoisers of Gaussian noise alone; of another model its doubt
    says so. Call it `in_turn`.
    """
    denoiser = load(model)
    if not str(own.card(model).get("training", {}).get("noise")).startswith("gaussian"):
        title = own.title(model)
        doubt = f"{title} was not trained on Gaussian noise, so it cannot tell the noise level"
        return NoiseLevel(math.nan, math.nan, math.nan, math.nan, doubt)
    part = as_tensor(middle(noisy, megapixels))

    def grey(one: Tensor) -> Tensor:
        # A grey picture has one noise, not three: the network as a function of one channel.
        estimate: Tensor = denoiser(one.expand(-1, 3, -1, -1))
        return estimate.mean(1, keepdim=True)

    return noise_level.estimate(denoiser if noisy.ndim == 3 else grey, part)


def milliseconds(model: str, megapixels: float) -> float | None:
    """How long a model will take here, by the fastest of its last runs; None before the first.

    Not by the last one: after a run beside much other work every page would wait to be asked, and
    nothing would be measured again.
    """
    known = _ms_per_megapixel.get(model)
    return min(known) * megapixels if known else None
