"""A training run is a generator: `train` steps, and what else a run needs wraps it.

The caller logs, plots, saves, or stops by closing the generator.
"""

import math
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from n2n.losses import Loss
from n2n.processes import PeerLost
from n2n.schedules import Rates

HALF_MAX = torch.finfo(torch.half).max  # weight files are at half precision
# By how much a validation may be below the best one: of a good network, and of one not yet lost.
FALLEN_DB, LOST_DB, LOST_LOOKS = 1.0, 10.0, 3
PERFECT_DB = 60.0  # more cannot be told from it at 8 bit

# A look at a run takes at most this share of its time, and no run is looked at more often than
# a plot can show.
VALIDATION_SHARE = 0.15
MOST_VALIDATIONS = 500


@dataclass(frozen=True)
class Validation:
    """Scores on held-out photos: loss, and PSNR (convention A) of 8-bit output.

    The loss is the run's own as it was at the beginning, so that all of a run's compare.
    """

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


class _InterruptedError(Exception):
    """The one who steps asked for an end within a step."""


class Diverged(RuntimeError):
    """The loss or the weights are no longer usable numbers."""


class OutOfMemory(RuntimeError):
    """A step needs more memory than the device has."""


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

    `start` is the number of the first step, where a run goes on. The schedule is asked before each
    evaluation of the loss, of which a step of LBFGS has many, whether the step should end there.
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
            if schedule.is_cut_short:
                raise _InterruptedError
            optimizer.zero_grad(set_to_none=True)
            with autocast:
                estimate = model(source)  # noqa: B023  the closure never outlives its step
            value = loss(estimate.float(), target, progress)  # noqa: B023
            value.backward()  # type: ignore[no-untyped-call]
            return value

        try:
            value = optimizer.step(closure)  # type: ignore[arg-type]
        except _InterruptedError:
            return
        yield Step(index, torch.as_tensor(value).detach(), rate, progress)


@contextmanager
def told_of_memory() -> Iterator[None]:
    """Say what to do when a step finds no memory; PyTorch tells it otherwise on each device."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        is_memory = isinstance(error, torch.OutOfMemoryError | MemoryError)
        if not is_memory and "allocate memory" not in str(error):
            raise
        raise OutOfMemory(
            "a step needs more memory than there is; take a smaller batch or crop"
        ) from error


def within_memory(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps; `OutOfMemory` where one finds none."""
    with told_of_memory():
        yield from steps


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
    def lerp(kept: list[Tensor], current: list[Tensor], _: Tensor | int) -> None:
        count = int(average.n_averaged)  # the one in memory: a GPU's would be waited for
        torch._foreach_lerp_(kept, current, 1 - min(decay, (1 + count) / (10 + count)))

    average = AveragedModel(model, multi_avg_fn=lerp)  # type: ignore[arg-type]
    return average


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


def usable(model: nn.Module) -> bool:
    """Whether all weights are finite, and small enough for a weight file."""
    largest = torch.stack([weight.detach().abs().amax() for weight in model.parameters()])
    return bool((largest <= HALF_MAX).all())  # False for NaN


def guarded(
    steps: Iterable[Step], model: nn.Module | None = None, every: int = 20
) -> Iterator[Step]:
    """Stop with `Diverged` when the loss is NaN or infinite, or the weights are not usable.

    Looks only now and then, and at the end: a look waits for the device.
    """
    step = None
    for step in steps:
        if step.index % every == 0:
            _require_sound(step, model)
        yield step
    if step is not None:
        _require_sound(step, model)


def _require_sound(step: Step, model: nn.Module | None) -> None:
    advice = f"lower the learning rate (it was {step.rate:g})"
    if not bool(torch.isfinite(step.loss)):
        raise Diverged(f"the loss at step {step.index} is {float(step.loss)}; {advice}")
    if model is not None and not usable(model):
        raise Diverged(f"the weights after step {step.index} are no usable numbers; {advice}")


@dataclass
class Health:
    """How a run does, by its validations: the best PSNR, and how many looks in a row found it lost.

    A single bad look may be the optimizer's way; `LOST_LOOKS` of them are a divergence.
    """

    best_db: float = -math.inf
    lost_looks: int = 0

    def see(self, step: Step) -> bool:
        """Whether a validated step's network is good: not far below the best.

        Raises:
            Diverged: it has been lost for several looks.
        """
        assert step.validation is not None
        psnr_db = min(step.validation.psnr_db, PERFECT_DB)
        self.best_db = max(self.best_db, psnr_db)
        self.lost_looks = self.lost_looks + 1 if psnr_db < self.best_db - LOST_DB else 0
        if self.lost_looks >= LOST_LOOKS:
            raise Diverged(
                f"the PSNR fell from {self.best_db:.1f} to {psnr_db:.1f} dB by step {step.index}; "
                f"lower the learning rate (it was {step.rate:g})"
            )
        return psnr_db > self.best_db - FALLEN_DB


def recovered(
    steps: Iterable[Step], average: AveragedModel, model: nn.Module, health: Health
) -> Iterator[Step]:
    """When the run is lost, put the average back to what it was at the last good validation.

    Or to what it was at first, where none was good.
    """
    good = _copied(average)
    try:
        for step in steps:
            if step.validation is not None and health.see(step):
                good = _copied(average)
            yield step
    except Diverged:
        average.load_state_dict(good)
        raise
    finally:
        if not usable(model):
            average.load_state_dict(good)


def _copied(average: AveragedModel) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in average.state_dict().items()}


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
    steps: Iterable[Step], save: Callable[[int], None], every_seconds: float, part: float = 1.0
) -> Iterator[Step]:
    """Call `save(next step)` every so many seconds and when the run ends or is stopped.

    But not after the first `part` of the run (see `TrainConfig.saved_part`), at whose end it is
    called once more. A run that fails saves nothing more: the last good state stays. One that lost
    a process is sound itself, and is saved as if it were stopped.
    """
    due, following, ending = time.monotonic() + every_seconds, None, False
    try:
        for step in steps:
            ends = not ending and step.progress >= part
            if ends or (not ending and time.monotonic() >= due):
                save(step.index + 1)
                due = time.monotonic() + every_seconds
            ending = ending or ends
            following = None if ending else step.index + 1
            yield step
    except (GeneratorExit, PeerLost):
        if following is not None:
            save(following)
        raise
    if following is not None:
        save(following)
