"""Training our network for the course's data: so much arithmetic, then weights and a card."""

import json
from pathlib import Path

import pytest

from n2n import images
from n2n.__main__ import main
from n2n.checkpoints import load_weights, sha256
from n2n.models.full_unet import FullResolutionUNet
from tests.tiny import photo

WORDS = ["--pairs", "12", "--windows", "40", "--batch", "4"]
WORDS += ["--network-kwargs", '{"widths": [8, 8]}']


@pytest.fixture(autouse=True)
def _one_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_CORES", "1")


def train(out: Path, *words: str) -> int:
    return main(["study", "train", "--out", str(out), *WORDS, *words])


def test_weights_and_card_tell_what_was_spent(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "mine.safetensors"
    assert train(out, "--tflop", "0.1") == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert 0.09 < card["tflop"] <= 0.1
    assert card["steps"] * 4 * 1024 / 1e9 == pytest.approx(card["gigapixels"], abs=5e-4)
    assert card["sha256"] == sha256(out)
    scores = json.loads(capsys.readouterr().out)
    assert scores == card["course_psnr_db"]
    assert scores["A"] > 22
    assert scores["A, self-ensemble"] > scores["A"] - 0.05
    model, spec = load_weights(out)
    assert isinstance(model, FullResolutionUNet)
    assert (spec.architecture, spec.kwargs) == (card["architecture"], card["kwargs"])


def test_to_an_equivariant_network_the_ensemble_gives_nothing(tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    assert train(out, "--tflop", "0.02", "--equivariant", "--fresh") == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["training"]["equivariant"]
    assert (card["training"]["pairs"], card["training"]["swap"]) == ("fresh", False)
    one, eight = card["course_psnr_db"].values()
    assert eight == pytest.approx(one, abs=2e-3)


def test_the_card_names_the_photos_and_their_licence(tmp_path: Path) -> None:
    for index in range(4):
        (tmp_path / "gb82").mkdir(exist_ok=True)
        images.write(tmp_path / "gb82" / f"{index}.png", photo(70, 80, index))
    out = tmp_path / "mine.safetensors"
    assert train(out, "--tflop", "0.001", "--data", str(tmp_path / "gb82")) == 0
    card = json.loads(out.with_suffix(".json").read_text())
    assert card["photos"] == "gb82"
    assert card["photo_licences"] == {"gb82": "CC0"}


def test_fresh_pairs_want_photos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "data", "--out", str(tmp_path), "--pairs", "4", "--windows", "4"]) == 0
    assert train(tmp_path / "mine.safetensors", "--fresh", "--data", str(tmp_path)) == 2
    assert "give a folder of them as --data" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["--tflop", "1e-9"], 2, "less than one step"),
        *[(["--tflop", value], 2, "--tflop must be") for value in ("0", "inf", "nan")],
        *[([name, "0"], 2, "at least 1") for name in ("--pairs", "--batch", "--windows")],
        *[(["--decay", value], 2, "--decay is a part") for value in ("7", "nan")],
        (["--network-kwargs", '{"widths": []}'], 2, "at least 1"),
        (["--network-kwargs", '{"blocks": -1}'], 2, "at least 0"),
        (["--network-kwargs", '{"depth": 3}'], 2, "depth"),
        (["--network-kwargs", "[1]"], 2, "cannot be built"),
        (["--tflop", "0.01", "--rate", "1e9"], 1, "diverged"),
    ],
)
def test_failures_are_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], code: int, says: str
) -> None:
    assert train(tmp_path / "mine.safetensors", *words) == code
    assert says in capsys.readouterr().err.splitlines()[-1]
    assert list(tmp_path.iterdir()) == []


def test_other_suffixes_are_refused(tmp_path: Path) -> None:
    assert train(tmp_path / "mine.pth") == 2
