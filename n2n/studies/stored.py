"""The records of the full runs, which come with the package, and a live run drawn over them."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path

from n2n.studies.base import Study
from n2n.studies.record import LIVE, Record
from n2n.studies.sources import options

_STUDIES = Path(__file__).parent
MARGIN = 1.3  # validation, which a row's seconds leave out, and a slower day


@cache
def folder() -> Path:
    """Inside the package when it was installed from a wheel; assets/studies of a checkout."""
    inside = _STUDIES / "records"
    return inside if inside.is_dir() else _STUDIES.parents[1] / "assets" / "studies"


def path_of(name: str) -> Path:
    """The file of a stored record, whether it is there or not."""
    return folder() / f"{name}.jsonl"


def stored(name: str) -> Record:
    """The stored record of a study; empty where there is none."""
    return to_look_at(path_of(name))


def to_look_at(path: Path) -> Record:
    """What a file holds, to which nobody adds."""
    record = Record.read(path)
    record.path = None
    return record


def is_whole(study: Study, record: Record) -> bool:
    """Whether every curve of the full run has ended, be it for the first seed alone."""
    return {curve.name for curve in study.curves(False)} <= {name for name, _ in record.endings}


def command(study: Study, record: Record) -> str:
    """The command that makes a record such as this."""
    data = {options(ending.data) for ending in record.endings.values()}
    seconds = budget_of(study, record)
    budget = f" --seconds-budget {1000 * math.ceil(seconds / 1000)}"
    return (
        f"python -m n2n study {study.name}{''.join(sorted(data))}"
        f"{budget if seconds > study.budget_seconds else ''} --out assets/studies"
    )


def budget_of(study: Study, record: Record) -> float:
    """The least budget, in seconds, with which no curve of a record is cut off that was not.

    Each may use an equal share of what those before it left (see `StudyRun`).
    """
    last = {(row.curve, row.seed): row.seconds for row in record.rows}
    names = [curve.name for curve in study.curves(False)]
    known = [key for key in record.endings if key[0] in names]
    known.sort(key=lambda key: (key[1], names.index(key[0])))  # as a run takes them
    taken = [MARGIN * last.get(key, 0.0) for key in known]
    return max(
        (sum(taken[:place]) + (len(taken) - place) * each for place, each in enumerate(taken)),
        default=0.0,
    )


def over(below: Record, live: Record) -> Record:
    """Both in one, for a figure: the curves of `live`, which may grow, get names of their own."""
    ends = {
        (f"{curve}{LIVE}", seed): replace(ending, curve=f"{curve}{LIVE}")
        for (curve, seed), ending in list(live.endings.items())
    }
    rows = [replace(row, curve=f"{row.curve}{LIVE}") for row in list(live.rows)]
    return Record(rows=[*below.rows, *rows], endings=below.endings | ends)
