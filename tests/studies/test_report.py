"""The page of the report's numbers beside ours says what the records say, and no more."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from n2n import shipped
from n2n.__main__ import main
from n2n.cli.course_model import TEAMS
from n2n.studies import STUDIES, Curve, Record, Row, Source, report, result, stored
from n2n.studies.record import DIVERGED, DONE, OUT_OF_TIME, Ending

ROOT = Path(__file__).parents[2]
MISSING = "not measured yet"


def row_of(page: str, what: str) -> list[str]:
    """The cells of a number: the report's, ours, why."""
    (line,) = (line for line in page.splitlines() if line.startswith(f"| {what}"))
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def section_of(page: str, name: str) -> str:
    return page.split(f"### {STUDIES[name].title}\n")[1].split("\n## ")[0].split("\n### ")[0]


def records(**found: Record) -> dict[str, Record]:
    return {name: found.get(name, Record()) for name in STUDIES}


def measured(name: str, path: Path | None = None, ends: str = DONE) -> Record:
    """Every curve of a study, with two rows each whose values count up."""
    record, value = Record(path), 20.0
    for curve in STUDIES[name].curves(False):
        for step in (1, 2):
            value += 0.25
            values = {"loss": value / 1000, "tflop": 5.0 * step}
            values |= dict.fromkeys(("psnr_a_db", "psnr_train_db", "psnr_eval_db"), value)
            if step == 2:
                values |= {"final_psnr_a_db": value, "final_psnr_b_db": value - 1}
            record.add(Row(curve.name, curve.seed, step, step, 30.0 * step, values))
        record.add(Ending(curve.name, curve.seed, ends, curve.settings, "photos", "a chip"))
    return record


def test_without_records_nothing_is_claimed() -> None:
    page = report.page(records(), TEAMS)
    for number in report.NUMBERS:
        ours = row_of(page, number.what)[1]
        if number.what != "Parameters" and "as shipped" not in number.what:
            assert ours == MISSING
    assert row_of(page, "Parameters")[1] == row_of(page, "Parameters")[0] == "1,413,635"
    assert page.count(f"**Here.** {MISSING.capitalize()}.") == len(STUDIES)
    assert "![" not in page


def test_numbers_are_the_records() -> None:
    page = report.page(records(result=measured("result")), TEAMS)
    reported, ours, _ = row_of(page, "Its network after one epoch")
    assert reported == "25.08 dB A"
    assert ours == "20.50 dB A, 19.50 dB B"
    assert row_of(page, "Our network on the same pairs")[1] == "21.00 dB A, 20.00 dB B"
    assert row_of(page, "What that epoch costs")[1] == "60 s (a chip), 10 TFLOP"
    section = section_of(page, "result")
    assert "20.50 dB A" in section
    assert "photos; a chip; 2 min in all" in section


def test_what_has_not_ended_is_no_result() -> None:
    record = measured("result")
    del record.endings[result.REPORT, 0]
    page = report.page(records(result=record), TEAMS)
    assert row_of(page, "Its network after one epoch")[1] == MISSING
    assert row_of(page, "What that epoch costs")[1] == MISSING
    assert row_of(page, "Our network on the same pairs")[1] != MISSING
    assert f"{MISSING.capitalize()}: 1 of 2 curves are." in section_of(page, "result")
    record = measured("optimizers")
    del record.endings["momentum", 0]
    ours = row_of(report.page(records(optimizers=record), TEAMS), "Adam: the loss")[1]
    assert "momentum" not in ours
    assert "Adam: 0.0" in ours


@pytest.mark.parametrize(
    ("end", "said"), [(DIVERGED, "diverges"), (OUT_OF_TIME, "(stopped at step 2)")]
)
def test_a_curve_that_ended_early_says_so(end: str, said: str) -> None:
    page = report.page(records(initialization=measured("initialization", ends=end)), TEAMS)
    assert said in row_of(page, "First weights")[1]


