"""Runs small enough for a test, and a clock that obeys."""

import itertools
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from n2n import live, runs, schedules, training
from n2n.config import TrainConfig
from n2n.live import Event, LiveRun
from n2n.runs import Run
from tests.tiny import CPU, photo

TINY = {"widths": [4, 6], "blocks": 1, "middle": 1}
CONFIG = TrainConfig(
    model="fast", model_kwargs=TINY, batch=2, crop_px=16, steps=12, warmup_steps=2, rate=1e-3
)
PHOTOS = [photo(40, 50, seed) for seed in range(3)]


def run_of(config: TrainConfig = CONFIG, held_out: int = 0) -> Run:
    return Run(config, PHOTOS, [photo(32, 48, 9)] * held_out, CPU)


def line(slope: float = 0.0) -> nn.Module:
    """y = slope · x for each pixel."""
    model = nn.Conv2d(1, 1, 1, bias=False)
    nn.init.constant_(model.weight, slope)
    return model


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture(name="clock")
def told_clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    for module in (live, runs, schedules, training):
        monkeypatch.setattr(module, "time", clock)
    return clock


# ---- the same, live ----

HELD_OUT = [photo(32, 48, 9), photo(24, 24, 10)]
WATCHED = photo(60, 40, 11)
ENDLESS = replace(CONFIG, steps=None, noise="gaussian:25")


def live_run(config: TrainConfig = CONFIG, **options: Any) -> LiveRun:  # noqa: ANN401
    return LiveRun(config, PHOTOS, HELD_OUT, watched=WATCHED, placement=CPU, **options)


def weights_of(live: LiveRun) -> dict[str, torch.Tensor]:
    return {**live.run.model.state_dict(), **live.run.average.state_dict()}


def slowed(live: LiveRun, clock: Clock, step_seconds: float) -> LiveRun:
    """Every step takes so long."""
    take = live.run.optimizer.step

    def step(closure: Any) -> Any:  # noqa: ANN401
        clock.now += step_seconds
        return take(closure)

    live.run.optimizer.step = step  # type: ignore[method-assign]
    return live


def events_until(live: LiveRun, step: int) -> list[Event]:
    return list(itertools.takewhile(lambda event: event.row.step <= step, live.events()))
