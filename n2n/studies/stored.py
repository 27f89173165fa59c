"""The records of the full runs, which lie in the repository, and a live run drawn over them."""

from dataclasses import replace
from pathlib import Path

from n2n.studies.record import Record

FOLDER = Path(__file__).parents[2] / "assets" / "studies"
LIVE = " (live)"


def stored(name: str) -> Record:
    """The stored record of a study; empty where there is none, as in a wheel."""
    record = Record.read(FOLDER / f"{name}.jsonl")
    record.path = None  # nobody adds to it
    return record


def over(below: Record, live: Record) -> Record:
    """Both in one, for a figure: the curves of `live` get names of their own."""
    ends = {
        (f"{curve}{LIVE}", seed): replace(ending, curve=f"{curve}{LIVE}")
        for (curve, seed), ending in live.endings.items()
    }
    rows = [replace(row, curve=f"{row.curve}{LIVE}") for row in list(live.rows)]
    return Record(rows=[*below.rows, *rows], endings=below.endings | ends)
