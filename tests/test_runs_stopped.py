"""What a stopped run does: it lands, and its clock stands still."""

import itertools
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from n2n.checkpoints import load_state
from tests.tiny import one_thread  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, Clock, run_of, told_clock  # noqa: F401  a fixture


def test_a_stopped_run_lands(tmp_path: Path, clock: Clock) -> None:
    """Steps of 0.4 s: three fit. The checkpoint stays at the constant rate; the average goes on."""
    path = tmp_path / "run.checkpoint"
    run = run_of(replace(CONFIG, steps=None, average=0.9))
    steps = run.steps(path)
    for _ in itertools.islice(steps, 5):
        clock.now += 0.4
    steps.close()
    run.step_seconds = 0.4
    kept, before = path.read_bytes(), run.result.head.weight.clone()
    landed = []
    for step in run.landing(1.5):
        landed.append((step.index, step.rate))
        clock.now += 0.4
    rates = [CONFIG.rate * (1 - middle / 1.5) for middle in (0.2, 0.6, 1.0)]
    assert landed == [
        (5, pytest.approx(rates[0])),
        (6, pytest.approx(rates[1])),
        (7, pytest.approx(rates[2])),
    ]
    assert path.read_bytes() == kept
    assert not torch.equal(run.result.head.weight, before)
    assert load_state(path)["step"] == 5


def test_a_landing_begins_at_the_present_rate(clock: Clock) -> None:
    """Also in the middle of a warm-up."""
    run = run_of(replace(CONFIG, warmup_steps=9))
    list(itertools.islice(run.steps(), 3))
    assert next(run.landing(1.5)).rate == pytest.approx(CONFIG.rate * 3 / 10)


def test_some_runs_need_no_landing(tmp_path: Path) -> None:
    run = run_of()
    assert list(run.landing()) == []  # not begun
    list(run.steps())
    assert list(run.landing()) == []  # at its end, where the rate has fallen


def test_time_counts_only_while_somebody_steps(clock: Clock) -> None:
    run = run_of(replace(CONFIG, steps=None, seconds=10.0))
    clock.now += 100
    steps = run.steps()
    for _ in itertools.islice(steps, 4):
        clock.now += 1
    steps.close()
    clock.now += 100
    assert run.budget.elapsed == 4
    for _ in run.steps():
        clock.now += 1
    assert run.start == 10
