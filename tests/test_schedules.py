"""How long a run lasts and at which rate: budgets, plans, and the landing after a stop."""

import pytest

from n2n.schedules import Budget, Landing, Schedule
from tests.toy_runs import Clock, told_clock  # noqa: F401  a fixture


@pytest.mark.parametrize(
    ("step", "rate"),
    [(0, 0.2), (1, 0.4), (3, 0.8), (4, 1.0), (50, 1.0), (80, 1.0), (90, 0.5), (99, 0.05)],
)
def test_rates_by_hand(step: int, rate: float) -> None:
    """Four steps of warm-up, constant, then down over the last fifth."""
    schedule = Schedule(1.0, Budget(steps=100), warmup_steps=4, decay=0.2)
    assert schedule.at(step) == pytest.approx((rate, step / 100))


def test_without_decay_the_rate_stays() -> None:
    schedule = Schedule(0.3, Budget(steps=10))
    assert {schedule.at(step)[0] for step in range(10)} == {0.3}
    assert Schedule(0.3, Budget()).at(10**9) == (0.3, 0.0)


def test_a_budget_of_steps() -> None:
    budget = Budget(steps=4)
    assert [budget.progress(step) for step in (0, 1, 4, 9)] == [0, 0.25, 1, 1]


def test_a_budget_of_seconds(clock: Clock) -> None:
    budget = Budget(seconds=10)
    assert budget.progress(10**6) == 0
    clock.now += 4
    assert budget.elapsed == 4
    assert budget.progress(0) == 0.4
    clock.now += 100
    assert budget.progress(0) == 1


def test_whichever_limit_is_nearer(clock: Clock) -> None:
    budget = Budget(steps=100, seconds=10, elapsed=3)  # as resumed after three seconds
    assert budget.progress(0) == 0.3
    assert budget.progress(80) == 0.8
    clock.now += 6
    assert budget.progress(80) == 0.9


def test_no_budget_never_ends() -> None:
    assert Budget().progress(10**12) == 0


def test_pauses_do_not_count(clock: Clock) -> None:
    budget = Budget(seconds=10)
    clock.now += 2
    budget.pause()
    clock.now += 50
    assert budget.elapsed == 2
    budget.pause()  # pausing twice is one pause
    clock.now += 50
    budget.go_on()
    budget.go_on()
    clock.now += 3
    assert budget.progress(0) == 0.5


# ---- landing ----


def land(clock: Clock, landing: Landing, step_seconds: float) -> list[float]:
    """The rates of all steps, each of which takes so long."""
    rates = []
    while True:
        rate, progress = landing.at(7 + len(rates))
        if progress >= 1:
            return rates
        rates.append(rate)
        clock.now += step_seconds


def test_a_landing_falls_linearly_and_ends_in_time(clock: Clock) -> None:
    """Three steps of 0.4 s within 1.5 s, each at the rate of its middle; a fourth would be late."""
    begun = clock.now
    rates = land(clock, Landing(3.0, Budget(), 1.5, step_seconds=0.4), 0.4)
    assert rates == pytest.approx([3 * (1 - 0.2 / 1.5), 3 * (1 - 0.6 / 1.5), 3 * (1 - 1.0 / 1.5)])
    assert clock.now - begun <= 1.5


def test_a_landing_judges_by_the_steps_it_takes(clock: Clock) -> None:
    """Announced at 0.1 s, but they take 0.7: one more fits, a third does not."""
    assert len(land(clock, Landing(1.0, Budget(), 1.5, step_seconds=0.1), 0.7)) == 2


def test_a_landing_has_no_step_that_takes_longer_than_all_of_it(clock: Clock) -> None:
    assert land(clock, Landing(1.0, Budget(), 1.5, step_seconds=20), 20) == []


@pytest.mark.usefixtures("clock")
def test_a_landing_knows_how_far_the_run_was() -> None:
    """The loss asks: it must not jump to the end of its own schedule."""
    assert Landing(1.0, Budget(steps=10), 1.5).at(3)[1] == 0.3
