"""`python -m n2n bench`: speed and memory of this machine, each number beside its target."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from n2n.benchmark import PARTS, Machine, Measured, curves, machine, measure
from n2n.benchmark.measured import peak_megabytes
from n2n.cli.common import DONE, say

VERDICTS = {True: "holds", False: "MISSED", None: ""}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--only", nargs="+", choices=list(PARTS), default=list(PARTS), metavar="PART",
        help=f"some of {', '.join(PARTS)} (default: all)",
    )  # fmt: skip
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a minute instead of ten: small sizes and few runs, for which no target is stated",
    )
    parser.add_argument(
        "--curves",
        type=Path,
        metavar="FOLDER",
        help="instead, how costs grow with size and batch: costs.png and costs.json (minutes)",
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per number")


def run(arguments: argparse.Namespace) -> int:
    """Measure; a missed target is told, and is no failure of the command."""
    here = machine()
    print(json.dumps(asdict(here)) if arguments.json else _introduced(here), flush=True)
    if arguments.curves is not None:
        return _curves(arguments, here)
    for part in arguments.only:
        say(f"measuring {part} ...")
        for measured in measure(part, quick=arguments.quick):
            print(_row(part, measured, as_json=arguments.json), flush=True)
    peak = Measured("peak memory of this process", peak_megabytes(), "MB")
    print(_row("bench", peak, as_json=arguments.json), flush=True)
    return DONE


def _curves(arguments: argparse.Namespace, here: Machine) -> int:
    points = []
    for point in curves.measure(arguments.quick):
        points.append(point)
        row = f"{point.name:<6} {point.x:>8.4g} {point.across}: {point.y:.4g} {point.up}"
        print(json.dumps(asdict(point)) if arguments.json else row, flush=True)
    curves.write(arguments.curves, here, points)
    return DONE


def _introduced(here: Machine) -> str:
    units = "matrix units (AMX)" if here.matrix_units else "no matrix units"
    return (
        f"{here.chip}, {here.threads} threads, {units}; "
        f"PyTorch {here.torch}, Python {here.python}\n"
        "Warm medians of the runs in brackets; targets behind them."
    )


def _row(part: str, measured: Measured, *, as_json: bool) -> str:
    if as_json:
        return json.dumps({"part": part, **asdict(measured), "holds": measured.holds})
    target = ""
    if measured.at_most is not None:
        target = f"≤ {measured.at_most:.4g}"
    elif measured.at_least is not None:
        target = f"≥ {measured.at_least:.4g}"
    value = f"{measured.value:.4g} {measured.unit}"
    row = f"{measured.name:<60} {value:>16} [{measured.runs}] {target:>9}"
    return f"{row} {VERDICTS[measured.holds]:6} {measured.note}".rstrip()
