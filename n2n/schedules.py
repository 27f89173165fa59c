"""How long a run lasts and at which learning rate: a plan, and the short landing after a stop."""

import time
from dataclasses import dataclass, field
from typing import Protocol


class Budget:
    """How long a run lasts: so many steps, or so many seconds of wall clock, or no end.

    Its clock runs from the start but for pauses. `elapsed` are the seconds that an earlier part of
    the same run has used. Another thread may set `is_cut_short`, to end a step that takes long.
    """

    def __init__(
        self, steps: int | None = None, seconds: float | None = None, elapsed: float = 0.0
    ) -> None:
        self.steps, self.seconds = steps, seconds
        self.is_cut_short = False
        self._used = elapsed
        self._since: float | None = time.monotonic()

    @property
    def elapsed(self) -> float:
        """Seconds used so far."""
        running = 0.0 if self._since is None else time.monotonic() - self._since
        return self._used + running

    def pause(self) -> None:
        """Time that passes from now on does not count."""
        self._used, self._since = self.elapsed, None

    def go_on(self) -> None:
        """Count again."""
        self._since = time.monotonic() if self._since is None else self._since

    def progress(self, step: int) -> float:
        """The part of the run that is done before `step`, 0 to 1: whichever limit is nearer."""
        by_steps = step / self.steps if self.steps else 0.0
        by_seconds = self.elapsed / self.seconds if self.seconds else 0.0
        return min(1.0, max(by_steps, by_seconds))


@dataclass(frozen=True)
class Schedule:
    """Warm-up, constant rate, then a linear fall to zero over the last `decay` of the budget.

    A run without a planned end has decay 0. `rate` is the peak.
    """

    rate: float
    budget: Budget
    warmup_steps: int = 0
    decay: float = 0.0

    @property
    def is_cut_short(self) -> bool:
        """Whether the step under way should end where it is."""
        return self.budget.is_cut_short

    def at(self, step: int) -> tuple[float, float]:
        """The learning rate of a step, and how much of the run was done before it (0 to 1)."""
        progress = self.budget.progress(step)
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        fall = min(1.0, (1.0 - progress) / self.decay) if self.decay > 0 else 1.0
        return self.rate * warmup * fall, progress


@dataclass
class Landing:
    """After a stop: from `rate` linearly to zero within so many seconds of wall clock.

    No step is begun that would end too late, going by how long the last one took, at first
    `step_seconds`.
    """

    rate: float
    budget: Budget
    seconds: float
    step_seconds: float = 0.0
    _start: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)

    @property
    def is_cut_short(self) -> bool:
        """A landing never is: it is what follows when a run was."""
        return False

    def at(self, step: int) -> tuple[float, float]:
        """The learning rate of a step, at its middle, and how much of the run was done before."""
        now = time.monotonic()
        if self._start is None:
            self._start = now
        else:
            self.step_seconds = now - self._last
        if now + self.step_seconds > self._start + self.seconds:
            return 0.0, 1.0
        self._last = now
        middle = now - self._start + min(self.step_seconds, self.seconds) / 2
        fall = 1 - middle / self.seconds
        # The loss may ask how far the run is, which was cut short: not how far the landing is.
        return self.rate * fall, min(self.budget.progress(step), 0.999)


class Rates(Protocol):
    """A plan of learning rates: of each step the rate, and the part done before it (1: no step)."""

    @property
    def is_cut_short(self) -> bool:
        """Whether the step under way should end where it is."""
        ...

    def at(self, step: int) -> tuple[float, float]:
        """Asked once before each step, in order."""
        ...
