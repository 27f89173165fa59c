"""Jobs with toy works: every step waits for the test, so the order of events is the test's own."""

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from n2n.jobs import OVER, Jobs, State, View, inline
from n2n.training import Diverged
from tests.tiny import refused

PATIENCE_SECONDS = 20


class Toy:
    """Counts to `last`, one number for each permit, and says what happened to it."""

    def __init__(self, last: int = 3, permits: int = 1000) -> None:
        self.last, self.permits = last, threading.Semaphore(permits)
        self.begun = 0  # the number it is at work on
        self.said: list[str] = []
        self.error: BaseException | None = None
        self.finish_error: BaseException | None = None

    def events(self) -> Iterator[int]:
        try:
            for number in range(1, self.last + 1):
                self.begun = number
                assert self.permits.acquire(timeout=PATIENCE_SECONDS)
                if self.error is not None:
                    raise self.error
                yield number
        finally:
            self.said.append("closed")

    def finish(self) -> Iterator[int]:
        if self.finish_error is not None:
            raise self.finish_error
        for number in (-1, -2):
            self.said.append(f"landing {number}")
            yield number


class Clock:
    """Seconds that pass when the test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def make_jobs(clock: Callable[[], float] = lambda: 0.0) -> Jobs:
    return Jobs(unattended_seconds=120, keep_seconds=900, most_waiting=2, clock=clock)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(clock: Clock) -> Iterator[Jobs]:
    jobs = make_jobs(clock)
    yield jobs
    jobs.close()
    assert not jobs._threads, "a job outlived its test"


def until(jobs: Jobs, key: str, wanted: Callable[[View[int]], bool]) -> View[int]:
    """Look until the view is as wanted."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        view = jobs.view(key)
        if wanted(view):
            return view
        time.sleep(0.002)
    raise AssertionError(f"still {jobs.view(key)}")


def over(jobs: Jobs, key: str) -> View[int]:
    return until(jobs, key, lambda view: view.state in OVER)


def busy(jobs: Jobs, device: str = "cpu") -> tuple[str, Toy]:
    """A job that told its first event, is in the midst of its second, and needs a permit for it."""
    toy = Toy(last=10**9, permits=1)
    key = jobs.start(lambda: toy, device)
    until(jobs, key, lambda view: toy.begun == 2)
    return key, toy


def end(jobs: Jobs, key: str, toy: Toy) -> None:
    """Stop a busy job and let its present step go."""
    jobs.stop(key)
    toy.permits.release()
    assert over(jobs, key).state is State.STOPPED


def wait_unseen(jobs: Jobs) -> None:
    """Until all threads have ended, without a look at any job."""
    for thread in list(jobs._threads.values()):
        thread.join(PATIENCE_SECONDS)


# ---- one job ----


def test_a_job_runs_to_its_end(jobs: Jobs) -> None:
    toy = Toy(last=3)
    key = jobs.start(lambda: toy, "cpu")
    view = over(jobs, key)
    assert (view.state, view.latest, view.events, view.error) == (State.DONE, 3, 3, None)
    assert view.place == 0
    assert view.started is not None
    assert view.started.tzinfo is not None
    assert toy.said == ["closed"]  # work that ended by itself needs no landing
    assert jobs.work(key) is toy


def test_the_latest_event_is_shown_while_it_runs(jobs: Jobs) -> None:
    key, toy = busy(jobs)
    assert jobs.view(key).state is State.RUNNING
    for number in (2, 3):
        toy.permits.release()
        view = until(jobs, key, lambda view, number=number: view.events == number)
        assert view.latest == number
    end(jobs, key, toy)


def test_stop_acts_after_the_present_event_and_lands(jobs: Jobs) -> None:
    key, toy = busy(jobs)
    jobs.stop(key)
    assert jobs.view(key).state is State.STOPPING
    assert toy.said == []  # between two events alone
    jobs.stop(key)  # twice does no harm
    toy.permits.release()
    view = over(jobs, key)
    assert (view.state, view.latest, view.events) == (State.STOPPED, -2, 4)
    assert toy.said == ["closed", "landing -1", "landing -2"]
    jobs.stop(key)
    assert jobs.view(key) == view


