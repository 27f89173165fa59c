"""The training loop as a generator, and each of its wrappers alone."""

import contextlib
import itertools
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from n2n.losses import l2
from n2n.schedules import Budget, Schedule
from n2n.training import Step, train
from tests.tiny import one_thread, random_picture  # noqa: F401  a fixture
from tests.toy_runs import Clock, line, told_clock  # noqa: F401  a fixture


def batches() -> Iterator[tuple[Tensor, Tensor]]:
    """Learn y = 2x."""
    for step in itertools.count():
        source = random_picture(4, 1, 4, 4, seed=step)
        yield source, 2 * source


def run(model: nn.Module, count: int, **settings: float) -> Iterator[Step]:
    optimizer = torch.optim.SGD(model.parameters(), lr=123.0)  # the schedule's rate comes instead
    schedule = Schedule(**{"rate": 0.5, "budget": Budget(steps=count), **settings})
    return train(model, batches(), optimizer, l2, schedule=schedule)


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


def test_an_interruption_ends_a_step_of_many_evaluations() -> None:
    """A step of LBFGS evaluates the loss up to 20 times: one that is cut short does no more."""
    model, budget, count = line(), Budget(steps=3), []

    def cutting(estimate: Tensor, target: Tensor, progress: float) -> Tensor:
        count.append(1)
        budget.is_cut_short = len(count) == 5
        return l2(estimate, target)

    optimizer = torch.optim.LBFGS(model.parameters(), max_iter=20, tolerance_change=0)
    assert list(train(model, batches(), optimizer, cutting, schedule=Schedule(0.01, budget))) == []
    assert len(count) == 5


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


def test_seconds_end_a_run(clock: Clock) -> None:
    model = line()
    taken = []
    for step in run(model, 0, budget=Budget(seconds=5)):
        taken.append(step.progress)
        clock.now += 1
    assert taken == [0, 0.2, 0.4, 0.6, 0.8]
