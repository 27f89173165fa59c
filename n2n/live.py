"""What a page, an API client or the command line sees of one training run: a stream of events."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import KW_ONLY, InitVar, dataclass, field, replace
from pathlib import Path

import numpy as np

from n2n import images
from n2n.config import TrainConfig
from n2n.devices import Placement
from n2n.history import History, Row
from n2n.runs import Run
from n2n.saved import Saved
from n2n.training import Step, Validation
from n2n.validation import held_out as watched_under_noise

# Between two full events the caller has the turn so often, to show that time passes or to stop.
TURN_SECONDS = 0.1
LANDING_SECONDS = 0.8  # with a last look, files and a page to draw, a stop acts within 2 s
TRAINING, LANDING = "training", "landing"
SPEED_ROWS = 8  # the speed shown is that over the last rows


@dataclass(frozen=True, eq=False)
class Event:
    """Where a run is.

    Attributes:
        row: the latest step, with the latest scores that are known.
        phase: "training", or "landing" after a stop.
        steps_per_second: over the last few seconds, without the waiting of slow motion.
        seconds_left: to the planned end; None where there is none, and after a stop.
        progress: the part of the plan that is done, 0 to 1.
        estimate: the watched picture as the averaged network saw it last, uint8 (h, w, 3); the
            same array as in the event before where it was not renewed.
        note: what went wrong without ending the run, such as a full disk.
    """

    row: Row
    phase: str
    steps_per_second: float
    seconds_left: float | None
    progress: float
    estimate: np.ndarray | None
    note: str | None = None


@dataclass(eq=False)
class LiveRun:
    """A run of a TrainConfig whose events can be shown.

    Args:
        config: what to do.
        photos: clean photos to train on, uint8 (H, W[, 3]).
        held_out: other photos, for validation: four are enough, and quick.
        watched: a photo, not in the training set, to watch; at most 256 × 256 of its middle.
        resume: a checkpoint to go on from; the history beside it (.csv) goes on too.

    Attributes:
        checkpoint: where to keep the state, and beside it, as .csv, the history.
        placement: where to compute; by default the best device of this machine.
        every_seconds: how often at least an event shows a new row.
        validate_seconds: how often at most the held-out photos are looked at; None: with each row.
        checkpoint_seconds: how often the state is saved; also on stopping.
        pace: seconds to wait after each step, for slow motion; may be set while the run goes on.
        references: PSNR in dB to compare with, on the same pictures under the same noise.
    """

    config: TrainConfig
    photos: InitVar[Sequence[np.ndarray]]
    held_out: InitVar[Sequence[np.ndarray]]
    _: KW_ONLY
    watched: InitVar[np.ndarray]
    checkpoint: Path | None = None
    resume: InitVar[Path | Saved | None] = None
    placement: Placement | None = None
    every_seconds: float = 0.5
    validate_seconds: float | None = None
    checkpoint_seconds: float = 10.0
    pace: float = 0.0
    history: History = field(default_factory=History)
    references: dict[str, float] = field(default_factory=dict)

    def __post_init__(
        self,
        photos: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        watched: np.ndarray,
        resume: Path | Saved | None,
    ) -> None:
        """Build the run, or raise ValueError in one line."""
        self.run = Run(self.config, photos, held_out or [watched], self.placement)
        if resume is not None:
            self.run.resume(resume)
            self.history = _history_beside(resume, self.run.start)
        self.references["noisy input"] = self.run.baseline_db
        device = self.run.placement.device
        self._watched = watched_under_noise(watched, self.run.validation_noise, device, "watched")
        self._estimate: np.ndarray | None = None
        self._scores: Validation | None = None
        self._look_seconds = 0.0

    @property
    def watched_noisy(self) -> np.ndarray:
        """The watched picture with noise: uint8 (h, w, 3)."""
        return self._watched.noisy

    @property
    def watched_clean(self) -> np.ndarray:
        """What a perfect denoiser would make of it: uint8 (h, w, 3)."""
        return self._watched.clean

    def score(self, denoiser: Callable[[np.ndarray], np.ndarray]) -> float:
        """The mean PSNR in dB of any picture -> picture function where the run is validated.

        Pictures are uint8 (h, w, 3), the held-out photos under the same draw of the noise.
        """
        return self.run.validator.score(denoiser)

    def events(self) -> Iterator[Event]:
        """Train to the planned end, or until the caller closes the generator.

        Events come at least every `every_seconds`, and one for the last step. The caller has the
        turn every 0.1 s, or after every step where steps are slower, so that closing acts at once.
        """
        return self._shown(self._steps(), TRAINING)

    def finish(self) -> Iterator[Event]:
        """After a stop: let the learning rate fall to zero within a second, validate once more.

        Nothing to do for a run that has not begun or has reached its planned end.
        """
        steps = self.run.landing(LANDING_SECONDS - min(self._look_seconds, LANDING_SECONDS / 2))
        return self._shown(steps, LANDING)

    def interrupt(self) -> None:
        """End `events` within the present step, from another thread: for steps that take long."""
        self.run.budget.is_cut_short = True

    def single_step(self) -> Event:
        """Take exactly one step, look at it, and save the state.

        Raises:
            ValueError: the run has reached its planned end.
        """
        steps = self._steps()
        step = next(steps, None)  # the first one is always validated
        if step is None:
            raise ValueError("the run has reached its end; start one that lasts longer")
        steps.close()  # type: ignore[attr-defined]
        event = self._event(step, TRAINING)
        self._write_history()
        return event

    def save_weights(self, path: Path) -> None:
        """Write the averaged network as a weight file at half precision."""
        self.run.save_weights(path)

    def _steps(self) -> Iterator[Step]:
        return self.run.steps(
            self.checkpoint,
            self.every_seconds if self.validate_seconds is None else self.validate_seconds,
            validate=self._look,
            checkpoint_seconds=self.checkpoint_seconds,
        )

    def _shown(self, steps: Iterator[Step], phase: str) -> Iterator[Event]:
        """Steps as events; in slow motion with waits between them, in which time does not count."""
        row_due = turn_due = written = time.monotonic()
        step: Step | None = None
        try:
            for step in steps:
                now = time.monotonic()
                if step.validation is not None or now >= row_due:
                    row_due, turn_due = now + self.every_seconds, now + TURN_SECONDS
                    yield self._event(step, phase)
                elif now >= turn_due:
                    turn_due = now + TURN_SECONDS
                    yield self._brief(step, phase)
                if now >= written + self.checkpoint_seconds:
                    written = now
                    self._write_history()
                if phase == TRAINING:
                    yield from self._waiting(step)
            if step is not None and step.validation is None:
                yield self._event(replace(step, validation=self._look()), phase)
        finally:
            steps.close()  # type: ignore[attr-defined]  # saves now, before anything else is begun
            self._write_history()

    def _waiting(self, step: Step) -> Iterator[Event]:
        """Slow motion: give the caller the turn until `pace` has passed."""
        begun = time.monotonic()
        if self.pace <= 0:
            return
        self.run.budget.pause()
        while (left := begun + self.pace - time.monotonic()) > 0:
            time.sleep(min(left, TURN_SECONDS))
            yield self._brief(step, TRAINING)
        self.run.budget.go_on()

    def _look(self) -> Validation:
        """Validate, and see what the network makes of the watched picture."""
        begun = time.monotonic()
        self._scores = self.run.validate()
        self._estimate = images.to_uint8(self.run.network(self._watched.source))
        self._look_seconds = time.monotonic() - begun
        return self._scores

    def _event(self, step: Step, phase: str) -> Event:
        """A new row of the history, shown."""
        return self._brief(step, phase, self.history.add(step, self.run.budget.elapsed))

    def _brief(self, step: Step, phase: str, row: Row | None = None) -> Event:
        """What can be said without reading from the device: that time goes by."""
        budget, latest = self.run.budget, row or self.history.rows[-1]
        row = replace(latest, step=step.index, seconds=budget.elapsed, rate=step.rate)
        if self._scores is not None:
            row = replace(row, validation_loss=self._scores.loss, psnr_db=self._scores.psnr_db)
        speed = self._steps_per_second()
        return Event(
            row=row,
            phase=phase,
            steps_per_second=speed,
            seconds_left=self._seconds_left(speed) if phase == TRAINING else None,
            progress=budget.progress(self.run.start),
            estimate=self._estimate,
            note=self.run.trouble,
        )

    def _steps_per_second(self) -> float:
        rows = self.history.rows[-SPEED_ROWS:]
        seconds = rows[-1].seconds - rows[0].seconds
        return (rows[-1].step - rows[0].step) / seconds if seconds > 0 else 0.0

    def _seconds_left(self, speed: float) -> float | None:
        """Seconds of wall clock to the nearer limit, with the waits of slow motion."""
        budget, left = self.run.budget, []
        if budget.seconds is not None:
            left.append(budget.seconds - budget.elapsed)
        if budget.steps is not None and speed > 0:
            left.append((budget.steps - self.run.start) / speed)
        return max(min(left), 0.0) * (1 + self.pace * speed) if left else None

    def _write_history(self) -> None:
        if self.checkpoint is None or not self.history.rows:
            return
        try:
            self.history.write_csv(self.checkpoint.with_suffix(".csv"))
        except OSError as error:
            trouble = f"the history could not be written: {error.strerror or error}"
            self.run.trouble = self.run.trouble or trouble


def _history_beside(resume: Path | Saved, start: int) -> History:
    """The rows that an earlier part of the run left beside its checkpoint."""
    path = resume if isinstance(resume, Path) else resume.path
    beside = path.with_suffix(".csv")
    return History.read_csv(beside).before(start) if beside.is_file() else History()