def test_ids_cannot_be_guessed(jobs: Jobs) -> None:
    keys = {jobs.start(Toy, device) for device in "abcde"}
    assert len(keys) == 5
    assert min(map(len, keys)) >= 43  # 32 random bytes in base 64


@pytest.mark.parametrize("call", [Jobs.view, Jobs.work, Jobs.stop])
def test_an_unknown_id_is_refused(jobs: Jobs, call: Callable[[Jobs, str], object]) -> None:
    with refused("not known here any more; start a new one"):
        call(jobs, "nobody's")


# ---- failures ----

FAILURES = {
    "value": (ValueError("what came\nwas wrong"), "what came was wrong"),
    "diverged": (Diverged("the loss at step 7 is nan"), "the loss at step 7 is nan"),
    "disk full": (OSError(28, "No space left on device", "/srv/a"), "No space left on device"),
    "unforeseen": (KeyError("secret"), "the run failed: KeyError"),
}


@pytest.mark.parametrize(("error", "text"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_one_line_and_keeps_the_work(
    jobs: Jobs, error: Exception, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    key, toy = busy(jobs)
    toy.error = error
    toy.permits.release()
    view = over(jobs, key)
    assert (view.state, view.error) == (State.FAILED, text)
    assert (view.latest, view.events) == (1, 1)
    assert jobs.work(key) is toy
    assert toy.said == ["closed"]
    assert bool(caplog.records) == isinstance(error, KeyError)  # a bug is logged in full


def test_work_that_cannot_be_built_is_a_failed_job(jobs: Jobs) -> None:
    def make() -> Toy:
        raise ValueError("no photos")

    key = jobs.start(make, "cpu")
    view = over(jobs, key)
    assert (view.state, view.error, view.events) == (State.FAILED, "no photos", 0)
    assert jobs.work(key) is None
    assert over(jobs, jobs.start(Toy, "cpu")).state is State.DONE  # the device is free again


def test_a_failed_landing_is_a_failed_job(jobs: Jobs) -> None:
    key, toy = busy(jobs)
    toy.finish_error = ValueError("no landing")
    jobs.stop(key)
    toy.permits.release()
    assert over(jobs, key).error == "no landing"


# ---- the queue ----


def test_those_who_wait_know_their_place_and_may_leave(jobs: Jobs) -> None:
    first, toy = busy(jobs)
    second, third = (jobs.start(Toy, "cpu") for _ in range(2))
    views = [jobs.view(key) for key in (first, second, third)]
    assert [view.place for view in views] == [0, 1, 2]
    assert [view.state for view in views] == [State.RUNNING, State.WAITING, State.WAITING]
    assert views[1].started is None
    with refused("too many wait"):
        jobs.start(Toy, "cpu")

    jobs.stop(second)
    assert (jobs.view(second).state, jobs.view(second).place) == (State.STOPPED, 0)
    assert jobs.work(second) is None  # it was never built
    assert jobs.view(third).place == 1
    fourth = jobs.start(Toy, "cpu")
    assert jobs.view(fourth).place == 2

    end(jobs, first, toy)
    assert over(jobs, third).state is over(jobs, fourth).state is State.DONE
    assert jobs.view(second).events == 0


def test_the_next_waits_until_the_landing_is_over(jobs: Jobs) -> None:
    landing, landed = threading.Event(), threading.Event()

    class Slow(Toy):
        def finish(self) -> Iterator[int]:
            landing.set()
            assert landed.wait(PATIENCE_SECONDS)
            yield -1

    slow = Slow(last=10**9, permits=10**9)
    first = jobs.start(lambda: slow, "cpu")
    until(jobs, first, lambda view: view.events > 0)
    second = jobs.start(Toy, "cpu")
    jobs.stop(first)
    assert landing.wait(PATIENCE_SECONDS)
    assert jobs.view(first).state is State.STOPPING
    assert (jobs.view(second).state, jobs.view(second).place) == (State.WAITING, 1)
    landed.set()
    assert over(jobs, second).state is State.DONE


def test_devices_work_side_by_side(jobs: Jobs) -> None:
    first, toy = busy(jobs, "cuda:0")
    second, other = busy(jobs, "cuda:1")
    assert jobs.view(first).state is jobs.view(second).state is State.RUNNING
    end(jobs, first, toy)
    end(jobs, second, other)


def test_without_a_queue_one_may_still_run() -> None:
    jobs = Jobs(unattended_seconds=120, keep_seconds=900, most_waiting=0)
    key, toy = busy(jobs)
    with refused("too many wait"):
        jobs.start(Toy, "cpu")
    end(jobs, key, toy)
    jobs.close()
    assert over(jobs, jobs.start(Toy, "cpu")).state is State.DONE
    jobs.close()


class Counted(Toy):
    """Counts how many of its kind are at work at once, building and landing included."""

    lock = threading.Lock()
    at_work, most, built = 0, 0, 0

    def __init__(self) -> None:
        super().__init__(last=10**9)
        with self.lock:
            Counted.built += 1
            Counted.at_work += 1
            Counted.most = max(Counted.most, Counted.at_work)

    def events(self) -> Iterator[int]:
        while True:
            time.sleep(0.001)
            yield 1

    def finish(self) -> Iterator[int]:
        yield 0
        time.sleep(0.01)
        with self.lock:
            Counted.at_work -= 1


def test_twenty_quick_starts_and_stops_never_run_two_at_once(jobs: Jobs) -> None:
    keys = []
    for press in range(20):
        keys.append(jobs.start(Counted, "cpu"))
        if press % 3:  # some at once, some when they run
            until(jobs, keys[-1], lambda view: view.events > 0)
        jobs.stop(keys[-1])
    last = jobs.start(Counted, "cpu")
    until(jobs, last, lambda view: view.events > 3)
    jobs.stop(last)
    assert {over(jobs, key).state for key in [*keys, last]} == {State.STOPPED}
    assert (Counted.most, Counted.at_work) == (1, 0)
    assert Counted.built >= 14  # those that were seen to run


# ---- the clock ----


def test_a_run_that_nobody_looks_at_is_stopped(jobs: Jobs, clock: Clock) -> None:
    key, toy = busy(jobs)
    clock.now = 119
    jobs.view(key)  # looking keeps it
    clock.now = 238
    toy.permits.release()
    until(jobs, key, lambda view: view.events == 2)
    clock.now = 360  # 122 s after the last look
    toy.permits.release()
    wait_unseen(jobs)
    view = jobs.view(key)
    assert (view.state, view.latest) == (State.STOPPED, -2)
    assert toy.said[-1] == "landing -2"


def test_one_that_nobody_waits_for_leaves_the_queue(jobs: Jobs, clock: Clock) -> None:
    first, toy = busy(jobs)
    second, third = (jobs.start(Toy, "cpu") for _ in range(2))
    clock.now = 121
    # `first` and `third` are looked at in time.
    for key in (first, third):
        jobs._jobs[key].looked_at = 100
    assert jobs.view(third).place == 1
    assert jobs.view(second).state is State.STOPPED
    assert jobs.view(first).state is State.RUNNING
    end(jobs, first, toy)
    assert over(jobs, third).state is State.DONE


def test_what_is_over_is_forgotten_in_time(jobs: Jobs, clock: Clock) -> None:
    key, other = jobs.start(Toy, "cpu"), jobs.start(Toy, "cpu")
    over(jobs, key)
    over(jobs, other)
    clock.now = 900
    assert jobs.view(key).state is State.DONE  # and looked at: kept for 900 s more
    clock.now = 1700
    assert jobs.work(key) is not None
    for one in (lambda: jobs.view(other), lambda: jobs.stop(other)):
        with refused("not known here any more"):
            one()
    clock.now = 2601
    with refused("not known here any more"):
        jobs.view(key)
    assert not jobs._jobs


def test_a_long_run_is_kept_from_its_end_on(clock: Clock) -> None:
    jobs = Jobs(unattended_seconds=10**6, keep_seconds=900, most_waiting=0, clock=clock)
    key, toy = busy(jobs)
    jobs.stop(key)
    clock.now = 5000  # nobody looks; it ends now
    toy.permits.release()
    wait_unseen(jobs)
    clock.now = 5900
    assert jobs.view(key).state is State.STOPPED


# ---- the end of the process ----


def test_close_stops_all_and_joins(jobs: Jobs) -> None:
    toys = [Toy(last=10**9, permits=10**9) for _ in range(3)]
    keys = [
        jobs.start(lambda toy=toy: toy, device)
        for toy, device in zip(toys, ("a", "b", "b"), strict=True)
    ]
    threads = list(jobs._threads.values())
    jobs.close()
    assert not any(thread.is_alive() for thread in threads)
    assert {jobs.view(key).state for key in keys} == {State.STOPPED}
    assert jobs.work(keys[2]) is None


def test_close_does_not_wait_for_ever(jobs: Jobs) -> None:
    key, toy = busy(jobs)
    began = time.monotonic()
    jobs.close(seconds=0.05)
    assert time.monotonic() - began < PATIENCE_SECONDS / 2
    assert jobs.view(key).state is State.STOPPING
    toy.permits.release()


def test_a_running_job_does_not_keep_the_process_alive() -> None:
    program = """
import time
from n2n.jobs import Jobs
class Endless:
    def events(self):
        while True:
            time.sleep(60)
            yield 0
jobs = Jobs(unattended_seconds=9, keep_seconds=9, most_waiting=0)
jobs.start(Endless, "cpu")
"""
    root = Path(__file__).parent.parent
    subprocess.run([sys.executable, "-c", program], cwd=root, check=True, timeout=30)


# ---- without a thread ----


def walked(views: Iterator[View[int]]) -> list[tuple[State, int | None, int]]:
    return [(view.state, view.latest, view.events) for view in views]


def test_inline_gives_the_same_views() -> None:
    before = set(threading.enumerate())
    views = inline(lambda: Toy(last=2))
    assert walked(views) == [
        (State.RUNNING, None, 0),
        (State.RUNNING, 1, 1),
        (State.RUNNING, 2, 2),
        (State.DONE, 2, 2),
    ]
    assert set(threading.enumerate()) <= before


def test_inline_is_stopped_by_closing_and_then_lands() -> None:
    toy = Toy()
    views = inline(lambda: toy)
    assert next(views).started is not None
    assert next(views).latest == 1
    views.close()  # type: ignore[attr-defined]
    assert toy.said == ["closed", "landing -1", "landing -2"]


def test_inline_that_is_closed_at_once_builds_nothing() -> None:
    built = []

    def make() -> Toy:
        built.append(1)
        return Toy()

    views = inline(make)
    next(views)
    views.close()  # type: ignore[attr-defined]
    assert not built


def test_inline_that_is_closed_at_its_end_does_not_land() -> None:
    toy = Toy(last=1)
    views = inline(lambda: toy)
    assert [next(views).state for _ in range(3)][-1] is State.DONE
    views.close()  # type: ignore[attr-defined]
    assert toy.said == ["closed"]


def test_inline_tells_a_failure() -> None:
    toy = Toy()
    views = inline(lambda: toy)
    next(views), next(views)
    toy.error = ValueError("what came was wrong")
    assert [(view.state, view.error) for view in views] == [(State.FAILED, "what came was wrong")]
    assert toy.said == ["closed"]
