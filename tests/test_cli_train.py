"""`train` as a user types it: what it writes, how it goes on, and what it says when it cannot."""

import argparse
import json
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from n2n import checkpoints, images, saved
from n2n.__main__ import main
from n2n.checkpoints import load_weights
from n2n.cli import settings
from n2n.data import NoisyPairs
from n2n.devices import processor
from n2n.history import History
from n2n.live import LiveRun
from n2n.recipes import RECIPES
from tests.tiny import one_thread  # noqa: F401  a fixture

NETWORK = ["--model-kwargs", '{"widths": [8, 8]}']


def run(*words: str | Path) -> int:
    return main([str(word) for word in words])


@pytest.fixture
def small(tmp_path: Path) -> list[Any]:
    """The options of every run here."""
    out = tmp_path / "mine.safetensors"
    return ["train", "--batch", 2, "--crop-px", 32, *NETWORK, "--device", "cpu", "--out", out]


def test_train_writes_weights_card_history_and_resumes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.safetensors"
    small = ["--batch", 2, "--crop-px", 32, "--device", "cpu", "--out", out]
    assert run("train", "--steps", 4, *small) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["steps"] == 4
    assert card["processor"] == processor()
    assert card["gigapixels"] == pytest.approx(4 * 2 * 32**2 / 1e9, abs=1e-3)
    assert str(tmp_path) not in json.dumps(card)
    load_weights(out)
    # The checkpoint holds the state as the decay began, at four fifths of the run.
    assert run("train", "--steps", 8, "--resume", out.with_suffix(".checkpoint"), *small) == 0
    history = out.with_suffix(".csv").read_text().splitlines()
    assert history[0].startswith("step,seconds,loss")
    assert json.loads(out.with_suffix(".json").read_text())["steps"] == 8
    assert "resume" in capsys.readouterr().err


