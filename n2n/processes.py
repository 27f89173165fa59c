"""One piece of work in several processes, as `torchrun` starts them; alone, this does nothing.

They share a folder (`share`, `pooled`) or a training run (`n2n.distributed`).
"""

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

T = TypeVar("T")
LEADER = 0
# A lost process shows by its broken connection; those who share a folder may wait for long.
PATIENCE, HEARD_WITHIN_SECONDS = timedelta(hours=12), 2.0


class PeerLost(RuntimeError):
    """Another process is no longer there."""


def count() -> int:
    """How many processes there are."""
    return dist.get_world_size() if _are_joined() else 1


def rank() -> int:
    """The number of this one, from 0."""
    return dist.get_rank() if _are_joined() else LEADER


def _are_joined() -> bool:
    return dist.is_available() and dist.is_initialized()


def leads() -> bool:
    """Whether this process is the one that prints and writes."""
    return rank() == LEADER


@contextmanager
def joined(device: str = "auto") -> Iterator[None]:
    """Inside, be one of the processes that `torchrun` started, if it did: only rank 0 is heard.

    Args:
        device: what they were told to use; on "cpu" no GPU counts.

    Raises:
        ValueError: there are more processes than GPUs.
    """
    if _are_joined() or "RANK" not in os.environ or os.environ.get("WORLD_SIZE", "1") == "1":
        yield
        return
    # What is said goes over the CPU in any case: it must not wait for a GPU.
    backend = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
    dist.init_process_group(backend, timeout=PATIENCE)
    with ExitStack() as stack:
        stack.callback(dist.destroy_process_group)
        with unanimous():
            _settle(0 if device.partition(":")[0] == "cpu" else torch.cuda.device_count())
        if not leads():
            nowhere = stack.enter_context(open(os.devnull, "w"))
            stack.enter_context(redirect_stdout(nowhere))
            stack.enter_context(redirect_stderr(nowhere))
        yield


def _settle(gpus: int) -> None:
    """Among the processes of this machine: one of its GPUs for each, and a part of the cores."""
    neighbours = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    torch.set_num_threads(max(1, torch.get_num_threads() // neighbours))
    if 0 < gpus < neighbours:
        raise ValueError(f"give a --nproc-per-node of at most {gpus}, the number of GPUs")
    if gpus:
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))


@contextmanager
def unanimous() -> Iterator[None]:
    """What fails inside in any process fails in all, and rank 0 raises it for all."""
    if count() == 1:
        yield
        return
    error: Exception | None = None
    try:
        yield
    except Exception as caught:
        error = caught
    errors = _gathered(None if error is None else str(error))
    for number, text in enumerate(errors):
        if text is not None:
            if not leads():
                raise SystemExit(1) from error
            raise error or RuntimeError(f"process {number} of {count()}: {text}")


def require_same(what: str, value: object) -> None:
    """Refuse to begin where processes differ, as machines with other files would.

    Raises:
        ValueError: another process has another `value`.
    """
    with unanimous():
        for number, other in enumerate(_gathered(value)):
            if other != value:
                raise ValueError(f"process {number} has other {what} than process {rank()}")


def share(items: Sequence[T]) -> Sequence[T]:
    """This process's part of `items`."""
    return items[rank() :: count()]


def pooled(items: Iterable[T]) -> Iterator[T]:
    """The own items as they come, then those of the other processes."""
    own = []
    for item in items:
        own.append(item)
        yield item
    for number, others in enumerate(_gathered(own)):
        if number != rank():
            yield from others


def _gathered(value: T) -> list[T]:
    """What each process gives, by rank."""
    if count() == 1:
        return [value]
    values: list[Any] = [None] * count()
    with peers():
        dist.all_gather_object(values, value)
    return values


@contextmanager
def peers() -> Iterator[None]:
    """A broken connection is a lost process: raised in one of those left, the others end silently.

    Raises:
        PeerLost: another process was lost, and it is for this one to tell.
    """
    try:
        yield
    except RuntimeError as error:
        if not isinstance(error, dist.DistError) and "gloo" not in str(error):
            raise
        if _another_tells():
            raise SystemExit(1) from error
        raise PeerLost("another process of this run was lost") from error


def _another_tells() -> bool:
    """Rank 0 tells of a loss; where that is what was lost, the first to come."""
    store, key = dist.distributed_c10d._get_default_store(), "n2n told"
    if leads():
        store.set(key, "1")
        return False
    with suppress(RuntimeError):  # the store may have been lost, too
        until = time.monotonic() + HEARD_WITHIN_SECONDS
        while time.monotonic() < until:
            if store.check([key]):
                return True
            time.sleep(0.05)
        return bool(store.add(key, 1) > 1)
    return False
