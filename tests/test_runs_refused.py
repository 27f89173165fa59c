"""Runs that fail, or cannot be: what was good stays, and one line says why."""

import itertools
import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from n2n import checkpoints
from n2n.runs import Run, TrainConfig
from tests.tiny import CPU, one_thread, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, run_of

# ---- fail safely ----


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    run = run_of()
    run.save(path)
    before = path.read_bytes()
    nn.init.constant_(next(run.model.parameters()), math.nan)
    run.save(path)
    assert path.read_bytes() == before


def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.checkpoint"
    run = run_of()
    steps = run.steps(path)
    list(itertools.islice(steps, 3))
    steps.close()
    before = path.read_bytes()

    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        list(run.steps(path))
    assert path.read_bytes() == before
    assert run_of().resume(path) is None


WRONG = {
    "loss": ({"loss": "l3"}, "unknown loss 'l3'; choose one of l2, l1"),
    "optimizer": ({"optimizer": "lion"}, "unknown optimizer 'lion'; choose one of sgd"),
    "initialization": ({"initialization": "x"}, "unknown initialization 'x'"),
    "noise": ({"noise": "gaussian:loud"}, "is not a noise"),
    "rate 0": ({"rate": 0.0}, "the learning rate must be positive"),
    "rate nan": ({"rate": math.nan}, "the learning rate must be positive"),
    "rate inf": ({"rate": math.inf}, "the learning rate must be positive"),
    "decay": ({"decay": 1.0}, "decay and average in [0, 1)"),
    "average": ({"average": 1.0}, "decay and average in [0, 1)"),
    "average nan": ({"average": math.nan}, "decay and average in [0, 1)"),
    "no steps": ({"steps": 0}, "at least one step"),
    "no seconds": ({"seconds": 0.0}, "more than 0 seconds"),
    "seconds nan": ({"seconds": math.nan}, "more than 0 seconds"),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=WRONG)
def test_an_impossible_description_is_refused(change: dict[str, Any], message: str) -> None:
    with refused(message):
        replace(CONFIG, **change)


def test_what_only_the_run_can_know_is_refused() -> None:
    with refused("unknown model 'resnet'"):
        run_of(replace(CONFIG, model="resnet"))
    with refused("batch, crop"):
        run_of(replace(CONFIG, batch=0))
    with refused("no whole block of 20×20 px"):
        run_of(replace(CONFIG, noise="point-sampling:20"))
    with refused("at least one photo"):
        Run(CONFIG, [], [], CPU)


def test_a_description_is_plain_data() -> None:
    assert TrainConfig(**json.loads(json.dumps(asdict(CONFIG)))) == CONFIG
