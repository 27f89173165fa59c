"""The command line as a user types it: files in, files out, one-line errors, exit codes."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from n2n import evaluation, images
from n2n.__main__ import COMMANDS, main
from n2n.checkpoints import save_weights
from n2n.cli import common
from n2n.data.samples import sample
from n2n.devices import place
from n2n.models import ModelSpec

TINY = ModelSpec("residual-unet", {"widths": [8, 8], "blocks": 1, "middle": 1})


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    save_weights(path, TINY.build(), TINY)
    return str(path)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photos" / "cat.png"
    path.parent.mkdir()
    images.write(path, sample("chelsea")[:64, :80])
    return path


def run(*words: str | Path) -> int:
    return main([str(word) for word in words])


@pytest.mark.parametrize("command", COMMANDS)
def test_help_states_defaults(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        run(command, "--help")
    assert end.value.code == 0
    assert "default" in capsys.readouterr().out


def test_module_runs_as_a_process() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "n2n", "denoise"], capture_output=True, text=True, check=False
    )
    assert found.returncode == 2
    assert "usage" in found.stderr


def test_denoise_a_file_to_a_file(photo: Path, weights: str, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run("denoise", photo, "--out", out, "--model", weights) == 0
    assert images.read(out).pixels.shape == (64, 80, 3)


def test_denoise_keeps_names_depth_and_the_input(
    photo: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    deep = photo.with_name("deep.png")
    images.write(deep, sample("chelsea")[:40, :40].astype(np.uint16) * 257)
    (photo.parent / "sub").mkdir()
    images.write(photo.parent / "sub" / "grey.jpg", sample("camera")[:33, :47])
    before = photo.read_bytes()
    out = tmp_path / "out"
    assert run("denoise", photo.parent, "--out", out, "--model", weights, "--json") == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {Path(row["output"]).relative_to(out).as_posix() for row in rows} == {
        "cat.png",
        "deep.png",
        "sub/grey.jpg",
    }
    assert images.read(out / "deep.png").pixels.dtype == np.uint16
    assert images.read(out / "sub" / "grey.jpg").pixels.shape[:2] == (33, 47)
    assert photo.read_bytes() == before


def test_strength_zero_gives_the_input_back(photo: Path, weights: str, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run("denoise", photo, "--out", out, "--model", weights, "--strength", 0) == 0
    np.testing.assert_array_equal(images.read(out).pixels, images.read(photo).pixels)


def test_denoise_never_overwrites_its_input(
    photo: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("denoise", photo, "--out", photo.parent, "--model", weights) == 2
    assert "itself an input" in capsys.readouterr().err
    # Nor one of the other inputs, by way of a folder inside a folder.
    inner = photo.parent / "sub" / photo.name
    inner.parent.mkdir()
    inner.write_bytes(photo.read_bytes())
    words = ["denoise", photo, inner.parent, "--out", inner.parent, "--model", weights]
    assert run(*words) == 2
    assert inner.read_bytes() == photo.read_bytes()


def test_results_of_an_earlier_run_are_no_inputs(
    photo: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["denoise", photo.parent, "--out", photo.parent / "out", "--model", weights, "--json"]
    assert run(*words) == 0
    assert run(*words) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert not (photo.parent / "out" / "out").exists()


def test_a_broken_picture_is_named_and_the_others_go_on(
    photo: Path, weights: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (photo.parent / "broken.png").write_bytes(photo.read_bytes()[:200])
    out = tmp_path / "out"
    assert run("denoise", photo.parent, "--out", out, "--model", weights) == 1
    assert (out / "cat.png").is_file()
    assert "broken.png" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["denoise", "nowhere.png", "--out", "out"], "nowhere.png"),
        (["denoise", "a.png", "b.png", "--out", "out.png"], "folder"),
        (["denoise", "a.png", "--out", "out", "--strength", "1.5"], "strength"),
        (["evaluate", "nowhere"], "nowhere"),
        (["evaluate", "--card", "--limit", "1"], "--limit"),
        (["evaluate", "--noise", "gaussian:300"], "255"),
        (["evaluate", "--noise", "gaussian:0-55"], "one level"),
        (["evaluate", "--noise", "snow:3"], "snow"),
        (["train", "--out", "w.safetensors"], "--seconds"),
        (["train", "--out", "w.bin", "--steps", "1"], ".safetensors"),
        (["train", "--out", "w.safetensors", "--steps", "1", "--rate", "nan"], "rate"),
    ],
)
def test_wrong_use_is_one_line_and_exit_code_2(
    words: list[str], hint: str, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = [] if words[0] == "train" else ["--model", weights]
    assert run(*words, *model) == 2
    error = capsys.readouterr().err.strip()
    assert hint in error
    assert len(error.splitlines()) == 1


def test_evaluate_scores_the_identity_as_the_noisy_input(
    photo: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network whose head is zero returns its input: PSNR of σ = 25 is 20·log10(255/25)."""
    identity = TINY.build()
    identity.head.weight.data.zero_()  # type: ignore[operator, union-attr]
    path = tmp_path / "identity.safetensors"
    save_weights(path, identity, TINY)
    assert run("evaluate", photo.parent, "--model", path, "--json") == 0
    row = json.loads(capsys.readouterr().out)
    assert row["images"] == 1
    assert row["noisy_psnr_db"] == pytest.approx(20.17, abs=0.1)
    # The output is clamped, which takes a little noise away.
    assert row["noisy_psnr_db"] - 0.1 < row["psnr_db"] < row["noisy_psnr_db"] + 1


