"""What the README shows is run: an example that is not executed is a lie in waiting."""

import re
import shlex
import shutil
from dataclasses import fields
from pathlib import Path

import pytest

from n2n import images, shipped
from n2n.__main__ import COMMANDS, main
from n2n.data.samples import sample
from n2n.noise import NOISES
from n2n.ui.limits import Limits

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def blocks(language: str) -> list[str]:
    """Code blocks of a language, but those marked as talking to a running app."""
    return re.findall(rf"(?<!<!-- live -->\n)```{language}\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", blocks("python"))
def test_python_example_runs(code: str) -> None:
    exec(compile(code, "README.md", "exec"), {})


def test_commands_shown_are_those_there_are() -> None:
    shown = set(re.findall(r"python -m n2n (\w+)", README))
    assert shown == COMMANDS.keys()


LINES = [line for block in blocks("sh") for line in block.splitlines()]
SHORT = {
    "--seconds 600": "--steps 2 --batch 2 --crop-px 32",
    "study batchnorm": "study modes",
    "bench --quick": "bench --quick --only training",
    "bench --curves": "bench --quick --curves",
}


@pytest.mark.parametrize("line", [line for line in LINES if line.startswith("python -m n2n ")])
def test_command_line_runs(line: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As printed, but for the size of the photos and the length of the training."""
    for name in ("photo.jpg", "scans/a.png", "CBSD68/b.png", "photos/c.png", "photos/d.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        images.write(tmp_path / name, sample("chelsea")[:48, :48])
    for name in ("mine", "longer"):
        shutil.copy(shipped.weights_path("fast"), tmp_path / f"{name}.safetensors")
    monkeypatch.chdir(tmp_path)
    for long, brief in SHORT.items():
        line = line.replace(long, brief)
    assert main(shlex.split(line, comments=True)[3:]) == 0


def test_every_noise_is_listed() -> None:
    assert set(re.findall(r"^\| `([\w-]+)` \| .* \| L[012] \|$", README, re.M)) == NOISES.keys()


def test_pictures_and_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(((?!http)[^)#]+)\)", README):
        assert (ROOT / target).exists(), target


def test_space_header_fits_the_repository() -> None:
    header = dict(re.findall(r"^(\w+): (.*)$", README.split("---")[1], re.M))
    assert header["sdk"] == "gradio"
    assert (ROOT / header["app_file"]).is_file()
    assert (
        f"gradio>={header['sdk_version'].rsplit('.', 1)[0]}"
        in (ROOT / "requirements.txt").read_text()
    )
    # ZeroGPU offers 3.12 and 3.10; the package asks for 3.11.
    assert header["python_version"] == '"3.12"'
    assert len(header["short_description"]) <= 60  # the Hub refuses longer ones


def test_results_are_those_of_the_cards() -> None:
    """The table's own numbers, cell by cell, and the sentences, against weights/<name>.json."""
    rows = [line.strip("| ").split(" | ") for line in README.splitlines() if line[:1] == "|"]
    (head,) = (row for row in rows if row[0] == "PSNR on CBSD68, dB")
    ours = {row[0].strip("*"): row[1:] for row in rows if row[0].startswith("**")}
    assert set(ours) == set(shipped.names())
    for name, cells in ours.items():
        scores = shipped.scores(shipped.card(name))
        assert cells == [f"{scores[f'CBSD68 {noise}']:.2f}" for noise in head[1:]]
    cost = []
    for name in ("best", "fast"):
        card = shipped.card(name)
        scores, exact = shipped.scores(card), card["psnr_db_fp32"]
        files = (scores[f"CBSD68 gaussian:{sigma} file step"] for sigma in (15, 25, 50))
        figures = "/".join(f"{db:.2f}" for db in files)
        assert re.search(rf"`{name}` (has )?{figures}", README)
        ensemble = exact["CBSD68 gaussian:25 self ensemble"]
        said = rf"By `--self-ensemble` .*`{name}` (has )?{ensemble:.2f} .*at σ 25 \(fp32\)"
        assert re.search(said, README)
        both = [f"CBSD68 gaussian:{sigma}" for sigma in (2, 15, 25, 50)]
        cost += [exact[noise] - card["psnr_db"][noise] for noise in both]
    (most,) = re.findall(r"bf16 costs both at most ([\d.]+) dB here", README)
    assert max(cost) <= float(most) < max(cost) + 0.001


def test_every_limit_is_listed_with_its_default() -> None:
    listed = dict(re.findall(r"^\| `(N2N_\w+)` \| ([\d.]+) \|", README, re.M))
    assert {name: float(value) for name, value in listed.items()} == {
        f"N2N_{field.name.upper()}": float(field.default)  # type: ignore[arg-type]
        for field in fields(Limits)
    }
