"""A training run is a generator: `train` steps, and what else a run needs wraps it.

The caller logs, plots, saves, or stops by closing the generator.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from n2n.losses import Loss


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
    """The loss is no longer a finite number."""


class Budget:
    """How long a run lasts: so many steps, or so many seconds of wall clock, or no end.

    `elapsed` are the seconds that an earlier part of the same run has used.
    """

    def __init__(
        self, steps: int | None = None, seconds: float | None = None, elapsed: float = 0.0
    ) -> None:
        self.steps, self.seconds = steps, seconds
        self._start = time.monotonic() - elapsed

    @property
    def elapsed(self) -> float:
        """Seconds used so far."""
        return time.monotonic() - self._start

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


def train(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: torch.optim.Optimizer,
    loss: Loss,
    *,
    schedule: Schedule,
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


def guarded(steps: Iterable[Step], every: int = 20) -> Iterator[Step]:
    """Stop with `Diverged` when the loss is NaN or infinite.

    Looks only now and then: a look waits for the device.
    """
    for step in steps:
        if step.index % every == 0 and not bool(torch.isfinite(step.loss)):
            raise Diverged(
                f"the loss at step {step.index} is {float(step.loss)}; lower the learning rate "
                f"(it was {step.rate:g})"
            )
        yield step


def validated(
    steps: Iterable[Step], validate: Callable[[], Validation], every_seconds: float
) -> Iterator[Step]:
    """Attach a validation to the first step and to one at least every so many seconds."""
    due = 0.0
    for step in steps:
        if time.monotonic() >= due:
            step = replace(step, validation=validate())
            due = time.monotonic() + every_seconds
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
