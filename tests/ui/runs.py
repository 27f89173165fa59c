"""Runs that take a moment: tiny networks, few steps, jobs and files of their own."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from n2n import TrainConfig
from n2n.jobs import OVER, Jobs
from n2n.ui.handlers import own, runs, train, train_api
from n2n.ui.handlers.photos import Photo, PhotoSet, photo_set
from n2n.ui.handlers.run_files import RunFiles
from n2n.ui.handlers.runs import Runs
from n2n.ui.handlers.visible_run import Order
from tests.tiny import photo

TINY = {"widths": [4, 6], "blocks": 1, "middle": 1}
CONFIG = TrainConfig(
    model="fast", model_kwargs=TINY, noise="gaussian:25", batch=2, crop_px=16, steps=30, rate=1e-3
)
ENDLESS = replace(CONFIG, steps=None, seconds=600)
PATIENCE_S = 30


def photos(count: int = 3) -> PhotoSet:
    return photo_set([Photo(f"{index}.png", photo(40, 56, index)) for index in range(count)])


def order(config: TrainConfig = CONFIG, **changes: object) -> Order:
    return replace(Order(config, photos()), **changes)


def runs_in(folder: Path, **rules: float) -> Runs:
    rules = {"unattended_seconds": 60, "keep_seconds": 60, "most_waiting": 3} | rules
    return Runs(Jobs(**rules), RunFiles(folder, 3600, 2**30))


def wait_for(fact: Callable[[], object], what: str = "") -> None:
    end = time.monotonic() + PATIENCE_S
    while not fact():
        assert time.monotonic() < end, f"waited in vain for {what or fact}"
        time.sleep(0.01)


def over(found: Runs, run: str) -> bool:
    view = found.view(run)
    return view is not None and view.state in OVER


def put_in_place(found: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the handlers use these runs in place of the server's."""
    for module in (train, train_api):
        monkeypatch.setattr(module, "runs", lambda: found)
    for module in (runs, own):
        monkeypatch.setattr(module, "run_files", lambda: found._files)


def done(found: Runs, mine: list[str]) -> list[str]:
    wait_for(lambda: over(found, mine[0]), "the end of a run")
    return mine
