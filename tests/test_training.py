"""The training loop as a generator, and each of its wrappers alone."""

import contextlib
import itertools
import math
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from n2n import training
from n2n.losses import l2
from n2n.training import (
    Budget,
    Diverged,
    Schedule,
    Step,
    Validation,
    averaged,
    averaged_model,
    checkpointed,
    guarded,
    train,
    validated,
)
from tests.tiny import one_thread, random_picture  # noqa: F401  a fixture


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture(name="clock")
def told_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(training, "time", clock)
    return clock


def line(slope: float = 0.0) -> nn.Module:
    """y = slope · x for each pixel."""
    model = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(model.weight, slope)
    return model


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Learn y = 2x."""
    for step in itertools.count():
        source = random_picture(4, 1, 4, 4, seed=step)
        yield source, 2 * source


def run(model: nn.Module, count: int, **settings: float) -> Iterator[Step]:
    optimizer = torch.optim.SGD(model.parameters(), lr=123.0)  # the schedule's rate comes instead
    schedule = Schedule(**{"rate": 0.5, "budget": Budget(steps=count), **settings})
    return train(model, batches(), optimizer, l2, schedule=schedule)


def ready_made(count: int, losses: dict[int, float] | None = None) -> Iterator[Step]:
    """Steps as `train` would give them, progress from 0 on."""
    for index in range(count):
        loss = torch.tensor((losses or {}).get(index, 1.0))
        yield Step(index, loss, rate=0.1, progress=index / count)


# ---- train ----


def test_the_loss_falls_to_nothing() -> None:
    model = line()
    losses = [float(step.loss) for step in run(model, 60)]
    assert losses[-1] < 1e-6 < 0.1 < losses[0]
    assert float(model.weight.detach()) == pytest.approx(2, abs=1e-3)


def test_steps_come_one_by_one_and_in_order() -> None:
    """Between two steps the caller has the turn: nothing is trained ahead."""
    model = line()
    seen = []
    for step in run(model, 5, rate=0.1):
        # The step's own loss was taken before its update, so by hand from the weight then.
        seen.append((step.index, float(model.weight.detach())))
        assert not step.loss.requires_grad
    assert [index for index, _ in seen] == [0, 1, 2, 3, 4]
    slope = 0.0
    for index, found in seen:
        power = float(random_picture(4, 1, 4, 4, seed=index).square().mean())
        slope -= 0.1 * 2 * (slope - 2) * power
        assert found == pytest.approx(slope, rel=1e-5)


def test_nothing_happens_before_the_first_turn() -> None:
    model = line()
    steps = run(model, 5)
    assert float(model.weight.detach()) == 0
    next(steps)
    assert float(model.weight.detach()) != 0


def test_closing_leaves_a_usable_state() -> None:
    model = line()
    steps = run(model, 60)
    for step in steps:
        if step.index == 9:
            steps.close()
    ten = float(model.weight.detach())
    reference = line()
    assert [step.index for step in run(reference, 60)][-1] == 59
    ten_of_reference = line()
    for _ in itertools.islice(run(ten_of_reference, 60), 10):
        pass
    assert ten == float(ten_of_reference.weight.detach()) != float(reference.weight.detach())
    assert model(torch.ones(1, 1, 1, 1)).item() == ten


def test_a_run_may_begin_at_a_later_step() -> None:
    model = line()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    schedule = Schedule(0.5, Budget(steps=10))
    steps = list(train(model, batches(), optimizer, l2, schedule=schedule, start=7))
    assert [step.index for step in steps] == [7, 8, 9]
    assert [step.progress for step in steps] == [0.7, 0.8, 0.9]


def test_the_schedule_rules_the_optimizer() -> None:
    steps = list(run(line(), 10, rate=0.5, warmup_steps=1, decay=0.5))
    assert [step.rate for step in steps] == pytest.approx(
        [0.25, 0.5, 0.5, 0.5, 0.5, 0.5, 0.4, 0.3, 0.2, 0.1]
    )


def test_the_model_trains_in_training_mode() -> None:
    model = line().eval()
    next(run(model, 2))
    assert model.training


def test_the_loss_learns_of_the_progress() -> None:
    progress = []

    def loss(estimate: Tensor, target: Tensor, part: float) -> Tensor:
        progress.append(part)
        return l2(estimate, target)

    model = line()
    optimizer = torch.optim.SGD(model.parameters())
    list(train(model, batches(), optimizer, loss, schedule=Schedule(0.1, Budget(steps=4))))
    assert progress == [0, 0.25, 0.5, 0.75]


def test_the_forward_pass_alone_runs_under_autocast() -> None:
    events = []

    @contextlib.contextmanager
    def watch() -> Iterator[None]:
        events.append("in")
        yield
        events.append("out")

    class Again:
        """As `torch.autocast`: to be entered more than once."""

        def __enter__(self) -> None:
            self.current = watch()
            self.current.__enter__()

        def __exit__(self, *error: object) -> None:
            self.current.__exit__(None, None, None)

    def loss(estimate: Tensor, target: Tensor, progress: float) -> Tensor:
        events.append("loss")
        assert estimate.dtype == torch.float32
        return l2(estimate, target)

    model = line()
    optimizer = torch.optim.SGD(model.parameters())
    schedule = Schedule(0.1, Budget(steps=2))
    list(train(model, batches(), optimizer, loss, schedule=schedule, autocast=Again()))
    assert events == ["in", "out", "loss"] * 2


# ---- schedule and budget ----


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.2), (1, 0.4), (3, 0.8), (4, 1.0), (50, 1.0), (80, 1.0), (90, 0.5), (99, 0.05)],
)
def test_rates_by_hand(step: int, rate: float) -> None:
    """Four steps of warm-up, constant, then down over the last fifth."""
    schedule = Schedule(1.0, Budget(steps=100), warmup_steps=4, decay=0.2)
    assert schedule.at(step) == pytest.approx((rate, step / 100))


def test_without_decay_the_rate_stays() -> None:
    schedule = Schedule(0.3, Budget(steps=10))
    assert {schedule.at(step)[0] for step in range(10)} == {0.3}
    assert Schedule(0.3, Budget()).at(10**9) == (0.3, 0.0)


def test_a_budget_of_steps() -> None:
    budget = Budget(steps=4)
    assert [budget.progress(step) for step in (0, 1, 4, 9)] == [0, 0.25, 1, 1]


def test_a_budget_of_seconds(clock: Clock) -> None:
    budget = Budget(seconds=10)
    assert budget.progress(10**6) == 0
    clock.now += 4
    assert budget.elapsed == 4
    assert budget.progress(0) == 0.4
    clock.now += 100
    assert budget.progress(0) == 1


def test_whichever_limit_is_nearer(clock: Clock) -> None:
    budget = Budget(steps=100, seconds=10, elapsed=3)  # as resumed after three seconds
    assert budget.progress(0) == 0.3
    assert budget.progress(80) == 0.8
    clock.now += 6
    assert budget.progress(80) == 0.9


def test_no_budget_never_ends() -> None:
    assert Budget().progress(10**12) == 0


def test_seconds_end_a_run(clock: Clock) -> None:
    model = line()
    taken = []
    for step in run(model, 0, budget=Budget(seconds=5)):
        taken.append(step.progress)
        clock.now += 1
    assert taken == [0, 0.2, 0.4, 0.6, 0.8]


# ---- what wraps a run ----


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
