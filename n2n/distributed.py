"""A training run in several processes (`torchrun -m n2n train ...`); alone, this does nothing.

Rank 0 leads: it plans, saves and prints as a single process would, and tells the others what to do
next. The batch of a step is drawn by its key in every process, which takes its share of it. Losses
are means over images and the shares are equal, so that with gradients averaged (PyTorch's
DistributedDataParallel) all take the very step that one would take on the whole batch: the number
of processes changes no run.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from copy import copy
from enum import IntEnum

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from n2n.losses import Loss
from n2n.processes import LEADER, PeerLost, count, leads, peers, rank, share
from n2n.schedules import Rates
from n2n.training import Diverged, Step, Validation
from n2n.validation import Validator

Batch = tuple[Tensor, Tensor]


class Order(IntEnum):
    """What rank 0 has all do next."""

    END, STEP, VALIDATE = range(3)


def _tell(order: Order, rate: float = 0.0, progress: float = 0.0) -> list[float]:
    """Rank 0 says what to do; the others hear it."""
    message = torch.tensor([order, rate, progress], dtype=torch.float64)
    with peers():
        dist.broadcast(message, LEADER)
    heard: list[float] = message.tolist()
    return heard


class Led:
    """The plan of rank 0, told to the others step by step, since their clocks differ."""

    is_cut_short = False  # by nobody: the others would wait for the rest of the step

    def __init__(self, plan: Rates) -> None:
        self.plan = plan

    def at(self, step: int) -> tuple[float, float]:
        """As the plan has it."""
        rate, progress = self.plan.at(step)
        if progress < 1.0:
            _tell(Order.STEP, rate, progress)
        return rate, progress


class Followed:
    """The plan of a process that does not lead: what rank 0 says, which may also be to validate."""

    is_cut_short = False

    def __init__(self, validate: Callable[[], object]) -> None:
        self.validate = validate

    def at(self, step: int) -> tuple[float, float]:
        """The rate and progress of the step that rank 0 takes now."""
        while True:
            order, rate, progress = _tell(Order.END)
            if order == Order.STEP:
                return rate, progress
            if order == Order.END:
                return 0.0, 1.0
            with suppress(Diverged):  # rank 0 says what follows from it
                self.validate()


def follow(steps: Iterable[Step], save: Callable[[], None], part: float) -> None:
    """Take the steps that rank 0 takes; where it is lost, keep the state, which is the same.

    But not after the first `part` of the run, as `checkpointed` has it.
    """
    progress = 1.0
    try:
        for step in steps:
            progress = step.progress
    except PeerLost:
        if progress < part:
            save()
        raise


@contextmanager
def leading() -> Iterator[None]:
    """When rank 0 leaves, the work of the others ends."""
    try:
        yield
    finally:
        if count() > 1 and leads():
            with suppress(PeerLost):
                _tell(Order.END)


def require_shares(batch: int, model: nn.Module) -> None:
    """Refuse what would make the run depend on the number of processes.

    Raises:
        ValueError: the batch does not divide, or the network looks at the batch as a whole.
    """
    if batch % count():
        raise ValueError(
            f"a batch of {batch} does not divide among {count()} processes; "
            f"give a --batch that is a multiple of {count()}"
        )
    if count() > 1 and any(isinstance(layer, _BatchNorm) for layer in model.modules()):
        raise ValueError(
            "batch normalisation looks at the whole batch; train in one process, without torchrun, "
            "or choose a network without it"
        )


def led(plan: Rates) -> Rates:
    """The plan; where there are other processes to lead, they are told."""
    return Led(plan) if count() > 1 and leads() else plan


def parallel(model: nn.Module) -> nn.Module:
    """The network as it is trained: its gradients are the means of those of all processes."""
    return model if count() == 1 else DistributedDataParallel(model)


def parts(batches: Iterable[Batch]) -> Iterator[Batch]:
    """This process's equal share of each batch."""
    for source, target in batches:
        size = len(source) // count()
        own = slice(rank() * size, (rank() + 1) * size)
        yield source[own], target[own]


class _Mean(torch.autograd.Function):
    """The mean of a number over all processes; backwards the gradient of the own one.

    DistributedDataParallel takes the mean of those.
    """

    @staticmethod
    def forward(ctx: object, value: Tensor) -> Tensor:
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / count()

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> Tensor:
        return gradient


def joint(loss: Loss) -> Loss:
    """The loss of the whole batch, the same number in all processes: LBFGS decides by it."""
    if count() == 1:
        return loss

    def mean(estimate: Tensor, target: Tensor, progress: float) -> Tensor:
        value: Tensor = _Mean.apply(loss(estimate, target, progress))  # type: ignore[no-untyped-call]
        return value

    return mean


def validated(validator: Validator, network: Callable[[Tensor], Tensor], loss: Loss) -> Validation:
    """What the validator finds, each picture looked at by one process and told to all.

    Raises:
        Diverged: in all processes, where one of them finds so.
    """
    if count() == 1:
        return validator(network, loss)
    if leads():
        _tell(Order.VALIDATE)
    part = copy(validator)
    part.pictures = list(share(validator.pictures))
    sums = torch.zeros(3, dtype=torch.float64)
    error = Diverged("the network's output is no picture any more; lower the rate")
    try:
        if part.pictures:
            found = part(network, loss)
            sums = len(part) * torch.tensor([found.loss, found.psnr_db, 1.0], dtype=torch.float64)
    except Diverged as caught:
        error, sums = caught, sums + torch.nan
    with peers():
        dist.all_reduce(sums)
    if bool(sums.isnan().any()):
        raise error
    total_loss, total_db, pictures = sums.tolist()
    return Validation(total_loss / pictures, total_db / pictures)


def watched(steps: Iterable[Step]) -> Iterator[Step]:
    """The steps; `PeerLost` where another process is no longer there to take one."""
    with peers():
        yield from steps
