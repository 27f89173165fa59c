"""What wraps a run, each alone: average, guard, validation, checkpoints."""

import itertools
import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import nn

from n2n.training import (
    Diverged,
    Health,
    OutOfMemory,
    Step,
    Validation,
    averaged,
    averaged_model,
    checkpointed,
    guarded,
    recovered,
    taught,
    validated,
    within_memory,
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
    assert len(list(guarded(ready_made(50), line(6e4)))) == 50


@pytest.mark.parametrize("value", [math.nan, math.inf, -7e4])  # half precision ends at 65504
def test_weights_that_are_lost_stop_a_run_whose_loss_is_fine(value: float) -> None:
    model = line()
    steps = guarded(ready_made(20), model, every=4)
    assert [step.index for step in itertools.islice(steps, 6)] == list(range(6))
    nn.init.constant_(model.weight, value)
    assert [step.index for step in itertools.islice(steps, 2)] == [6, 7]
    with pytest.raises(Diverged, match=r"^the weights after step 8 are no usable.*0\.1\)$"):
        next(steps)


def test_the_guard_looks_once_more_at_the_end() -> None:
    model = line()
    steps = guarded(ready_made(7), model, every=100)
    list(itertools.islice(steps, 7))
    nn.init.constant_(model.weight, math.nan)
    with pytest.raises(Diverged, match="after step 6"):
        next(steps)


# ---- what a lost run keeps ----


def scored(scores: dict[int, float]) -> Iterator[Step]:
    for step in ready_made(10):
        found = Validation(0.1, scores[step.index]) if step.index in scores else None
        yield replace(step, validation=found)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ({}, 0),  # as it was at first
        ({2: 20.0, 4: 25.0}, 5),
        ({2: 20.0, 4: 25.0, 6: 24.5}, 7),  # within a dB of the best
        ({2: 20.0, 4: 25.0, 6: 3.0}, 5),  # it was being lost already
    ],
)
def test_a_lost_run_goes_back_to_its_last_good_average(scores: dict[int, float], kept: int) -> None:
    model = line()
    average = averaged_model(model, 0.0)

    def failing() -> Iterator[Step]:
        for step in scored(scores):
            nn.init.constant_(model.weight, step.index + 1)
            average.update_parameters(model)
            yield step
        nn.init.constant_(model.weight, math.nan)
        average.update_parameters(model)
        raise Diverged("lost")

    with pytest.raises(Diverged):
        list(recovered(failing(), average, model, Health()))
    assert float(average.module.weight.detach()) == kept


def test_so_does_one_that_is_stopped_before_anyone_noticed() -> None:
    model = line()
    average = averaged_model(model, 0.0)
    steps = recovered(scored({2: 20.0}), average, model, Health())
    list(itertools.islice(steps, 5))
    for broken in (model, average.module):
        nn.init.constant_(broken.weight, math.nan)
    steps.close()
    assert float(average.module.weight.detach()) == 0


def looks(*scores: float) -> Iterator[Step]:
    for step, score in zip(ready_made(len(scores)), scores, strict=True):
        yield replace(step, validation=Validation(0.1, score))


def test_a_network_that_stays_bad_is_a_divergence() -> None:
    health = Health()
    assert [health.see(step) for step in looks(20, 25, 24.5, 16, 14, 20, 13, 14)] == [
        *(True, True, True),
        *(False, False, False, False, False),  # never three in a row below 15
    ]
    assert health.lost_looks == 2
    with pytest.raises(
        Diverged, match=r"^the PSNR fell from 25.0 to 3.0 dB by step 0; lower .*1\)$"
    ):
        health.see(next(looks(3)))


def test_perfect_pictures_are_no_measure() -> None:
    """Of noise of no strength the first network may leave nothing; 55 dB is not lost."""
    health = Health()
    assert [health.see(step) for step in looks(math.inf, 55, 55, 55)] == [True, False, False, False]


# ---- distilling ----


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_teacher_sees_what_the_student_sees(dtype: torch.dtype) -> None:
    source = random_picture(2, 1, 4, 4)
    autocast = torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16)
    batches = taught(itertools.repeat((source, -source)), line(3.0), autocast)
    for seen, target in itertools.islice(batches, 2):
        assert seen is source
        expected = (3 * source.to(dtype)).float()
        assert torch.equal(target, expected)
        assert not target.is_inference()
        assert not target.requires_grad


