"""A run that a visitor watches: at full speed, in slow motion or step by step; it leaves files."""

import contextlib
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import n2n
from n2n import TrainConfig
from n2n.history import Row
from n2n.live import Event, LiveRun
from n2n.models import parameter_count
from n2n.ui.handlers import network, speed
from n2n.ui.handlers.photos import PhotoSet
from n2n.ui.handlers.pictures import Pixels
from n2n.ui.handlers.run_files import Files

FULL, SLOW, BY_HAND = "Full speed", "Slow motion", "One step at a time"
SPEEDS = [FULL, SLOW, BY_HAND]
SLOW_SECONDS = 0.7  # between two steps: a stop must not wait for longer
COURTESY_SECONDS = 0.3  # between two steps while somebody's picture is denoised
EVERY_SECONDS = 0.4  # an event; more often than twice a second
LOOK_SECONDS = 0.1  # between two looks at the button


@dataclass(frozen=True, eq=False)
class Order:
    """What to train, on what, from which checkpoint, and who may hold the device for how long."""

    config: TrainConfig
    photos: PhotoSet
    resume: Path | None = None
    speed: str = FULL
    device_seconds: float = 600.0

    def begin(self, files: Files) -> "VisibleRun":
        """The run, which will leave these files."""
        return VisibleRun(self, files)


class VisibleRun:
    """Work for `n2n.jobs`. Other threads set `speed`, press, and read what the page shows.

    After the end only what the page shows is kept: no network, no photos.

    Attributes:
        references: PSNR in dB to compare with: the noisy input's, the best shipped model's.
        noisy, clean: the watched picture, uint8 (h, w, 3).
        estimate: the same as the network saw it last; None before the first look.
    """

    def __init__(self, order: Order, files: Files) -> None:
        self.config, self.files, self.speed = order.config, files, order.speed
        photos = order.photos
        self.watched_name = photos.watched_name
        live = LiveRun(
            order.config,
            photos.training,
            photos.held_out,
            watched=photos.watched,
            checkpoint=files.checkpoint,
            resume=order.resume,
            every_seconds=EVERY_SECONDS,
        )
        self._live: LiveRun | None = live
        self._history = live.history
        self.noisy, self.clean = live.watched_noisy, live.watched_clean
        self.estimate: Pixels | None = None
        self.references = live.references
        self._compare(live)
        self._latest: Event | None = None
        self._pressed = threading.Event()
        self._hurried = False
        self._end = time.monotonic() + order.device_seconds

    @property
    def rows(self) -> list[Row]:
        """The history; nobody writes into this list."""
        return self._history.rows

    def press(self) -> None:
        """Ask for one step."""
        self._pressed.set()

    def hurry(self) -> None:
        """Cut waiting short, and a long step: the job is stopping, `finish` comes next."""
        self._hurried, live = True, self._live
        if live is not None:
            live.pace = 0.0
            live.interrupt()

    def events(self) -> Iterator[Event]:
        """The run to its end, or until this is closed."""
        try:
            for event in self._trained():
                yield self._seen(event)
        except GeneratorExit:  # `finish` comes next
            raise
        except BaseException:
            with contextlib.suppress(Exception):  # the last good state, where there is one
                self._keep()
            raise
        if not self._hurried:
            self._keep()

    def finish(self) -> Iterator[Event]:
        """A soft landing after a stop."""
        live = self._live
        try:
            for event in live.finish() if live is not None else ():
                yield self._seen(event)
        finally:
            self._keep()

    def _trained(self) -> Iterator[Event]:
        live = self._live
        assert live is not None
        while not self._is_over(live):
            steps = self._by_hand(live) if self.speed == BY_HAND else self._by_itself(live)
            yield from steps
        if not self._hurried and live.run.budget.progress(live.run.start) < 1:
            yield from live.finish()  # the device was held for long enough

    def _by_itself(self, live: LiveRun) -> Iterator[Event]:
        events = live.events()
        for event in events:
            yield event
            if self.speed == BY_HAND or time.monotonic() > self._end:
                events.close()  # type: ignore[attr-defined]
                return
            live.pace = self._pace()

    def _pace(self) -> float:
        """Seconds to wait after each step."""
        if self._hurried:
            return 0.0
        slow = SLOW_SECONDS if self.speed == SLOW else 0.0
        return max(slow, COURTESY_SECONDS) if network.is_busy() else slow

    def _by_hand(self, live: LiveRun) -> Iterator[Event]:
        """A step for each press; meanwhile the last event again, so that a stop can act."""
        while self.speed == BY_HAND and not self._is_over(live):
            if self._latest is None or self._pressed.wait(LOOK_SECONDS):
                self._pressed.clear()
                yield live.single_step()
            else:
                yield self._latest

    def _is_over(self, live: LiveRun) -> bool:
        budget = live.run.budget
        is_used = budget.progress(live.run.start) >= 1 or time.monotonic() > self._end
        return self._hurried or is_used

    def _compare(self, live: LiveRun) -> None:
        best = network.default_model()
        if best is not None:
            live.references[best] = live.score(n2n.load(best))

    def _seen(self, event: Event) -> Event:
        self._latest = event
        if event.estimate is not None:
            self.estimate = np.ascontiguousarray(event.estimate)
        if self.speed == FULL:
            speed.remember(self.config, event.steps_per_second)
        return event

    def _keep(self) -> None:
        """Write model, history and facts, then let go of all that is large."""
        live = self._live
        if live is None or not self.rows:
            return
        try:
            live.save_weights(self.files.weights)
            live.history.write_csv(self.files.history)
            self.files.tell(**_facts(live, self.rows))
        finally:
            self._live = None


def _facts(live: LiveRun, rows: list[Row]) -> dict[str, object]:
    """What the menus and the numbers say of the model."""
    scored = [row.psnr_db for row in rows if row.psnr_db is not None]
    return {
        "parameters": parameter_count(live.run.result),
        "kmacs_per_pixel": round(speed.kmacs(live.config.model), 2),
        "training": {"noise": live.config.noise, "targets": live.config.targets},
        "references": live.references,
        "step": live.run.start,
        "seconds": round(live.run.budget.elapsed, 1),
        "psnr_db": {"held-out photos": scored[-1]} if scored else {},
        "ended": True,
    }
