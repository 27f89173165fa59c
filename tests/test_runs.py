"""Whole runs at toy size: they stop, go on exactly, fail safely, and learn from noise alone."""

import itertools
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from n2n.checkpoints import load_state, load_weights, save_state
from n2n.devices import Placement
from n2n.models import MODELS
from n2n.runs import Run, TrainConfig
from n2n.saved import Saved
from tests.tiny import CPU, assert_same, one_thread, photo, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, PHOTOS, TINY, run_of


def state_of(run: Run, folder: Path) -> dict[str, Any]:
    """All that a checkpoint holds but the time."""
    run.save(folder / "state")
    state = load_state(folder / "state")
    del state["elapsed"]
    return state


# ---- stop and go on ----

RESUMED = {
    "adamw": replace(CONFIG, optimizer="adamw"),
    "muon": replace(CONFIG, optimizer="muon"),
    "momentum": replace(CONFIG, optimizer="momentum", unit_gradient=False, loss="l2"),
    "lbfgs": replace(CONFIG, optimizer="lbfgs", unit_gradient=False, rate=0.01, loss="l2"),
    "hybrid": replace(CONFIG, optimizer="hybrid", unit_gradient=False, rate=0.01, loss="l2"),
    "batchnorm": replace(CONFIG, model="seed", model_kwargs={}, crop_px=8, noise="gaussian:25"),
    "frozen": replace(CONFIG, frozen=4, targets="clean", noise="poisson:5-50"),
    "teacher": replace(CONFIG, targets="teacher", teacher="fast"),
}


@pytest.mark.parametrize("stop", [3, 7])
@pytest.mark.parametrize("config", RESUMED.values(), ids=RESUMED)
def test_a_stopped_run_goes_on_bit_for_bit(tmp_path: Path, config: TrainConfig, stop: int) -> None:
    whole = run_of(config)
    losses = [float(step.loss) for step in whole.steps()]
    first = run_of(config)
    steps = first.steps(tmp_path / "run.checkpoint")
    before = [float(step.loss) for step in itertools.islice(steps, stop)]
    steps.close()
    second = run_of(config)
    second.resume(tmp_path / "run.checkpoint")
    after = [float(step.loss) for step in second.steps()]
    assert before + after == losses
    assert len(losses) == 12
    assert all(map(math.isfinite, losses))
    assert_same(state_of(whole, tmp_path), state_of(second, tmp_path))


def test_the_decay_is_taken_again_from_its_start(tmp_path: Path) -> None:
    """A finished run's checkpoint is the state before the rate fell."""
    whole = run_of()
    list(whole.steps(tmp_path / "run.checkpoint"))
    assert load_state(tmp_path / "run.checkpoint")["step"] == 11  # 10 / 12 is within the last fifth
    again = run_of()
    again.resume(tmp_path / "run.checkpoint")
    assert [step.index for step in again.steps()] == [11]
    assert_same(state_of(whole, tmp_path), state_of(again, tmp_path))


def test_a_run_may_go_on_longer_than_planned(tmp_path: Path) -> None:
    list(run_of().steps(tmp_path / "run.checkpoint"))
    longer = run_of(replace(CONFIG, steps=20))
    longer.resume(tmp_path / "run.checkpoint")
    assert [step.index for step in longer.steps()] == list(range(11, 20))


def test_time_and_pixels_add_up_over_the_parts(tmp_path: Path) -> None:
    first = run_of()
    steps = first.steps(tmp_path / "run.checkpoint")
    list(itertools.islice(steps, 5))
    steps.close()
    elapsed = load_state(tmp_path / "run.checkpoint")["elapsed"]
    assert elapsed > 0
    second = run_of()
    second.resume(tmp_path / "run.checkpoint")
    assert second.budget.elapsed >= elapsed
    list(second.steps())
    assert second.gigapixels == pytest.approx(12 * 2 * 16**2 / 1e9)


def test_pixels_are_those_of_the_noisy_source() -> None:
    run = run_of(replace(CONFIG, noise="point-sampling:4", steps=3))
    list(run.steps())
    assert run.pixels == 3 * 2 * 4**2


def test_one_description_one_result(tmp_path: Path) -> None:
    states = []
    for seed in (0, 0, 1):
        run = run_of(replace(CONFIG, seed=seed))
        list(run.steps())
        states.append(run.model.state_dict())
    assert_same(dict(states[0]), dict(states[1]))
    assert not torch.equal(states[0]["head.weight"], states[2]["head.weight"])


OTHERS = {
    "optimizer": replace(CONFIG, optimizer="sgd"),
    "model": replace(CONFIG, model="unet", model_kwargs={}),
    "arguments": replace(CONFIG, model_kwargs={**TINY, "widths": [4, 8]}),
}