def test_validation_comes_first_and_then_by_time(clock: Clock) -> None:
    scores = itertools.count(30)
    validations = []
    for step in validated(ready_made(7), lambda: Validation(0.1, next(scores)), every_seconds=10):
        validations.append(step.validation.psnr_db if step.validation else None)
        clock.now += 4
    assert validations == [30, None, None, 31, None, None, 32]


def test_validation_takes_a_small_share_of_the_time(clock: Clock) -> None:
    """A step takes 0.1 s and a look 3 s: at most 15 of 100 seconds go into looks."""

    def look() -> Validation:
        clock.now += 3
        return Validation(0.1, 30)

    begun, looks = clock.now, 0
    for step in validated(ready_made(2000), look, every_seconds=0.5):
        looks += step.validation is not None
        clock.now += 0.1
    assert 0.13 < 3 * looks / (clock.now - begun) < 0.16


def test_a_long_run_is_validated_more_rarely(clock: Clock) -> None:
    looks = []
    for step in validated(ready_made(10_000), lambda: Validation(0.1, 30), every_seconds=1):
        looks += [clock.now] if step.validation else []
        clock.now += 1
    gaps = [after - before for before, after in itertools.pairwise(looks)]
    assert gaps[:400] == [1] * 400
    assert gaps[-1] == pytest.approx(10_000 / 500, rel=0.1)


# Saves are (next step) numbers: what a resumed run begins with.


def test_checkpoints_by_time_and_at_the_end(clock: Clock) -> None:
    saved: list[int] = []
    for _ in checkpointed(ready_made(8), saved.append, every_seconds=10):
        clock.now += 4
    assert saved == [4, 7, 8]


@pytest.mark.usefixtures("clock")
def test_a_stopped_run_is_saved() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(8), saved.append, every_seconds=10)
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
        list(checkpointed(failing(), saved.append, every_seconds=10))
    assert saved == []


@pytest.mark.usefixtures("clock")
def test_a_run_stopped_before_its_first_step_saves_nothing() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(3), saved.append, every_seconds=10)
    steps.close()
    list(checkpointed(ready_made(0), saved.append, every_seconds=10))
    assert saved == []


def test_the_checkpoint_freezes_where_its_part_ends(clock: Clock) -> None:
    """Of ten steps the last four are not saved: what is kept is the state at the first of them."""
    saved: list[int] = []
    for _ in checkpointed(ready_made(10), saved.append, every_seconds=10, part=0.6):
        clock.now += 100
    assert saved[-1] == 7
    assert saved == sorted(set(saved))


@pytest.mark.usefixtures("clock")
def test_a_stop_after_that_keeps_the_frozen_state() -> None:
    saved: list[int] = []
    steps = checkpointed(ready_made(10), saved.append, every_seconds=10, part=0.6)
    for step in steps:
        if step.index == 8:
            steps.close()
    assert saved == [7]


def failing(error: Exception) -> Iterator[Step]:
    yield from ready_made(2)
    raise error


# As the CPU's allocator words it, which has no class of its own.
CPU = "[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."


@pytest.mark.parametrize(
    "error", [torch.OutOfMemoryError("CUDA out of memory."), MemoryError(), RuntimeError(CPU)]
)
def test_a_step_without_memory_says_what_to_do(error: Exception) -> None:
    steps = within_memory(failing(error))
    assert [step.index for step in itertools.islice(steps, 2)] == [0, 1]
    with pytest.raises(OutOfMemory, match="smaller batch or crop"):
        next(steps)


def test_other_failures_of_a_step_keep_their_words() -> None:
    with pytest.raises(RuntimeError, match="sizes differ"):
        list(within_memory(failing(RuntimeError("sizes differ"))))


def test_the_allocator_of_the_cpu_speaks_of_memory() -> None:
    """The words that `within_memory` looks for are PyTorch's."""

    def greedy() -> Iterator[Step]:
        torch.empty(1 << 55)
        yield from ready_made(1)

    with pytest.raises(OutOfMemory):
        list(within_memory(greedy()))
