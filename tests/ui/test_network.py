"""Never two networks at once; whoever waits or runs can be stopped."""

import threading
import time
from typing import Any

import pytest

from n2n.ui.handlers import network
from n2n.ui.handlers.network import Finished, Progress, Tell, in_turn

PATIENCE_S = 20


class Job:
    """Works until it is let go, and notes when it ran."""

    running, most = 0, 0

    def __init__(self) -> None:
        self.started, self.go, self.ended = (threading.Event() for _ in range(3))

    def __call__(self, tell: Tell) -> str:
        type(self).running += 1
        type(self).most = max(self.most, self.running)
        self.started.set()
        try:
            while not self.go.wait(0.01):
                tell(0.5)
        finally:
            type(self).running -= 1
            self.ended.set()
        return "done"


@pytest.fixture(autouse=True)
def _fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    Job.running, Job.most = 0, 0
    monkeypatch.setattr(network, "SILENCE_SECONDS", 0.02)


def drain(events: object, into: list[Any]) -> threading.Thread:
    thread = threading.Thread(target=lambda: into.extend(events))  # type: ignore[call-overload]
    thread.start()
    return thread


def test_a_job_tells_how_far_it_is_and_what_it_returned() -> None:
    job = Job()
    events = in_turn(job)
    assert isinstance(next(events), Progress)
    job.go.set()
    *_, last = events
    assert isinstance(last, Finished)
    assert last.value == "done"


def test_two_jobs_never_run_at_once() -> None:
    first, second = Job(), Job()
    heard: list[list[Any]] = [[], []]
    threads = [drain(in_turn(job), to) for job, to in zip((first, second), heard, strict=True)]
    time.sleep(0.5)
    assert Job.running == 1
    first.go.set()
    second.go.set()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert Job.most == 1
    assert [events[-1].value for events in heard] == ["done", "done"]


def test_closing_stops_a_job_and_its_turn_passes_on() -> None:
    first, second = Job(), Job()
    events = in_turn(first)
    next(events)
    assert first.started.wait(PATIENCE_S)
    events.close()  # type: ignore[attr-defined]
    assert first.ended.wait(PATIENCE_S)
    second.go.set()
    assert network.result_of(in_turn(second)) == "done"


def test_one_who_waits_hears_so_and_may_leave() -> None:
    first, second = Job(), Job()
    running, waiting = in_turn(first), in_turn(second)
    next(running)
    assert first.started.wait(PATIENCE_S)
    assert next(waiting) == Progress(None)
    waiting.close()  # type: ignore[attr-defined]
    first.go.set()
    assert network.result_of(running) == "done"
    time.sleep(0.5)
    assert not second.started.is_set()


def test_turns_come_in_the_order_of_asking() -> None:
    """Also when those in the middle have left."""
    served: list[int] = []
    first = Job()
    running = in_turn(first)
    next(running)
    asked = [in_turn(lambda tell, name=name: served.append(name)) for name in range(12)]
    for events in asked:
        assert next(events) == Progress(None)
    for left in asked[3:6]:
        left.close()  # type: ignore[attr-defined]
    first.go.set()
    for events in (running, *asked):
        list(events)
    assert served == [0, 1, 2, 6, 7, 8, 9, 10, 11]
    assert not network.is_busy()


def test_an_error_reaches_the_one_who_asked_and_frees_the_turn() -> None:
    def fail(tell: Tell) -> None:
        raise ValueError("no such model")

    with pytest.raises(ValueError, match="no such model"):
        network.result_of(in_turn(fail))
    job = Job()
    job.go.set()
    assert network.result_of(in_turn(job)) == "done"
