"""A run's history as the points of two plots, few enough to be sent twice a second."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from n2n.history import Row

MOST_POINTS = 200  # of one series; a plot has two, and two points for each reference
TRAINING, HELD_OUT, THIS_RUN = "training", "held-out photos", "this run"

Point = tuple[int, float, str]  # step, value, series


@dataclass(frozen=True)
class Curves:
    """The points of a plot, and what its values are."""

    points: tuple[Point, ...]
    what: str


def loss(rows: Sequence[Row]) -> Curves:
    """Loss of each step and on held-out photos; as log10 where all of it is positive."""
    series: dict[str, list[tuple[int, float | None]]] = {
        TRAINING: [(row.step + 1, row.loss) for row in rows],
        HELD_OUT: [(row.step + 1, row.validation_loss) for row in rows],
    }
    finite = {name: _finite(points) for name, points in series.items()}
    positive = all(value > 0 for points in finite.values() for _, value in points)
    if positive:
        finite = {name: [(x, math.log10(y)) for x, y in pts] for name, pts in finite.items()}
    return Curves(_points(finite), "log10 of the loss" if positive else "loss")


def psnr(rows: Sequence[Row], references: Mapping[str, float]) -> Curves:
    """PSNR of held-out photos, and what it compares with as level lines over the same steps."""
    run = _finite([(row.step + 1, row.psnr_db) for row in rows])
    ends = (rows[0].step + 1, rows[-1].step + 1) if rows else (1, 1)
    lines = {name: _finite([(x, value) for x in ends]) for name, value in references.items()}
    return Curves(_points({THIS_RUN: run} | lines), "PSNR of held-out photos (dB)")


def _finite(points: Iterable[tuple[int, float | None]]) -> list[tuple[int, float]]:
    """Without gaps, NaN and infinities, of which a plot can show nothing."""
    return [(x, y) for x, y in points if y is not None and math.isfinite(y)]


def _points(series: Mapping[str, list[tuple[int, float]]]) -> tuple[Point, ...]:
    found: list[Point] = []
    for name, points in series.items():
        thin = _thinned(points)
        if len({x for x, _ in thin}) == 1:  # a plot draws no line through a single point
            (x, y) = thin[-1]
            thin = [(x, y), (x + 1, y)]
        found += [(x, y, name) for x, y in thin]
    return tuple(found)


def _thinned(points: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """At most MOST_POINTS of them, evenly, with the first and the last."""
    if len(points) <= MOST_POINTS:
        return points
    stride = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(index * stride)] for index in range(MOST_POINTS)]
