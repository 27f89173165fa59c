"""Runs that owe something to an earlier one: weights to begin with, or a teacher."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tests.tiny import assert_same, one_thread, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, TINY, run_of


def test_a_run_begins_with_the_weights_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    first = run_of(replace(CONFIG, seed=5))
    first.save_weights(path)
    run = run_of(held_out=1)
    run.start_from(path)
    for network in (run.model, run.result):
        for name, tensor in first.result.state_dict().items():
            assert torch.equal(network.state_dict()[name], tensor.half().float())
    rates = [step.rate for step in run.steps()]
    assert rates[:3] == pytest.approx([CONFIG.rate / 3, CONFIG.rate * 2 / 3, CONFIG.rate])


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "first.safetensors"
    run_of().save_weights(path)
    other = run_of(replace(CONFIG, model_kwargs={**TINY, "widths": [4, 5]}))
    before = {name: tensor.clone() for name, tensor in other.model.state_dict().items()}
    with refused("first.safetensors is a residual-unet of", "[4, 6]", "the run trains fast"):
        other.start_from(path)
    assert_same(before, dict(other.model.state_dict()))
    other.save(path)
    with refused("first.safetensors does not say which network it belongs to"):
        other.start_from(path)


@pytest.mark.parametrize(
    "change", [{"teacher": "best"}, {"targets": "teacher"}, {"targets": "clean", "teacher": "best"}]
)
def test_a_teacher_and_its_targets_go_together(change: dict[str, Any]) -> None:
    with refused("go together"):
        replace(CONFIG, **change)


def test_a_teacher_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with refused("unknown model 'worst'"):
        run_of(replace(CONFIG, targets="teacher", teacher="worst"))
    with refused("there is no file"):
        run_of(replace(CONFIG, targets="teacher", teacher=str(tmp_path / "a.safetensors")))


@pytest.fixture
def teacher(tmp_path: Path) -> str:
    """A network that returns its input."""
    run = run_of()
    nn.init.zeros_(run.result.head.weight)
    run.save_weights(tmp_path / "teacher.safetensors")
    return str(tmp_path / "teacher.safetensors")


def test_a_student_learns_its_teacher(teacher: str) -> None:
    """One that returns its input has nothing to learn from one that does, file step or not."""
    config = replace(CONFIG, targets="teacher", teacher=teacher, loss="l2", exposure=0.5)
    same = [float(step.loss) for step in run_of(replace(config, initialization="zeros")).steps()]
    assert same == [0.0] * 12
    run = run_of(replace(config, rate=1e-2, steps=150))
    losses = [float(step.loss) for step in run.steps()]
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) / 4


def test_a_teacher_changes_no_sample(teacher: str) -> None:
    """Batches stay keyed by (seed, step): the sources are those of a run without a teacher."""
    plain = run_of()
    taught = run_of(replace(CONFIG, targets="teacher", teacher=teacher))
    for step in (0, 7):
        assert torch.equal(taught.pairs.at(step)[0], plain.pairs.at(step)[0])