@pytest.mark.parametrize("config", OTHERS.values(), ids=OTHERS)
def test_the_checkpoint_of_another_run_is_refused(tmp_path: Path, config: TrainConfig) -> None:
    path = tmp_path / "run.checkpoint"
    run_of().save(path)
    with refused("run.checkpoint is a run of fast {", "with adamw, not of", config.model):
        run_of(config).resume(path)


def test_the_same_network_by_other_words_is_the_same_run(tmp_path: Path) -> None:
    path = tmp_path / "run.checkpoint"
    short = {"widths": [4, 6]}
    run_of(replace(CONFIG, model_kwargs=short)).save(path)
    run_of(replace(CONFIG, model_kwargs=MODELS[CONFIG.model].kwargs | short)).resume(path)


def test_other_files_are_no_checkpoints(tmp_path: Path) -> None:
    run_of().save_weights(tmp_path / "a.safetensors")
    with refused("a.safetensors is no checkpoint of a run"):
        run_of().resume(tmp_path / "a.safetensors")
    with refused("there is no file"):
        run_of().resume(tmp_path / "b.checkpoint")


@pytest.mark.parametrize(
    "change",
    [
        {"config": {"model": "fast", "colour": "red"}},  # an option of then or of later
        {"config": 3},
        {"step": None},
        {"model": {"stem.weight": torch.ones(2)}},
    ],
)
def test_a_checkpoint_of_another_version_is_refused(
    tmp_path: Path, change: dict[str, object]
) -> None:
    path = tmp_path / "old.checkpoint"
    run_of().save(path)
    state = {key: value for key, value in {**load_state(path), **change}.items() if value}
    save_state(path, state)
    with refused("old.checkpoint was written by another version; train anew"):
        run_of().resume(path)


def test_a_checkpoint_from_before_an_option_takes_its_default(tmp_path: Path) -> None:
    """Of the settings, only those without a default must be in the file: there are none."""
    path = tmp_path / "old.checkpoint"
    run_of().save(path)
    state = load_state(path)
    for later in ("teacher", "targets", "file_step"):
        del state["config"][later]
    save_state(path, state)
    saved = Saved.read(path)
    assert saved.config == CONFIG
    run_of().resume(saved)


# ---- validation and result ----


def test_a_range_is_validated_at_its_middle() -> None:
    blind, fixed = (
        run_of(replace(CONFIG, noise=noise), held_out=1)
        for noise in ("gaussian:0-50", "gaussian:25")
    )
    assert blind.validate() == fixed.validate()


def test_validation_changes_nothing(tmp_path: Path) -> None:
    plain, watched = run_of(RESUMED["batchnorm"]), run_of(RESUMED["batchnorm"], held_out=2)
    list(plain.steps())
    for _ in watched.steps():
        watched.validate()
    assert_same(state_of(plain, tmp_path), state_of(watched, tmp_path))


def test_the_result_is_the_average_and_loads_by_itself(tmp_path: Path) -> None:
    run = run_of(replace(CONFIG, average=0.9))
    list(run.steps())
    assert not torch.equal(run.result.head.weight, run.model.head.weight)
    run.save_weights(tmp_path / "tiny.safetensors")
    loaded, spec = load_weights(tmp_path / "tiny.safetensors")
    assert spec == run.spec
    for name, tensor in run.result.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor.half().float())


def test_mixed_precision_keeps_the_weights_at_fp32() -> None:
    mixed = Run(CONFIG, PHOTOS, [photo(32, 32)], Placement(torch.device("cpu"), torch.bfloat16, ""))
    plain = run_of()
    for half, full in zip(mixed.steps(), plain.steps(), strict=True):
        assert float(half.loss) == pytest.approx(float(full.loss), rel=0.1, abs=0.05)
    assert all(weight.dtype == torch.float32 for weight in mixed.model.parameters())


# ---- Noise2Noise ----


def test_noise_is_as_good_a_teacher_as_clean_photos() -> None:
    """Lehtinen et al. 2018: noisy targets cost variance of the gradient, and no more.

    Both nets see the same crops and the same noisy sources; they differ in the targets alone.
    """
    config = replace(
        CONFIG,
        model_kwargs={"widths": [16, 24], "blocks": 1, "middle": 1},
        noise="gaussian:25",
        loss="l2",
        rate=4e-3,
        batch=32,
        crop_px=32,
        steps=200,
        warmup_steps=20,
        average=0.95,
        exposure=0.0,
    )
    photos = [photo(128, 128, seed) for seed in range(8)]
    scores = {}
    for targets in ("noisy", "clean"):
        run = Run(replace(config, targets=targets), photos, [photo(128, 128, 99)], CPU)
        list(run.steps(validate_seconds=math.inf))
        scores[targets] = run.validate().psnr_db
    noisy_input = -20 * np.log10(25 / 255)
    assert scores["noisy"] > noisy_input + 9
    assert abs(scores["noisy"] - scores["clean"]) < 0.5
