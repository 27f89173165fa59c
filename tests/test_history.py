"""The history of a run: rows, their CSV, and that it stays short without losing what matters."""

import itertools
import math
from pathlib import Path

import pytest
import torch

from n2n.history import COLUMNS, History, Row
from n2n.training import Step, Validation
from tests.tiny import refused


def step(index: int, psnr_db: float | None = None, loss: float = 0.5) -> Step:
    found = None if psnr_db is None else Validation(loss + 1, psnr_db)
    return Step(index, torch.tensor(loss), rate=1e-3, progress=0.0, validation=found)


def test_a_row_is_a_step() -> None:
    history = History()
    assert history.best is None
    assert history.add(step(3), 1.23456) == Row(3, 1.23, 0.5, 1e-3, None, None)
    assert history.add(step(4, 27.5), 2.0) == Row(4, 2.0, 0.5, 1e-3, 1.5, 27.5)
    assert [row.step for row in history.rows] == [3, 4]
    assert history.best == history.rows[1]


def test_a_step_looked_at_again_has_one_row() -> None:
    history = History()
    history.add(step(3), 1.0)
    history.add(step(3, 27.5), 1.1)
    assert [(row.step, row.psnr_db) for row in history.rows] == [(3, 27.5)]


def test_another_thread_may_keep_reading() -> None:
    history = History()
    history.add(step(0), 0)
    seen = history.rows
    history.add(step(1), 1)
    assert len(seen) == 1


@pytest.mark.parametrize("every", [1, 6])
def test_a_long_run_is_thinned_evenly(every: int) -> None:
    """First, best and last stay, and so do scores: of the rows of a stretch a validated one."""
    history = History(most=100)
    for index in range(0, 70_000, 7):
        psnr_db = 30 - abs(index - 20_153) / 1e4 if index // 7 % every == 0 else None
        history.add(step(index, psnr_db), index / 10)
        assert len(history.rows) <= 100
        assert history.rows[-1].step == index
    steps = [row.step for row in history.rows]
    assert steps == sorted(set(steps))
    assert steps[0] == 0
    assert history.best is not None
    assert abs(history.best.step - 20_153) <= 7 * every
    gaps = [after - before for before, after in itertools.pairwise(steps)]
    assert len(steps) >= 50
    assert max(gaps) <= 3 * 70_000 / 100
    assert sum(row.psnr_db is None for row in history.rows) <= 2


def test_the_table_comes_back_exactly(tmp_path: Path) -> None:
    history = History()
    history.add(step(0, 20.123456789, loss=-1 / 3), 0.5)
    history.add(step(7, loss=math.inf), 1.25)
    path = tmp_path / "folder" / "run.csv"
    history.write_csv(path)
    assert path.read_text().splitlines()[0] == ",".join(COLUMNS)
    assert path.read_text().splitlines()[2] == "7,1.25,inf,0.001,,"
    assert History.read_csv(path).rows == history.rows
    assert [row.step for row in History.read_csv(path).before(7).rows] == [0]
    history.write_csv(path)  # over the old one
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "text", ["", "a,b\n1,2\n", ",".join(COLUMNS) + "\n1,2\n", ",".join(COLUMNS) + "\nx,2,3,4,,\n"]
)
def test_another_table_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text(text)
    with refused("other.csv is no history of a run"):
        History.read_csv(path)
