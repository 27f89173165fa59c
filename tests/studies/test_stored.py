"""Stored records are whole, answer their question, and a live run lies over them."""

from dataclasses import replace
from pathlib import Path

import pytest

from n2n.studies import STUDIES, Record, stored
from n2n.studies.record import DONE, OUT_OF_TIME, Ending, Row


def record(path: Path | None = None) -> Record:
    found = Record(path)
    found.add(Row("a", 0, 1, 1, 0.5, {"loss": 0.25}))
    found.add(Ending("a", 0, DONE, {}, "data", "device"))
    return found


def test_live_curves_have_names_of_their_own() -> None:
    both = stored.over(record(), record())
    assert both.names() == ["a", "a (live)"]
    assert both.end("a (live)") == DONE
    assert both.last("a", "loss") == both.last("a (live)", "loss") == [0.25]


def test_nobody_adds_to_a_stored_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "folder", lambda: tmp_path)
    record(tmp_path / "x.jsonl")
    before = (tmp_path / "x.jsonl").read_text()
    found = stored.stored("x")
    found.add(Row("b", 0, 1, 1, 0.5, {}))
    assert (tmp_path / "x.jsonl").read_text() == before
    assert stored.stored("none").rows == []


@pytest.mark.parametrize("name", [n for n in STUDIES if stored.stored(n).rows])
def test_a_stored_record_is_of_todays_settings_and_complete(name: str) -> None:
    study, found = STUDIES[name], stored.stored(name)
    curves = study.curves(False)
    assert {curve.name for curve in curves} == set(found.names())
    assert all(found.end(curve.name) for curve in curves)
    asked = {curve.name: curve for curve in curves}
    for (curve, seed), ending in found.endings.items():
        assert replace(asked[curve], seed=seed).is_of(ending.settings), (curve, seed)
    assert "?" not in study.answer(found)
    assert found.end(curves[0].name) in (DONE, OUT_OF_TIME)
