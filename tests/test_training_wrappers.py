"""What wraps a run, each alone: average, guard, validation, checkpoints."""

import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import nn

from n2n.training import (
    Diverged,
    Step,
    Validation,
    averaged,
    averaged_model,
    checkpointed,
    guarded,
    validated,
)
from tests.tiny import one_thread, random_picture  # noqa: F401  a fixture
from tests.toy_runs import Clock, line, told_clock  # noqa: F401  a fixture


def ready_made(count: int, losses: dict[int, float] | None = None) -> Iterator[Step]:
    """Steps as `train` would give them, progress from 0 on."""
    for index in range(count):
        loss = torch.tensor((losses or {}).get(index, 1.0))
        yield Step(index, loss, rate=0.1, progress=index / count)


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.99])
def test_the_average_by_hand(decay: float) -> None:
    """The first weights count in full; then a·(1 - w) + current·w, w = 1 - min(decay, …)."""
    model = line()
    average = averaged_model(model, decay)
    expected = None
    for count, _ in enumerate(averaged(ready_made(20), average, model)):
        current = float(model.weight.detach())
        share = 1 - min(decay, (1 + count) / (10 + count))
        expected = current if expected is None else expected + share * (current - expected)
        assert float(average.module.weight.detach()) == pytest.approx(expected, rel=1e-5)
        nn.init.constant_(model.weight, math.sin(count))
    assert average.module is not model


def test_the_average_takes_the_newest_batchnorm() -> None:
    model = nn.BatchNorm2d(2)
    average = averaged_model(model, 0.9)
    for step in averaged(ready_made(5), average, model):
        assert torch.equal(average.module.running_mean, model.running_mean)
        model(random_picture(2, 2, 4, 4, seed=step.index))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_lost_run_is_stopped(value: float) -> None:
    """Looked at every fourth step: a NaN at step 5 ends the run at step 8, as NaNs stay."""
    lost = {step: value for step in range(5, 20)}
    steps = guarded(ready_made(20, lost), every=4)
    assert [step.index for step in itertools.islice(steps, 8)] == list(range(8))
    with pytest.raises(Diverged, match=r"^the loss at step 8 is (nan|inf); lower the .*0\.1\)$"):
        next(steps)


def test_a_healthy_run_passes_the_guard() -> None:
    assert [step.index for step in guarded(ready_made(50))] == list(range(50))


def test_validation_comes_first_and_then_by_time(clock: Clock) -> None:
    scores = itertools.count(30)
    validations = []
    for step in validated(ready_made(7), lambda: Validation(0.1, next(scores)), every_seconds=10):
        validations.append(step.validation.psnr_db if step.validation else None)
        clock.now += 4
    assert validations == [30, None, None, 31, None, None, 32]


# Saves are (next step) numbers: what a resumed run begins with.


def test_checkpoints_by_time_and_at_the_end(clock: Clock) -> None:
    saved: list[int] = []
    for _ in checkpointed(ready_made(8), saved.append, every_seconds=10, decay=0):
        clock.now += 4
    assert saved == [4, 7, 8]


@pytest.mark.usefixtures("clock")
def test_a_stopped_run_is_saved() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(8), saved.append, every_seconds=10, decay=0)
    for step in steps:
        if step.index == 2:
            steps.close()
    assert saved == [3]


@pytest.mark.usefixtures("clock")
def test_a_failed_run_is_not_saved() -> None:
    def failing() -> Iterator[Step]:
        yield from ready_made(3)
        raise Diverged("lost")

    saved: list[int] = []
    with pytest.raises(Diverged):
        list(checkpointed(failing(), saved.append, every_seconds=10, decay=0))
    assert saved == []


@pytest.mark.usefixtures("clock")
def test_a_run_stopped_before_its_first_step_saves_nothing() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(3), saved.append, every_seconds=10, decay=0)
    steps.close()
    list(checkpointed(ready_made(0), saved.append, every_seconds=10, decay=0))
    assert saved == []


def test_the_checkpoint_freezes_as_the_decay_begins(clock: Clock) -> None:
    """Of ten steps the last four decay: what is kept is the state at the first of them."""
    saved: list[int] = []
    for _ in checkpointed(ready_made(10), saved.append, every_seconds=10, decay=0.4):
        clock.now += 100
    assert saved[-1] == 7
    assert saved == sorted(set(saved))


@pytest.mark.usefixtures("clock")
def test_a_stop_during_the_decay_keeps_the_frozen_state() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(10), saved.append, every_seconds=10, decay=0.4)
    for step in steps:
        if step.index == 8:
            steps.close()
    assert saved == [7]