def test_every_claim_names_its_command() -> None:
    page = report.page(records(), TEAMS)
    for name, study in STUDIES.items():
        section = section_of(page, name)
        assert f"`{stored.command(study, Record())}`" in section
        assert study.reported in section
        assert study.differs in section
    for value in TEAMS.values():
        assert f"| {value:.2f} |" in page


def test_the_command_names_pictures_and_time() -> None:
    study = STUDIES["batchnorm"]
    curve = study.curves(False)[0]
    seconds = 2 * study.budget_seconds + 1
    record = Record(rows=[Row(curve.name, 0, 1, 1, seconds, {"loss": 0.1})])
    record.add(Ending(curve.name, 0, DONE, curve.settings, Source().label, "CPU"))
    assert stored.command(study, Record()).endswith("study batchnorm --out assets/studies")
    assert stored.command(study, record).endswith("--seconds-budget 10000 --out assets/studies")


@pytest.mark.parametrize("taken", [[4640, 549], [265, 264, 485], [1, 1000, 2], [7]])
def test_the_budget_of_a_command_is_the_least_that_lets_every_curve_end(taken: list[int]) -> None:
    curves = [Curve(str(name)) for name in range(len(taken))]
    study, record = replace(STUDIES["batchnorm"], curves=lambda _: curves), Record()
    for name, seconds in reversed(list(enumerate(taken))):  # in whatever order they were measured
        record.add(Row(str(name), 0, 1, 1, seconds, {"loss": 0.1}))
        record.add(Ending(str(name), 0, DONE, {}, "", ""))
    left, tightest = stored.budget_of(study, record), 1e9
    for place, seconds in enumerate(taken):
        share = left / (len(taken) - place)  # as a run deals it out
        left -= stored.MARGIN * seconds
        tightest = min(tightest, share / (stored.MARGIN * seconds))
    assert tightest == pytest.approx(1)


def test_records_that_are_not_there_change_no_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["study", "report", "--records", str(tmp_path / "none"), "--out", str(tmp_path)]
    assert main(words) == 2
    assert "is not a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_the_page_and_small_figures(tmp_path: Path) -> None:
    given, out = tmp_path / "records", tmp_path / "out"
    given.mkdir()
    for name in ("result", "identity"):
        measured(name, given / f"{name}.jsonl")
    assert main(["study", "report", "--records", str(given), "--out", str(out)]) == 0
    page = (out / "report.md").read_text(encoding="utf-8")
    pictures = list(linked(page))
    assert sorted(pictures) == ["studies/identity.png", "studies/result.png"]
    for name in pictures:
        assert (out / name).stat().st_size < 60_000
        with Image.open(out / name) as picture:
            assert picture.width > 600
    assert str(tmp_path) not in page


def test_the_stored_page_is_that_of_the_stored_records() -> None:
    """If this fails: `python -m n2n study report --out assets`."""
    if not (ROOT / "assets").is_dir():
        pytest.skip("installed from a wheel, which has no pages")
    page = (ROOT / "assets" / report.PAGE).read_text(encoding="utf-8")
    assert page == report.page({name: stored.stored(name) for name in STUDIES}, TEAMS)
    for name in linked(page):
        assert (ROOT / "assets" / name).stat().st_size < 60_000


def test_a_card_counts_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    card = {"course_psnr_db": {"A": 24.5, "A, self-ensemble": 24.6}}
    monkeypatch.setattr(shipped, "card", lambda name: card if name == "seed" else {})
    page = report.page(records(), TEAMS)
    assert row_of(page, "The same network")[1] == "24.50 dB A; 24.60 dB A, self-ensemble"
    assert row_of(page, "Our network, as shipped")[1] == MISSING


def linked(page: str) -> Iterator[str]:
    """The pictures on a page."""
    return (found[1] for found in re.finditer(r"!\[[^\]]*\]\(([^)]+)\)", page))
