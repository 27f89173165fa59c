"""A training run is a generator: `train` steps, and what else a run needs wraps it.

The caller logs, plots, saves, or stops by closing the generator.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from n2n.losses import Loss

# A look at a run takes at most this share of its time, and no run is looked at more often than
# a plot can show.
VALIDATION_SHARE = 0.15
MOST_VALIDATIONS = 500


@dataclass(frozen=True)
class Validation:
    """Scores on held-out photos: the run's own loss, and PSNR (convention A) of 8-bit output."""

    loss: float
    psnr_db: float


@dataclass(frozen=True)
class Step:
    """One step, just taken. `loss` stays a tensor on the device until someone shows it."""

    index: int
    loss: Tensor
    rate: float
    progress: float
    validation: Validation | None = None


class Diverged(RuntimeError):
    """The loss or the weights are no longer usable numbers."""


class Budget:
    """How long a run lasts: so many steps, or so many seconds of wall clock, or no end.

    Its clock runs from the start but for pauses. `elapsed` are the seconds that an earlier part of
    the same run has used.
    """

    def __init__(
        self, steps: int | None = None, seconds: float | None = None, elapsed: float = 0.0
    ) -> None:
        self.steps, self.seconds = steps, seconds
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

    def at(self, step: int) -> tuple[float, float]:
        """The learning rate of a step, and how much of the run was done before it (0 to 1)."""
        progress = self.budget.progress(step)
        warmup = min(1.0, (step + 1) / (self.warmup_steps + 1))
        fall = min(1.0, (1.0 - progress) / self.decay) if self.decay > 0 else 1.0
        return self.rate * warmup * fall, progress


@dataclass
class Landing:
    """After a stop: from `rate` linearly to zero within so many seconds of wall clock.

    At least one step; after it none is begun that would end too late, going by how long the last
    one took, at first `step_seconds`.
    """

    rate: float
    budget: Budget
    seconds: float
    step_seconds: float = 0.0
    _start: float | None = field(default=None, init=False)
    _last: float = field(default=0.0, init=False)

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

    def at(self, step: int) -> tuple[float, float]:
        """Asked once before each step, in order."""
        ...


def train(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    *,
    schedule: Rates,
    start: int = 0,
    autocast: AbstractContextManager[None] | None = None,
) -> Iterator[Step]:
    """Fit `model` to (source, target) batches, yielding after every step, until the budget is used.

    `start` is the number of the first step, where a run goes on.
    """
    autocast = autocast or nullcontext()
    model.train()
    for index, (source, target) in enumerate(batches, start):
        rate, progress = schedule.at(index)
        if progress >= 1.0:
            return
        for group in optimizer.param_groups:
            group["lr"] = rate

        def closure() -> Tensor:
            optimizer.zero_grad(set_to_none=True)
            with autocast:
                estimate = model(source)  # noqa: B023  the closure never outlives its step
            value = loss(estimate.float(), target, progress)  # noqa: B023
            value.backward()  # type: ignore[no-untyped-call]
            return value

        value = optimizer.step(closure)  # type: ignore[arg-type]
        yield Step(index, torch.as_tensor(value).detach(), rate, progress)


def averaged(steps: Iterable[Step], average: AveragedModel, model: nn.Module) -> Iterator[Step]:
    """Keep an exponential average of the weights: better than the last ones at a constant rate."""
    for step in steps:
        average.update_parameters(model)
        yield step


def averaged_model(model: nn.Module, decay: float) -> AveragedModel:
    """An average whose memory grows with the run, up to 1 / (1 - decay) steps.

    So early weights are soon forgotten.
    """

    @torch.no_grad()
    def lerp(average: list[Tensor], current: list[Tensor], count: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(average, current, weight)

    return AveragedModel(model, multi_avg_fn=lerp)  # type: ignore[arg-type]


def taught(
    batches: Iterable[tuple[Tensor, Tensor]],
    teacher: nn.Module,
    autocast: AbstractContextManager[None],
) -> Iterator[tuple[Tensor, Tensor]]:
    """Distilling: each target becomes what `teacher` makes of the very source the student sees."""
    for source, _ in batches:
        with torch.inference_mode(), autocast:
            target = teacher(source).float()
        yield source, target.clone()  # outside of inference mode: an ordinary tensor


def guarded(
    steps: Iterable[Step], usable: Callable[[], bool] = lambda: True, every: int = 20
) -> Iterator[Step]:
    """Stop with `Diverged` when the loss is NaN or infinite, or the weights are not `usable`.

    Looks only now and then, and at the end: a look waits for the device.
    """
    step = None
    for step in steps:
        if step.index % every == 0:
            _require_sound(step, usable)
        yield step
    if step is not None:
        _require_sound(step, usable)


def _require_sound(step: Step, usable: Callable[[], bool]) -> None:
    advice = f"lower the learning rate (it was {step.rate:g})"
    if not bool(torch.isfinite(step.loss)):
        raise Diverged(f"the loss at step {step.index} is {float(step.loss)}; {advice}")
    if not usable():
        raise Diverged(f"the weights after step {step.index} are no usable numbers; {advice}")


def validated(
    steps: Iterable[Step], validate: Callable[[], Validation], every_seconds: float
) -> Iterator[Step]:
    """Attach a validation to the first step and to one every so many seconds.

    More rarely where they would take a large share of the time, or be more than a plot can show.
    """
    begun = time.monotonic()
    due = begun
    for step in steps:
        now = time.monotonic()
        if now >= due:
            step = replace(step, validation=validate())
            cost = time.monotonic() - now
            fewest = (now - begun) / MOST_VALIDATIONS
            due = now + max(every_seconds, cost / VALIDATION_SHARE, fewest)
        yield step


def checkpointed(
    steps: Iterable[Step], save: Callable[[int], None], every_seconds: float, decay: float
) -> Iterator[Step]:
    """Call `save(next step)` every so many seconds and when the run ends or is stopped.

    Not during the decay: what resumes is the constant-rate state as the decay began, from which the
    run may also go on longer than first planned. A run that fails saves nothing more: the last good
    state stays.
    """
    due, following, decaying = time.monotonic() + every_seconds, None, False
    try:
        for step in steps:
            begins = not decaying and step.progress >= 1 - decay
            if begins or (not decaying and time.monotonic() >= due):
                save(step.index + 1)
                due = time.monotonic() + every_seconds
            decaying = decaying or begins
            following = None if decaying else step.index + 1
            yield step
    except GeneratorExit:
        if following is not None:
            save(following)
        raise
    if following is not None:
        save(following)
