"""A record survives what happens to files, and keeps no curve of other settings."""

import json
import math
from pathlib import Path

from n2n.studies.record import DIVERGED, DONE, Ending, Record, Row, mean_and_spread


def row(step: int, curve: str = "a", seed: int = 0, **values: float) -> Row:
    return Row(curve, seed, step, 2 * step, 0.5, values or {"loss": 0.25})


def ending(curve: str = "a", seed: int = 0, end: str = DONE, rate: float = 0.1) -> Ending:
    return Ending(curve, seed, end, {"rate": rate}, "data", "device")


def test_file_holds_what_was_added(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    record = Record(path)
    for entry in (row(1), row(2, loss=math.pi), ending()):
        record.add(entry)
    found = Record.read(path)
    assert found.rows[0] == row(1)
    assert found.rows[1].values["loss"] == float(f"{math.pi:.6g}")
    assert list(found.endings) == [("a", 0)]
    assert Record.read(tmp_path / "none.jsonl").rows == []


def test_a_file_that_was_cut_is_read_up_to_the_cut(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    record = Record(path)
    for step in (1, 2, 3):
        record.add(row(step))
    text = path.read_text()
    path.write_text(text[: len(text) - 20])
    assert [found.step for found in Record.read(path).rows] == [1, 2]


def test_other_lines_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text('[]\n{}\n"text"\nnull\n{"end": "done"}\n\n')
    with path.open("a") as file:
        file.write(json.dumps(vars(ending()) | {"settings": "x"}) + "\n")
    record = Record.read(path)
    assert (record.rows, record.endings) == ([], {})


def test_numbers_that_json_lacks_come_back_as_nan(tmp_path: Path) -> None:
    record = Record(tmp_path / "x.jsonl")
    record.add(row(1, loss=math.inf))
    assert json.loads((tmp_path / "x.jsonl").read_text())["loss"] is None
    assert math.isnan(Record.read(tmp_path / "x.jsonl").rows[0].values["loss"])


def test_only_curves_that_ended_as_wanted_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    record = Record(path)
    for entry in (
        row(1), ending(), row(1, "unfinished"), row(1, "changed"), ending("changed", rate=0.2),
        row(1, seed=1),
    ):  # fmt: skip
        record.add(entry)
    record = Record.read(path)
    record.keep(lambda ending: ending.settings["rate"] == 0.1)
    for found in (record, Record.read(path)):
        assert [(kept.curve, kept.seed) for kept in found.rows] == [("a", 0)]
        assert list(found.endings) == [("a", 0)]


def test_series_and_ends() -> None:
    record = Record()
    for entry in (
        row(1), row(2, loss=0.5), row(1, seed=1), row(2, "b", psnr_a_db=20.0), ending(),
        ending(seed=1, end=DIVERGED),
    ):  # fmt: skip
        record.add(entry)
    assert record.names() == ["a", "b"]
    assert record.last("a", "loss") == [0.5, 0.25]
    assert record.last("b", "loss") == []
    assert record.end("a") == DIVERGED
    assert record.end("b") == ""


def test_mean_and_spread() -> None:
    assert mean_and_spread([25.084]) == "25.08"
    assert mean_and_spread([1.0, 2.0, 3.0]) == "2.00 ± 1.00"
    assert mean_and_spread([]) == "?"