def test_evaluate_finds_the_noise_level(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["evaluate", photo.parent, "--model", "fast", "--noise", "gaussian:20"]
    assert run(*words, "--blind", "--json") == 0
    blind = json.loads(capsys.readouterr().out)["blind"]
    assert blind["sigma_255"] == pytest.approx(20, rel=0.1)
    assert (blind["spread_255"], blind["doubts"]) == (0, 0)
    assert run(*words) == 0
    assert "σ" not in capsys.readouterr().out


@pytest.mark.parametrize("dtype", ["auto", "bf16", "fp32"])
def test_evaluate_records_each_figure_with_its_command(
    dtype: str, photo: Path, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = tmp_path / "mine.safetensors"
    shutil.copy(weights, own)
    for words in (["--noise", "gaussian:15", "gaussian:25"], ["--noise", "gaussian:25"]):
        monkeypatch.setattr(sys, "argv", ["n2n", "evaluate", *words, "--card"])
        more = ["--model", own, "--device", "cpu", "--dtype", dtype, *words, "--card"]
        assert run("evaluate", photo.parent, *more) == 0
    card = json.loads(own.with_suffix(".json").read_text())
    # By the precision that computed it, whatever was typed.
    key = "psnr_db_fp32" if place("cpu", dtype).dtype == torch.float32 else "psnr_db"
    assert not card.keys() & {"psnr_db_fp32", "psnr_db"} - {key}
    assert list(card[key]) == ["PHOTOS gaussian:15", "PHOTOS gaussian:25"]
    told = {how.partition(" (")[0]: found for how, found in card[f"{key}_by"].items()}
    assert told == {
        "python -m n2n evaluate --noise gaussian:15 gaussian:25 --card": ["PHOTOS gaussian:15"],
        "python -m n2n evaluate --noise gaussian:25 --card": ["PHOTOS gaussian:25"],
    }


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        (["train", "--data", "/a/photos", "--out", "b/c.safetensors"], "--data photos --out c"),
        (["train", "--data=/a/photos", "--out=b/c.safetensors"], "--data=photos --out=c"),
        (["train", "--data", "a/photos/", "--out", "c.safetensors"], "--data photos/ --out c"),
        (["train", "--data", "/u=me/photos", "--out=/x=1/c.safetensors"], "--data photos --out=c"),
    ],
)
def test_a_card_tells_no_path(typed: list[str], told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["n2n", *typed])
    assert common.command() == f"python -m n2n train {told}.safetensors"


def test_evaluate_draws_a_figure(photo: Path, weights: str, tmp_path: Path) -> None:
    figure = tmp_path / "figure.png"
    assert run("evaluate", photo.parent, "--model", weights, "--figure", figure) == 0
    assert images.read(figure).pixels.shape[1] > 300


def test_evaluate_prints_the_readmes_table(
    photo: Path,
    weights: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    height, width = images.read(photo).pixels.shape[:2]
    monkeypatch.setitem(evaluation.PUBLISHED_PHOTOS, "CBSD68", (1, height * width))
    folder = photo.parent.rename(photo.parent.with_name("cbsd68"))
    noises = ["gaussian:15", "gaussian:25", "poisson:30"]
    assert run("evaluate", folder, "--model", weights, "--markdown", "--noise", *noises[:2]) == 0
    table = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()]
    assert table[0] == ["PSNR on CBSD68, dB", *noises[:2]]
    assert ["CBM3D", "33.52", "30.71"] in table
    assert run("evaluate", folder, "--model", weights, "--markdown", "--file-step") == 0
    assert "| PSNR on CBSD68 file step, dB |" in capsys.readouterr().out
    # Published numbers stop at Gaussian noise.
    assert run("evaluate", folder, "--model", weights, "--markdown", "--noise", *noises) == 0
    assert "| CBM3D | 33.52 | 30.71 | – |" in capsys.readouterr().out.splitlines()
    assert run("evaluate", folder, "--model", weights, "--limit", "0") == 2
    assert "--limit takes 1 or more" in capsys.readouterr().err
