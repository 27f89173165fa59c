"""The history of a run: one row for each look at it, bounded however long the run lasts."""

import csv
import os
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from pathlib import Path

from n2n.training import Step

COLUMNS = ("step", "seconds", "loss", "rate", "validation_loss", "validation_psnr_db")
MOST_ROWS = 1000  # more than a plot has pixels for


@dataclass(frozen=True)
class Row:
    """A step, as the CSV holds it: seconds used by then, loss, learning rate.

    Where the step was validated, also the loss on held-out photos and their PSNR in dB.
    """

    step: int
    seconds: float
    loss: float
    rate: float
    validation_loss: float | None = None
    psnr_db: float | None = None


class History:
    """Rows in order of their steps, evenly thinned so that they never pass `most`.

    A thinned history keeps its first row, its last and its best, and of several rows in one stretch
    of the run one that was validated.
    """

    def __init__(self, rows: Sequence[Row] = (), most: int = MOST_ROWS) -> None:
        self.rows, self.most = list(rows), most
        self._stretch = 1  # steps

    def add(self, step: Step, seconds: float) -> Row:
        """A row for a step just taken, in place of an earlier one for the same step."""
        scores = (step.validation.loss, step.validation.psnr_db) if step.validation else ()
        row = Row(step.index, round(seconds, 2), float(step.loss), step.rate, *scores)
        rows = [*self.rows, row]
        if len(rows) > 1 and rows[-2].step == row.step:
            del rows[-2]
        if len(rows) > self.most:
            self._stretch = -(-2 * (row.step - rows[0].step + 1) // self.most)
        # A new list: another thread may be reading the old one.
        self.rows = self._thinned(rows) if self._stretch > 1 else rows
        return row

    @property
    def best(self) -> Row | None:
        """The row of the highest PSNR, if any was validated."""
        return _best(self.rows)

    def _thinned(self, rows: list[Row]) -> list[Row]:
        kept: dict[int, Row] = {}
        for row in rows:
            place = row.step // self._stretch
            if place not in kept or row.psnr_db is not None or kept[place].psnr_db is None:
                kept[place] = row
        always = [row for row in (rows[0], rows[-1], _best(rows)) if row is not None]
        return sorted({*kept.values(), *always}, key=lambda row: row.step)

    def write_csv(self, path: Path) -> None:
        """Write all rows, whole or not at all; nothing where a step was not validated."""
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("w", newline="") as file:
                writer = csv.writer(file)
                writer.writerow(COLUMNS)
                writer.writerows(astuple(row) for row in self.rows)
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)

    @classmethod
    def read_csv(cls, path: Path) -> "History":
        """What `write_csv` wrote.

        Raises:
            ValueError: the file is no history.
        """
        try:
            with path.open(newline="") as file:
                header, *lines = csv.reader(file)
            if tuple(header) != COLUMNS:
                raise ValueError(f"its columns are {', '.join(header)}")
            return cls([_row(line) for line in lines])
        except (csv.Error, UnicodeDecodeError, ValueError) as error:
            raise ValueError(f"{path.name} is no history of a run: {error}") from error

    def before(self, step: int) -> "History":
        """The rows before `step`: what a run knows that goes on from there."""
        return History([row for row in self.rows if row.step < step], self.most)


def _best(rows: Sequence[Row]) -> Row | None:
    scored = [row for row in rows if row.psnr_db is not None]
    return max(scored, key=lambda row: row.psnr_db or 0.0, default=None)


def _row(line: Sequence[str]) -> Row:
    step, seconds, loss, rate, *scores = line
    validation_loss, psnr_db = (float(score) if score else None for score in scores)
    return Row(int(step), float(seconds), float(loss), float(rate), validation_loss, psnr_db)
