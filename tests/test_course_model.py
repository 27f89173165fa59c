"""The evaluator of others' models: in a process of its own, one line for each way to fail."""

import json
from pathlib import Path

import pytest
import torch

from n2n.__main__ import main
from n2n.cli.course_model import parameters_of, score
from n2n.data import course
from tests.tiny import photo

HALFWAY = """
import os
import sys
import torch
from torch import nn

class Model:
    def __init__(self):
        self.net = nn.Conv2d(3, 3, 1)
        print("noise on standard output")

    def load_pretrained_model(self):
        open("bestmodel.txt").close()  # looks where it was started

    def predict(self, test_input):
        return RESULT
"""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    path = tmp_path / "val_data.pkl"
    course.write_pairs(path, course.validation_pairs([photo(80, 90)], 6))
    return path


def submission(folder: Path, result: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "bestmodel.txt").touch()
    (folder / "model.py").write_text(HALFWAY.replace("RESULT", result))
    return folder / "model.py"


def evaluate(model: Path, *words: str) -> int:
    return main(["evaluate", "--course-model", str(model), *words])


def test_scores_as_the_grader_does(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = submission(tmp_path / "team", "test_input.float() + 2")
    assert evaluate(model, "--data", str(data), "--json") == 0
    row = json.loads(capsys.readouterr().out)
    noisy, clean = torch.load(data, weights_only=True)
    mse = ((noisy.float() + 2 - clean.float()) / 255).square().flatten(1).mean(1)
    assert row["psnr_db"] == pytest.approx(float((10 * (1 / mse).log10()).mean()), abs=1e-4)
    assert row["psnr_global_db"] == pytest.approx(
        float(-10 * (mse.mean() + 1e-8).log10()), abs=1e-4
    )
    assert row["parameters"] == 12
    assert row["pictures"] == 6


def test_table_names_the_teams_and_what_is_odd(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = submission(tmp_path / "team", "test_input.float() * 0 - 40")
    assert evaluate(model, "--data", str(data)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "model.py" in lines[-2]  # the worst of all
    assert "25.08" in lines[-4]
    assert "-40.0" in lines[-1]


def test_a_package_with_relative_imports(tmp_path: Path, data: Path) -> None:
    folder = tmp_path / "Miniproject_1"
    model = submission(folder, "same(test_input)")
    model.write_text("from .others import same\n" + model.read_text())
    (folder / "__init__.py").touch()
    (folder / "others.py").write_text("def same(x):\n    return x\n")
    assert evaluate(model, "--data", str(data)) == 0


def test_files_beside_it_may_have_the_names_of_ours(
    tmp_path: Path, data: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", ".")
    model = submission(tmp_path / "team", "same(test_input)")
    model.write_text("from n2n import same\n" + model.read_text())
    (model.parent / "n2n.py").write_text("def same(x):\n    return x\n")
    (model.parent / "random.py").touch()  # which torch would import
    assert evaluate(model, "--data", str(data)) == 0


def test_networks_saved_whole_are_read(tmp_path: Path, data: Path) -> None:
    """As many of 2022 were, before torch.load took weights alone."""
    model = submission(tmp_path / "team", "torch.load('whole.pth')(test_input.float())")
    torch.save(torch.nn.Identity(), model.parent / "whole.pth")
    assert evaluate(model, "--data", str(data)) == 0


@pytest.mark.parametrize(
    ("result", "says"),
    [
        ("test_input[:1]", "predict must return a tensor (6, 3, 32, 32)"),
        ("None", "NoneType"),
        ("test_input.float() / 0", "NaN"),
        ("1 / 0", "ZeroDivisionError"),
        ("exit(0)", "no result"),
        ("nn.Conv2d(3, 3, 1).load_state_dict({})", "Missing key(s) in state_dict"),
        ("(print('harmless', file=sys.stderr), os.kill(os.getpid(), 9))", "SIGKILL"),
    ],
)
def test_failures_are_one_line(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str], result: str, says: str
) -> None:
    model = submission(tmp_path / "team", result)
    assert evaluate(model, "--data", str(data)) == 1
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("model.py failed")
    assert says in lines[-1]


def test_missing_files_are_told_before_anything_runs(tmp_path: Path, data: Path) -> None:
    assert evaluate(tmp_path / "model.py", "--data", str(data)) == 2
    model = submission(tmp_path / "team", "open('ran', 'w')")
    assert evaluate(model, "--data", str(tmp_path / "none.pkl")) == 2
    assert not (tmp_path / "team" / "ran").exists()
    empty = tmp_path / "team" / "other.py"
    empty.touch()
    assert evaluate(empty, "--data", str(data)) == 1


def test_any_name_of_the_file_will_do(
    tmp_path: Path, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = submission(tmp_path / "team", "test_input.float()")
    dotted = model.rename(model.with_name("my.model.py"))
    assert evaluate(dotted, "--data", str(data), "--json") == 0
    assert main(["evaluate", str(tmp_path), "--data", str(data)]) == 2
    assert "--data goes with --course-model" in capsys.readouterr().err
    assert evaluate(dotted, str(tmp_path)) == 2
    assert "--data" in capsys.readouterr().err


def test_predicts_as_the_graders_test_does() -> None:
    """A hundred at a time, without gradients: some networks depend on either."""
    asked = []

    class Looking:
        def load_pretrained_model(self) -> None:
            pass

        def predict(self, test_input: torch.Tensor) -> torch.Tensor:
            asked.append((len(test_input), torch.is_grad_enabled()))
            return test_input.float()

    pairs = course.validation_pairs([photo(80, 90)], 230)
    row = score(Looking(), pairs)
    assert asked == [(100, False), (100, False), (30, False)]
    assert row["psnr_db"] == row["noisy_psnr_db"]
    assert row["pictures"] == 230


def test_parameters_are_counted_once() -> None:
    class Holder:
        def __init__(self) -> None:
            self.net = torch.nn.Linear(2, 3)
            self.again = self.net

    class Slotted:
        __slots__ = ("net",)

    assert parameters_of(Holder()) == 9
    assert parameters_of(Slotted()) is None
    assert parameters_of(type("Empty", (), {})()) is None
