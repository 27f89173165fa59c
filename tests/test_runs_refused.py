"""Runs that fail, or cannot be: what was good stays, and one line says why."""

import itertools
import json
import math
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError
from torch import nn

from n2n import checkpoints
from n2n.checkpoints import load_state, load_weights
from n2n.runs import Run, TrainConfig
from n2n.training import Diverged, usable
from tests.tiny import CPU, assert_same, one_thread, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, run_of

EXPLOSIVE: dict[str, Any] = {
    "optimizer": "sgd",
    "unit_gradient": False,
    "loss": "l2",
    "rate": 1e12,
    "warmup_steps": 0,
}

# ---- fail safely ----


def test_weights_that_are_no_numbers_are_not_saved(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    run = run_of()
    run.save(path)
    before = path.read_bytes()
    nn.init.constant_(next(run.model.parameters()), math.nan)
    run.save(path)
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "error",
    [
        OSError(28, "No space left on device"),
        SafetensorError(
            "Error while serializing: I/O error: No space left on device (os error 28)"
        ),
    ],
)
def test_a_full_disk_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    path = tmp_path / "run.checkpoint"
    run = run_of()
    steps = run.steps(path)
    list(itertools.islice(steps, 3))
    steps.close()
    before = path.read_bytes()
    assert run.trouble is None

    def full_disk(tensors: object, temporary: Path, metadata: object) -> None:
        temporary.write_bytes(b"half of it")
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(checkpoints, "save_file", full_disk)
        steps = run.steps(path, checkpoint_seconds=0.0)
        assert [step.index for step in itertools.islice(steps, 4)] == [3, 4, 5, 6]
        assert run.trouble is not None
        assert re.fullmatch(
            "no checkpoint at step 7, the older one is kept: .*No space left on device.*",
            run.trouble,
        )
        assert str(tmp_path) not in run.trouble
        steps.close()  # on the way out, too, nothing is raised
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    older = run_of()
    older.resume(path)
    assert older.start == 3
    # Once there is room again, all is well.
    assert run.start == 7
    list(itertools.islice(run.steps(path, checkpoint_seconds=0.0), 2))
    assert run.trouble is None
    assert path.read_bytes() != before


@pytest.mark.parametrize("held_out", [0, 1])
def test_a_lost_run_keeps_its_last_good_state(tmp_path: Path, held_out: int) -> None:
    """At a rate that no network survives."""
    run = run_of(replace(CONFIG, **EXPLOSIVE), held_out=held_out)
    checkpoint = tmp_path / "run.checkpoint"
    run.save(checkpoint)
    before = checkpoint.read_bytes()
    with refused("lower the", kind=Diverged):
        list(run.steps(checkpoint, validate_seconds=0.0))
    assert not usable(run.model)
    assert usable(run.result)
    run.save_weights(tmp_path / "kept.safetensors")
    load_weights(tmp_path / "kept.safetensors")
    assert checkpoint.read_bytes() == before


def test_a_run_that_collapses_to_finite_rubbish_is_lost(tmp_path: Path) -> None:
    """Unit steps of a high rate leave every number finite, and the picture grey."""
    config = replace(CONFIG, rate=1.0, warmup_steps=1000, steps=200, average=0.0)
    run = run_of(config, held_out=1)
    path, scores = tmp_path / "run.checkpoint", {}
    with refused("the PSNR fell from", "lower the learning rate", kind=Diverged):
        for step in run.steps(path, validate_seconds=0.0, checkpoint_seconds=0.0):
            assert math.isfinite(step.loss)
            scores |= {step.index: step.validation.psnr_db} if step.validation else {}
    best = max(scores.values())
    assert run.validate().psnr_db > best - 1
    # Since the first look that found it lost, nothing was saved.
    lost = [index for index, psnr_db in scores.items() if psnr_db < best - 10]
    assert load_state(path)["step"] <= lost[-2]


def test_a_run_that_is_lost_unseen_is_not_landed(tmp_path: Path) -> None:
    """Stopped between two looks, when only the weights are NaN: the stop finds out, and says so."""
    run = run_of(replace(CONFIG, steps=1000), held_out=1)
    steps = run.steps(tmp_path / "run.checkpoint")
    list(itertools.islice(steps, 3))
    nn.init.constant_(next(run.model.parameters()), math.nan)
    steps.close()
    assert usable(run.result)
    assert not (tmp_path / "run.checkpoint").exists()
    with pytest.raises(Diverged):
        list(run.landing(0.05))
    assert usable(run.result)


# ---- descriptions ----


WRONG = {
    "loss": ({"loss": "l3"}, "unknown loss 'l3'; choose one of l2, l1"),
    "optimizer": ({"optimizer": "lion"}, "unknown optimizer 'lion'; choose one of sgd"),
    "initialization": ({"initialization": "x"}, "unknown initialization 'x'"),
    "noise": ({"noise": "gaussian:loud"}, "is not a noise"),
    "rate 0": ({"rate": 0.0}, "the learning rate must be positive"),
    "rate nan": ({"rate": math.nan}, "the learning rate must be positive"),
    "rate inf": ({"rate": math.inf}, "the learning rate must be positive"),
    "decay": ({"decay": 1.0}, "decay and average must be in [0, 1)"),
    "average": ({"average": 1.0}, "decay and average must be in [0, 1)"),
    "average nan": ({"average": math.nan}, "decay and average must be in [0, 1)"),
    "exposure": ({"exposure": 1.5}, "exposure and grey are shares"),
    "grey": ({"grey": math.nan}, "exposure and grey are shares"),
    "floor": ({"floor_255": 0.0}, "the floor of log-l2 must be positive, got 0.0"),
    "plain steps": ({"plain_steps": -1}, "plain steps are 0 or more, got -1"),
    "targets": ({"targets": "dirty"}, "unknown targets 'dirty'; choose one of noisy, clean"),
    "warm-up": ({"warmup_steps": -1}, "a warm-up takes 0 steps or more"),
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
