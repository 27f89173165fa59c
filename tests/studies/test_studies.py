"""Every study: the report's settings stand in it, and it runs from curves to figure and answer."""

import io
from math import isfinite

import pytest

from n2n.studies import STUDIES, Record, StudyRun
from n2n.studies.record import DIVERGED, DONE, Row
from tests.studies.small import SOURCE, small_study
from tests.tiny import CPU, one_thread

__all__ = ["one_thread"]

# Samples, batch, epochs, learning rate, as the report gives them.
REPORTED = {
    "batchnorm": (1000, 100, 20, 0.05),
    "initialization": (1000, 100, 20, 0.05),
    "optimizers": (1000, 200, 30, 0.05),
    "identity": (1, 1, 20, 0.05),
    "result": (50_000, 100, 1, 0.05),
}
ORDER = (
    "identity batchnorm initialization result optimizers hybrid augmentation maxpool modes "
    "targets loss"
)


@pytest.mark.parametrize("name", REPORTED)
def test_the_reports_own_settings(name: str) -> None:
    settings = {
        (curve.samples, curve.batch, curve.epochs, curve.rate)
        for curve in STUDIES[name].curves(False)
        if (curve.network, curve.side_px, curve.pairs) == ("seed", 32, "course")
    }
    assert REPORTED[name] in settings


def test_order_and_time() -> None:
    assert " ".join(STUDIES) == ORDER
    assert sum(study.budget_seconds for study in STUDIES.values()) <= 8 * 3600


@pytest.mark.parametrize("quick", [False, True])
@pytest.mark.parametrize("name", STUDIES)
def test_curves_have_names_of_their_own(name: str, quick: bool) -> None:
    curves = STUDIES[name].curves(quick)
    assert len({(curve.name, curve.seed) for curve in curves}) == len(curves)


@pytest.mark.parametrize("name", STUDIES)
def test_quick_curves_are_the_same_curves_but_cheaper(name: str) -> None:
    full, quick = (
        {curve.name: curve for curve in STUDIES[name].curves(is_quick)}
        for is_quick in (False, True)
    )
    assert list(full) == list(quick)
    for curve, other in zip(full.values(), quick.values(), strict=True):
        cost, less = (each.samples * each.epochs * each.side_px**2 for each in (curve, other))
        assert less * 4 <= cost


@pytest.mark.parametrize("name", STUDIES)
def test_study_runs_from_curves_to_answer(name: str) -> None:
    study = small_study(STUDIES[name])
    record = Record()
    run = StudyRun(study, record, SOURCE, CPU, quick=True, budget_seconds=1000)
    events = list(run.events())
    assert [event.progress for event in events] == sorted(event.progress for event in events)
    assert events[-1].progress == 1.0
    assert len(record.endings) == len(run.curves) == events[-1].count
    for curve in run.curves:
        assert record.end(curve.name) in (DONE, DIVERGED)
        if record.end(curve.name) == DONE:
            rows = [row for row in record.rows if row.curve == curve.name]
            assert all(isfinite(value) for row in rows for value in row.values.values())
            assert rows[-1].step == curve.steps
    assert "?" not in study.answer(record)
    assert any(unit in study.answer(record) for unit in ("dB", "loss"))
    picture = io.BytesIO()
    study.figure(record).savefig(picture, dpi=40)
    assert picture.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", STUDIES)
def test_an_empty_record_has_a_figure(name: str) -> None:
    STUDIES[name].figure(Record())


def test_bars_fill_the_width_of_their_figure() -> None:
    record = Record(rows=[Row("noise, l2", 0, 1, 1, 0.1, {"final_psnr_b_db": 20.0})])
    figure = STUDIES["loss"].figure(record)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    assert axes.get_position().width > 0.8
