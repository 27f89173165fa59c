"""The record of a study: JSON lines, one for each step of each curve, and one where it ends.

A file that was cut off is read up to the cut, and goes on with the curves that it lacks.
"""

import itertools
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

DIGITS = 6  # significant ones, of a number in the file
DONE, DIVERGED, OUT_OF_TIME = "done", "diverged", "out of time"
LIVE = " (live)"  # after the name of a curve that is drawn over the stored one


def is_live(name: str) -> bool:
    """Whether a curve is drawn over the stored ones."""
    return name.endswith(LIVE)


def stored_name(name: str) -> str:
    """What the stored curve is called that a live one repeats."""
    return name.removesuffix(LIVE)


@dataclass(frozen=True)
class Row:
    """One curve after one step.

    `passes` are forward-backward passes of a mini-batch so far (LBFGS takes many a step), `seconds`
    of training, validation left out. `values` by name: loss, psnr_a_db, psnr_b_db, ...
    """

    curve: str
    seed: int
    step: int
    passes: int
    seconds: float
    values: Mapping[str, float]


@dataclass(frozen=True)
class Ending:
    """How a curve ended (done, diverged, out of time), on what, and all its settings.

    `data` names the pictures in words, `digest` tells others of that name; older records have none.
    """

    curve: str
    seed: int
    end: str
    settings: Mapping[str, Any]
    data: str
    device: str
    digest: str = ""


Key = tuple[str, int]


@dataclass
class Record:
    """The rows of a study and how its curves ended; in a file too where there is a path."""

    path: Path | None = None
    rows: list[Row] = field(default_factory=list)
    endings: dict[Key, Ending] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "Record":
        """What a file holds; empty if there is none. Lines that are no record are left out."""
        record = cls(path)
        lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
        for line in lines:
            try:
                record._take(json.loads(line))
            except (ValueError, KeyError, TypeError, AttributeError):
                continue  # cut off in the middle, when the machine went down
        return record

    def keep(self, is_wanted: Callable[[Ending], bool]) -> None:
        """Drop all curves that have not ended, or not as wanted; write what is left.

        A file that holds ended curves which are dropped stays, as NAME.jsonl.1 or the next number.
        """
        kept = {key: each for key, each in self.endings.items() if is_wanted(each)}
        if self.path is not None and len(kept) < len(self.endings):
            names = (self.path.with_name(f"{self.path.name}.{n}") for n in itertools.count(1))
            shutil.copyfile(self.path, next(name for name in names if not name.exists()))
        self.endings = kept
        self.rows = [row for row in self.rows if (row.curve, row.seed) in self.endings]
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
            temporary.write_text("".join(_line(entry) for entry in self._entries()))
            os.replace(temporary, self.path)

    def _entries(self) -> Iterator[Row | Ending]:
        yield from self.rows
        yield from self.endings.values()

    def add(self, entry: Row | Ending) -> None:
        """One more line."""
        self._keep(entry)
        if self.path is not None:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(_line(entry))

    @property
    def seconds(self) -> float:
        """Of training, over all curves."""
        last = {(row.curve, row.seed): row.seconds for row in self.rows}  # the last row's stays
        return sum(last.values())

    def names(self) -> list[str]:
        """The curves, in the order in which they came."""
        return list(dict.fromkeys(row.curve for row in self.rows))

    def series(self, curve: str, name: str) -> dict[int, list[Row]]:
        """By seed, the rows of a curve that have the value `name`."""
        found: dict[int, list[Row]] = {}
        for row in self.rows:
            if row.curve == curve and name in row.values:
                found.setdefault(row.seed, []).append(row)
        return found

    def ended(self, curve: str, name: str) -> dict[int, list[Row]]:
        """As `series`, of the seeds that have ended; of all, while none has."""
        found = self.series(curve, name)
        whole = {seed: rows for seed, rows in found.items() if (curve, seed) in self.endings}
        return whole or found

    def last(self, curve: str, name: str) -> list[float]:
        """The last value of each seed that has ended; of all, while none has."""
        return [rows[-1].values[name] for rows in self.ended(curve, name).values()]

    def end(self, curve: str) -> str:
        """How a curve ended: the worst of its seeds; "" where none has ended."""
        ends = {ending.end for (name, _), ending in self.endings.items() if name == curve}
        return next((end for end in (DIVERGED, OUT_OF_TIME, DONE) if end in ends), "")

    def _keep(self, entry: Row | Ending) -> None:
        if isinstance(entry, Row):
            self.rows.append(entry)
        else:
            self.endings[entry.curve, entry.seed] = entry

    def _take(self, line: dict[str, Any]) -> None:
        if "end" in line:
            ending = Ending(**line)
            dict(**ending.settings)  # names and values, else a TypeError
            self._keep(ending)
            return
        known = {name: line.pop(name) for name in ("curve", "seed", "step", "passes", "seconds")}
        values = {name: math.nan if value is None else value for name, value in line.items()}
        self._keep(Row(**known, values=values))


def mean_and_spread(values: list[float], digits: int = 2) -> str:
    """Such as "25.08", or "25.08 ± 0.03" over several seeds."""
    mean = f"{np.mean(values):.{digits}f}" if values else "?"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def _line(entry: Row | Ending) -> str:
    fields = dict(vars(entry))
    if isinstance(entry, Row):
        fields |= {name: _rounded(value) for name, value in fields.pop("values").items()}
        fields["seconds"] = _rounded(entry.seconds)
    return json.dumps(fields, allow_nan=False) + "\n"


def _rounded(value: float) -> float | None:
    """JSON knows no NaN and no infinity."""
    return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
