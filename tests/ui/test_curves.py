"""A history as points of a plot: few, finite, and drawn even where there is only one."""

import itertools
import math

import pytest

from n2n.history import Row
from n2n.ui.handlers import curves
from n2n.ui.handlers.curves import HELD_OUT, MOST_POINTS, THIS_RUN, TRAINING, Curves


def row(step: int, loss: float, held_out: float | None = None, db: float | None = None) -> Row:
    return Row(step, step / 10, loss, 1e-3, held_out, db)


def series(found: Curves, name: str) -> list[tuple[int, float]]:
    return [(x, y) for x, y, of in found.points if of == name]


def test_losses_are_shown_as_their_logarithm_steps_count_from_1() -> None:
    found = curves.loss([row(0, 1.0, 0.1), row(1, 0.01), row(2, 0.1, 0.001)])
    assert found.what == "log10 of the loss"
    assert series(found, TRAINING) == [(1, 0), (2, -2), (3, -1)]
    assert series(found, HELD_OUT) == [(1, -1), (3, -3)]


def test_a_loss_of_zero_or_less_has_no_logarithm() -> None:
    """Such as log-l2 of a network that is good."""
    found = curves.loss([row(0, 1.0, 0.5), row(1, -2.0, 0.25)])
    assert found.what == "loss"
    assert series(found, TRAINING) == [(1, 1.0), (2, -2.0)]
    assert series(found, HELD_OUT) == [(1, 0.5), (2, 0.25)]


@pytest.mark.parametrize("lost", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_is_left_out(lost: float) -> None:
    rows = [row(0, 1.0, lost, lost), row(1, lost, 0.1, 30.0), row(2, 0.1)]
    found = curves.loss(rows)
    assert series(found, TRAINING) == [(1, 0), (3, -1)]
    assert found.what == "log10 of the loss"
    psnr = curves.psnr(rows, {"best": lost, "noisy input": 20.0})
    assert series(psnr, THIS_RUN) == [(2, 30.0), (3, 30.0)]
    assert series(psnr, "best") == []


def test_one_point_is_a_short_line_and_none_is_nothing() -> None:
    assert series(curves.loss([row(4, 10.0)]), TRAINING) == [(5, 1), (6, 1)]
    assert curves.loss([]).points == curves.psnr([], {}).points == ()


def test_references_run_from_the_first_step_to_the_last() -> None:
    rows = [row(step, 1.0, 1.0, 20.0 + step) for step in range(3, 9)]
    found = curves.psnr(rows, {"noisy input": 20.2, "best": 31.5})
    assert series(found, "noisy input") == [(4, 20.2), (9, 20.2)]
    assert series(found, "best") == [(4, 31.5), (9, 31.5)]
    assert series(found, THIS_RUN) == [(step + 1, 20.0 + step) for step in range(3, 9)]


@pytest.mark.parametrize("count", [MOST_POINTS, MOST_POINTS + 1, 12_345])
def test_a_long_run_is_thinned_evenly_with_both_ends(count: int) -> None:
    found = series(curves.loss([row(step, 1.0) for step in range(count)]), TRAINING)
    steps = [x for x, _ in found]
    assert len(steps) == MOST_POINTS
    assert (steps[0], steps[-1]) == (1, count)
    gaps = {after - before for before, after in itertools.pairwise(steps)}
    assert max(gaps) - min(gaps) <= 1
    assert min(gaps) >= 1