def test_a_cpu_goes_on_without_compiling(
    tmp_path: Path, small: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    weights = []
    for words in ([], ["--compile"]):
        assert run(*small, "--steps", 2, *words) == 0
        weights.append((tmp_path / "mine.safetensors").read_bytes())
        told = "--compile is for one process with a CUDA GPU" in capsys.readouterr().err
        assert told == bool(words)
    assert weights[0] == weights[1]


def test_a_resumed_run_keeps_its_settings_and_a_new_one_its_own_history(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    where = ["--device", "cpu", "--out", out]
    first = ["--steps", 3, "--batch", 2, "--crop-px", 32, "--noise", "poisson:30", "--seed", 7]
    network = ["--model-kwargs", '{"widths": [8, 8]}']
    assert run("train", *first, *network, *where) == 0
    resume = ["--resume", out.with_suffix(".checkpoint"), "--steps", 6]
    assert run("train", *resume, *where) == 0
    training = json.loads(out.with_suffix(".json").read_text())["training"]
    assert (training["noise"], training["seed"], training["batch"]) == ("poisson:30", 7, 2)
    assert run("train", *first, *network, *where) == 0
    rows = out.with_suffix(".csv").read_text().splitlines()
    assert rows[1].startswith("0,")
    assert sum(row.startswith("step,") for row in rows) == 1


def test_the_history_is_a_table_and_a_plot(tmp_path: Path, small: list[Any]) -> None:
    assert run(*small, "--steps", 4) == 0
    rows = History.read_csv(tmp_path / "mine.csv").rows
    assert (rows[0].step, rows[-1].step) == (0, 3)
    card = json.loads((tmp_path / "mine.json").read_text())
    assert rows[-1].psnr_db == pytest.approx(card["validation_psnr_db"], abs=1e-3)
    assert images.read(tmp_path / "mine.png").pixels.std() > 0
    # A run that goes on keeps the rows up to where it goes on.
    assert run(*small, "--steps", 8, "--resume", tmp_path / "mine.checkpoint") == 0
    again = History.read_csv(tmp_path / "mine.csv").rows
    assert (again[0], again[-1].step) == (rows[0], 7)


def test_a_checkpoint_is_read_once(
    tmp_path: Path, small: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(*small, "--steps", 3) == 0
    read = []

    def counted(path: Path) -> dict[str, Any]:
        read.append(path)
        return checkpoints.load_state(path)

    monkeypatch.setattr(saved, "load_state", counted)
    path = tmp_path / "mine.checkpoint"
    assert run("train", "--out", tmp_path / "b.safetensors", "--resume", path, "--steps", 4) == 0
    assert read == [path]


def test_a_run_may_begin_with_weights(
    tmp_path: Path, small: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*small, "--steps", 3, "--seed", 1) == 0
    first = tmp_path / "mine.safetensors"
    second = tmp_path / "second.safetensors"
    # Steps so small that the weights hardly move tell where they began.
    words = ["--steps", 1, "--rate", 1e-9, "--init", first, "--out", second]
    assert run(*small, *words) == 0
    weights, begun = (load_weights(path)[0].state_dict() for path in (second, first))
    assert all(torch.allclose(weights[name], begun[name], atol=1e-3) for name in begun)
    capsys.readouterr()
    for wrong, hint in (
        (
            [*words, "--model", "unet", "--model-kwargs", "{}"],
            "mine.safetensors is a residual-unet",
        ),
        ([*words, "--resume", tmp_path / "mine.checkpoint"], "not both"),
        ([*words, "--initialization", "xavier"], "leave out --initialization"),
        ([*words[:-3], tmp_path / "none.safetensors", *words[-2:]], "no file"),
    ):
        assert run(*small, *wrong) == 2
        error = capsys.readouterr().err.splitlines()[-1]
        assert hint in error


def test_a_card_tells_from_which_network_it_grew(tmp_path: Path, small: list[Any]) -> None:
    assert run(*small, "--steps", 2) == 0
    first, second = tmp_path / "mine.safetensors", tmp_path / "second.safetensors"
    kwargs = json.loads(first.with_suffix(".json").read_text())["kwargs"]
    wider = json.dumps(kwargs | {"widths": [2 * width for width in kwargs["widths"]]})
    words = ["--steps", 1, "--init", first, "--out", second, "--model-kwargs", wider]
    assert run(*small, *words) == 0
    card = json.loads(second.with_suffix(".json").read_text())
    assert (card["grown_from"], card["steps"], len(card["commands"])) == (kwargs, 3, 2)
    # Gone on with, it still tells.
    checkpoint = second.with_suffix(".checkpoint")
    assert run(*small, *words[:1], 4, "--resume", checkpoint, *words[4:]) == 0
    card = json.loads(second.with_suffix(".json").read_text())
    assert (card["grown_from"], card["steps"], len(card["commands"])) == (kwargs, 6, 3)
    first.with_suffix(".json").write_text("{")
    assert run(*small, *words) == 2


@pytest.mark.parametrize(
    ("words", "plain"),
    [
        ([], RECIPES["fast"].config.plain_steps),
        (["--steps", "6297"], 3000),  # half as long
        (["--seconds", "60"], 0),
        (["--steps", "4000", "--plain-steps", "7"], 7),
    ],
)
def test_the_plain_part_of_a_recipe_goes_with_its_length(words: list[str], plain: int) -> None:
    parser = argparse.ArgumentParser()
    settings.add_arguments(parser)
    given = parser.parse_args(["--recipe", "fast", *words])
    assert settings.config(given, None).plain_steps == plain


def test_a_resumed_run_keeps_its_settings_whatever_recipe_is_named(
    tmp_path: Path, small: list[Any]
) -> None:
    assert run(*small, "--steps", 2) == 0
    before = saved.Saved.read(tmp_path / "mine.checkpoint").config
    resume = ["--resume", tmp_path / "mine.checkpoint", "--recipe", "fast", "--steps", 3]
    assert run(*small, *resume) == 0
    after = saved.Saved.read(tmp_path / "mine.checkpoint").config
    assert after == replace(before, steps=3)
    card = json.loads((tmp_path / "mine.json").read_text())
    assert card["purpose"] == RECIPES["fast"].purpose


def test_a_teacher_is_recorded_by_its_name(tmp_path: Path, small: list[Any]) -> None:
    assert run(*small, "--steps", 2) == 0
    teacher = tmp_path / "teacher.safetensors"
    (tmp_path / "mine.safetensors").rename(teacher)
    assert run(*small, "--steps", 2, "--teacher", teacher) == 0
    training = json.loads((tmp_path / "mine.json").read_text())["training"]
    assert (training["teacher"], training["targets"]) == ("teacher.safetensors", "teacher")
    config = saved.Saved.read(tmp_path / "mine.checkpoint").config
    assert (config.teacher, config.targets) == (str(teacher), "teacher")
    # Another kind of target needs the teacher no more.
    words = ["--steps", 3, "--resume", tmp_path / "mine.checkpoint", "--targets", "clean"]
    assert run(*small, *words) == 0
    assert json.loads((tmp_path / "mine.json").read_text())["training"]["teacher"] is None
    assert run(*small, "--steps", 2, "--teacher", "best", "--targets", "clean") == 2


def test_ctrl_c_lands_the_run_and_keeps_it(
    tmp_path: Path, small: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A real signal, at the third event of a run without an end in sight."""
    phases, events, finish = [], LiveRun.events, LiveRun.finish

    def interrupted(live: LiveRun) -> Any:  # noqa: ANN401
        for index, event in enumerate(events(live)):
            if index == 2:
                os.kill(os.getpid(), signal.SIGINT)
            yield event

    def watched(live: LiveRun) -> Any:  # noqa: ANN401
        for event in finish(live):
            phases.append(event.phase)
            yield event

    monkeypatch.setattr(LiveRun, "events", interrupted)
    monkeypatch.setattr(LiveRun, "finish", watched)
    monkeypatch.setattr("n2n.live.LANDING_SECONDS", 3)  # a step of a loaded machine fits into it
    assert run(*small, "--seconds", 1000) == 0
    assert set(phases) == {"landing"}
    load_weights(tmp_path / "mine.safetensors")
    card = json.loads((tmp_path / "mine.json").read_text())
    kept = saved.Saved.read(tmp_path / "mine.checkpoint").state["step"]
    assert 0 < kept < card["steps"]  # the landing is not in the checkpoint


def test_a_lost_run_fails_in_a_line_and_keeps_the_checkpoint(
    tmp_path: Path, small: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*small, "--steps", 3) == 0
    before = (tmp_path / "mine.checkpoint").read_bytes()
    weights = (tmp_path / "mine.safetensors").read_bytes()
    wild = ["--optimizer", "sgd", "--loss", "l2", "--rate", 1e30, "--no-unit-gradient"]
    assert run(*small, *wild, "--steps", 50) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "lower the learning rate" in last
    assert (tmp_path / "mine.checkpoint.before").read_bytes() == before
    assert (tmp_path / "mine.safetensors").read_bytes() == weights


def test_what_an_earlier_run_kept_is_put_aside(
    tmp_path: Path, small: list[Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever forgets --resume loses nothing."""
    assert run(*small, "--steps", 6) == 0
    before = (tmp_path / "mine.checkpoint").read_bytes()
    assert run(*small, "--steps", 2) == 0
    assert "--resume goes on from it" in capsys.readouterr().err
    assert (tmp_path / "mine.checkpoint.before").read_bytes() == before
    card = json.loads((tmp_path / "mine.json").read_text())
    assert run(*small, "--steps", 3, "--init", tmp_path / "mine.safetensors") == 0
    more = json.loads((tmp_path / "mine.json").read_text())
    assert (card["steps"], more["steps"]) == (2, 5)
    assert more["gigapixels"] >= card["gigapixels"]
    assert (len(card["commands"]), len(more["commands"])) == (1, 2)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--checkpoint", "OUT/mine.safetensors"], "two files"),
        (["--out", "/proc/none/mine.safetensors"], "/proc/none"),
        (["--model-kwargs", "[1]"], "names and values"),
    ],
)
def test_what_could_not_be_written_is_refused_at_once(
    tmp_path: Path,
    small: list[Any],
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    says: str,
) -> None:
    given = [word.replace("OUT", str(tmp_path)) for word in words]
    assert run(*small, "--steps", 2, *given) == 2
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.glob("mine.*")) == []


def test_a_run_without_memory_fails_in_a_line_and_keeps_what_it_has(
    tmp_path: Path,
    small: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(*small, "--steps", 3) == 0
    draw = NoisyPairs.at

    def until_memory_ends(pairs: NoisyPairs, step: int) -> Any:  # noqa: ANN401
        if step == 4:
            raise MemoryError
        return draw(pairs, step)

    before = (tmp_path / "mine.checkpoint").read_bytes()
    monkeypatch.setattr(NoisyPairs, "at", until_memory_ends)
    resume = ["--resume", tmp_path / "mine.checkpoint", "--steps", 6]
    assert run(*small, *resume) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert "take a smaller batch or crop" in last
    assert f"the last checkpoint is {tmp_path / 'mine.checkpoint'}" in last
    assert (tmp_path / "mine.checkpoint").read_bytes() == before
    steps = [row.step for row in History.read_csv(tmp_path / "mine.csv").rows]
    assert steps[0] == 0
    assert steps[-1] < 4


def test_a_full_disk_is_said_once(
    tmp_path: Path,
    small: list[Any],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """While checkpoints fail the run goes on; without room for the result it fails in a line."""

    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full_disk)
    assert run(*small, "--steps", 30, "--decay", 0.9) == 1
    errors = capsys.readouterr().err
    assert errors.count("no checkpoint at step") == 1
    assert errors.splitlines()[-1].startswith("n2n train: ")
    assert "No space left on device" in errors.splitlines()[-1]
    assert list(tmp_path.glob("*.safetensors")) == []
