"""The Studies tab's handlers: cards of stored records, live runs in a queue with trainings."""

from __future__ import annotations

import errno
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import gradio as gr
import pytest

from n2n.devices import Placement
from n2n.jobs import OVER, Jobs, State
from n2n.studies import STUDIES, Curve, Record, Row, Source, Study, stored
from n2n.studies.base import Enough
from n2n.studies.figures import Layout
from n2n.studies.record import LIVE
from n2n.ui.handlers import (
    runs,
    studies,
    studies_pictures,
    studies_run,
    studies_words,
    train,
)
from n2n.ui.handlers.run_files import Files, RunFiles
from n2n.ui.handlers.runs import Runs
from n2n.ui.handlers.studies import NOTHING, Update
from n2n.ui.handlers.train_view import ENDED, IDLE, RUNNING, WAITING
from n2n.ui.limits import Limits
from n2n.ui.tabs import studies_opened
from tests.tiny import one_thread  # noqa: F401  for the whole module
from tests.ui.runs import put_in_place, wait_for

NAME = "batchnorm"
NAMES = list(dict.fromkeys(curve.name for curve in STUDIES[NAME].curves(False)))
ROW = Layout.ROW


class Toy:
    """Curves of three steps; from the second on, a step waits until it is let go."""

    def __init__(self) -> None:
        self.let_go, self.fails = threading.Event(), False

    def measure(
        self, curve: Curve, source: Source, placement: Placement, enough: Enough
    ) -> Iterator[Row]:
        for step in (1, 2, 3):
            while step > 1 and not self.let_go.wait(0.01):
                enough()  # raises where the run is stopped within a step
            if self.fails and step == 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            yield Row(curve.name, curve.seed, step, step, 0.1, {"loss": 1 / step, "tflop": 0.1})

    def study(self, name: str) -> Study:
        one = {"samples": 3, "batch": 1, "epochs": 1}
        return replace(
            STUDIES[name],
            measure=self.measure,
            curves=lambda quick: [Curve(curve, **one) for curve in NAMES],
        )


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> Iterator[Toy]:
    found = Toy()
    for name in (NAME, "initialization"):
        monkeypatch.setitem(STUDIES, name, found.study(name))
    yield found
    found.let_go.set()


@pytest.fixture
def jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Jobs]:
    """Jobs of this test alone, for studies and for trainings."""
    found = Jobs(unattended_seconds=60, keep_seconds=60, most_waiting=2)
    files = RunFiles(tmp_path / "runs", 3600, 2**30)
    put_in_place(Runs(found, files), monkeypatch)
    shared = Runs(found, files)
    monkeypatch.setattr(studies, "study_runs", lambda: shared)
    yield found
    found.close()


@pytest.fixture
def records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of stored records, empty."""
    folder = tmp_path / "records"
    folder.mkdir()
    monkeypatch.setattr(stored, "folder", lambda: folder)
    return folder


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """What figures were made of, the latest last."""
    found, whole = [], Study.figure
    monkeypatch.setattr(
        Study, "figure", lambda study, *a, **k: found.append(a[0]) or whole(study, *a, **k)
    )
    return found


def keep(folder: Path, names: list[str], toy: Toy) -> Path:
    """A stored record of these curves."""
    path = folder / f"{NAME}.jsonl"
    record, done = Record(path), toy.let_go.is_set()
    toy.let_go.set()
    study = toy.study(NAME)
    from_all = study.curves(False)
    wanted = replace(study, curves=lambda quick: [c for c in from_all if c.name in names])
    run = studies_run.StudyRun(wanted, record, Source(), studies_run.place())
    list(run.events())
    if not done:
        toy.let_go.clear()
    return path


def state_of(mine: list[str]) -> State:
    return studies.study_runs().view(mine[0]).state


def ended(mine: list[str], seen: studies.Seen = NOTHING) -> Update:
    wait_for(lambda: state_of(mine) in OVER, "the end of a study")
    return studies.look(mine, NAME, seen, ROW)


# ---- cards ----


def test_what_is_not_measured_is_said_and_has_no_picture(records: Path, toy: Toy) -> None:
    """Nor has a record that lacks a curve."""
    keep(records, NAMES[:-1], toy)
    (only,) = studies.cards()
    assert list(only) == list(STUDIES)
    for name, card in only.items():
        assert "Not measured yet" in card
        assert "<img" not in card
        assert studies_words.escape(STUDIES[name].question) in card


def test_a_stored_record_is_drawn_once_with_its_answer(
    records: Path, toy: Toy, drawn: list[Record]
) -> None:
    path = keep(records, NAMES, toy)
    for _ in range(2):
        words, pictured = studies.cards()
        assert "<img" not in words[NAME]  # text comes first, pictures when they are drawn
        assert list(pictured) == [NAME]
    assert len(drawn) == 1
    card = pictured[NAME]
    assert re.search(r'alt="[^"]*two at the end', card)
    assert STUDIES[NAME].answer(Record.read(path)) in card
    path.write_text(path.read_text() + "\n")  # a newer file is drawn anew
    list(studies.cards())
    assert len(drawn) == 2


def test_text_tells_setting_and_difference(records: Path, toy: Toy) -> None:
    before = studies_words.facts(NAME, studies_pictures.whole(NAME))
    assert "python -m n2n study batchnorm" in before
    keep(records, NAMES, toy)
    after = studies_words.facts(NAME, studies_pictures.whole(NAME))
    assert "3 pictures of 32 × 32 px, batch 1, 1 epoch, 3 steps, rate 0.05" in after
    assert "sample photos" in after  # the data that it was measured on
    for text in (STUDIES[NAME].reported, STUDIES[NAME].differs):
        assert studies_words.escape(text) in after


def test_phones_get_panels_below_each_other() -> None:
    layouts = {width: studies.layout_of(width) for width in (375, 1440, 0, None)}
    assert layouts == {375: Layout.COLUMN, 1440: ROW, 0: ROW, None: ROW}


# ---- live ----


def test_a_live_run_grows_over_the_stored_one(
    jobs: Jobs, records: Path, toy: Toy, drawn: list[Record]
) -> None:
    keep(records, NAMES, toy)
    mine = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(mine[0]).events == 1)
    first = studies.look(mine, NAME, NOTHING, ROW)
    assert first.phase == RUNNING
    assert re.match(r"Curve 1 of 3, none · step 1 of 3 · loss 1 · at most \d+ s left", first.line)
    assert first.has_live
    assert "<img" in first.figure
    assert drawn[-1].names() == [*NAMES, f"none{LIVE}"]
    assert studies.look(mine, NAME, first.seen, ROW).figure is None  # nothing new to draw
    assert studies.going(mine) == NAME
    toy.let_go.set()
    last = ended(mine, first.seen)
    assert (last.phase, state_of(mine)) == (ENDED, State.DONE)
    assert last.line.startswith("Done in ")
    answer = STUDIES[NAME].answer(
        studies.stored.to_look_at(studies.study_runs().files(mine[0]).record)
    )
    assert last.line.endswith(answer)
    assert "<img" in last.figure
    assert drawn[-1].names() == [*NAMES, *(f"{name}{LIVE}" for name in NAMES)]
    assert studies.look(mine, NAME, last.seen, ROW) is None
    assert studies.going(mine) == ""
    assert studies_words.offer(NAME).startswith("Run it live (quick, ~")  # as measured now
    studies_run._seconds.clear()


def test_pictures_are_not_drawn_more_often_than_they_may(
    jobs: Jobs, records: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(studies, "DRAW_SECONDS", 1000.0)
    mine = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(mine[0]).events == 1)
    seen = studies.look(mine, NAME, NOTHING, ROW).seen
    older = replace(seen, drawn=0)
    assert studies.look(mine, NAME, older, ROW).figure is None
    assert studies.look(mine, NAME, replace(older, due=0.0), ROW).figure is not None


def test_a_stop_ends_a_long_step_and_keeps_what_was_measured(
    jobs: Jobs, records: Path, toy: Toy, tmp_path: Path
) -> None:
    mine = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(mine[0]).events == 1)
    studies.stop(mine)  # nobody lets the second step go
    update = ended(mine)
    assert state_of(mine) is State.STOPPED
    assert update.line.endswith("with 0 of 3 curves whole.")
    data, name = studies.download(mine, NAME, "live")
    assert name == "batchnorm.quick.jsonl"
    (tmp_path / name).write_bytes(data)
    assert [row.step for row in Record.read(tmp_path / name).rows] == [1]
    picture, name = studies.download(mine, NAME, "figure")
    assert (picture[:4], name) == (b"\x89PNG", "batchnorm.png")


def test_a_study_that_fails_keeps_its_record(jobs: Jobs, records: Path, toy: Toy) -> None:
    toy.fails = True
    toy.let_go.set()
    mine = studies.begin([], NAME)
    update = ended(mine)
    assert update.line == "No space left on device. What was measured until then is kept."
    assert update.has_live
    assert len(studies.download(mine, NAME, "live")[0].splitlines()) == 1


class Training:
    """Stands for a run of the Train tab."""

    def begin(self, files: Files) -> Training:
        return self

    def events(self) -> Iterator[int]:
        while True:
            time.sleep(0.01)
            yield 1

    def finish(self) -> Iterator[int]:
        return iter(())

    def hurry(self) -> None:
        pass


def test_studies_and_trainings_wait_for_each_other(jobs: Jobs, records: Path, toy: Toy) -> None:
    trainings = train.runs()
    trainings.begin("first", Training())
    mine = studies.begin([], NAME)
    update = studies.look(mine, NAME, NOTHING, ROW)
    assert update.phase == WAITING
    assert update.line.endswith("yours starts after it (place 1).")
    trainings.begin("third", Training())
    assert trainings.view("third").place == 2
    with pytest.raises(ValueError, match="too many wait"):
        studies.begin([], NAME)
    assert studies.look(mine, NAME, update.seen, ROW).phase == WAITING
    trainings.stop("first")
    wait_for(lambda: state_of(mine) is State.RUNNING)
    assert trainings.view("third").state is State.WAITING
    studies.stop(mine)
    wait_for(lambda: trainings.view("third").state is State.RUNNING)


def test_the_server_has_one_queue_for_both(jobs: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (runs, studies_run):
        monkeypatch.setattr(module, "jobs", lambda: jobs)
    monkeypatch.setattr(studies_run, "run_files", runs.run_files)
    kinds = runs.runs.__wrapped__(), studies_run.study_runs.__wrapped__()
    assert [kind._jobs for kind in kinds] == [jobs, jobs]


def test_one_that_leaves_the_queue_says_so(jobs: Jobs, records: Path, toy: Toy) -> None:
    studies.begin([], NAME)
    mine = studies.begin([], NAME)
    studies.stop(mine)
    assert ended(mine).line == "Left the queue."


def test_a_page_runs_one_at_a_time_and_sees_each_studys_own(
    jobs: Jobs, records: Path, toy: Toy
) -> None:
    first = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(first[0]).events == 1)
    mine = studies.begin(first, "initialization")
    assert ended(mine[1:]).line.startswith("Stopped after")  # and still that study's newest run
    wait_for(lambda: studies.going(mine) == "initialization")
    assert studies.look(mine, "modes", NOTHING, ROW).phase == IDLE


@pytest.mark.parametrize("attends", [True, False])
def test_the_timer_runs_while_any_run_of_the_page_does(attends: bool, records: Path) -> None:
    with gr.Blocks():
        shown = studies_opened.layout()
    at = shown.outputs.index(shown.timer)
    for update in (None, studies.look([], NAME, NOTHING, ROW)):
        updates = shown.updates(update, NAME, attends)
        assert len(updates) == len(shown.outputs)
        assert updates[at].active == attends


def test_another_page_neither_sees_nor_stops_it(jobs: Jobs, records: Path, toy: Toy) -> None:
    mine = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(mine[0]).events == 1)
    for stranger in ([], ["guessed"], "text", None, 3, [None, {}], {"a": 1}):
        update = studies.look(stranger, NAME, NOTHING, ROW)
        assert (update.phase, update.line, update.has_live) == (IDLE, "", False)
        studies.stop(stranger)
        with pytest.raises(ValueError, match="not kept here"):
            studies.download(stranger, NAME, "live")
    assert state_of(mine) is State.RUNNING


def test_a_later_server_shows_what_there_is(
    jobs: Jobs, records: Path, toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = studies.begin([], NAME)
    wait_for(lambda: studies.study_runs().view(mine[0]).events == 1)
    later = Runs(Jobs(unattended_seconds=9, keep_seconds=9, most_waiting=1), runs.run_files())
    monkeypatch.setattr(studies, "study_runs", lambda: later)
    update = studies.look(mine, NAME, NOTHING, ROW)
    assert update.line.startswith("The server was restarted during your live run")
    assert update.has_live
    assert "<img" in update.figure
    assert studies.look(mine, NAME, update.seen, ROW) is None
    toy.let_go.set()
    wait_for(lambda: later.files(mine[0]).facts().get("ended"))
    line = studies.look(mine, NAME, NOTHING, ROW).line
    assert line.startswith("Your last live run, at the quick setting: The loss of the last")


def test_inline_gives_the_same_without_a_thread(jobs: Jobs, records: Path, toy: Toy) -> None:
    toy.let_go.set()
    before = set(threading.enumerate())
    updates = list(studies.inline("run", NAME, ROW))
    assert set(threading.enumerate()) <= before  # one of an earlier test may just have ended
    assert updates[-1].line.startswith("Done in")
    assert {update.phase for update in updates} == {RUNNING, ENDED}
    again = studies.inline("other", NAME, ROW)
    assert any(update.has_live for update in again)
    again.close()
    assert runs.run_files().of("other").facts()["ended"]


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: studies.begin([], "unknown"), "unknown study 'unknown'"),
        (lambda: studies.download([], "../../x", "stored"), "unknown study"),
        (lambda: studies.download([], "loss", "stored"), "not kept here"),
    ],
)
def test_wrong_values_get_one_line(
    jobs: Jobs, records: Path, call: Callable[[], object], said: str
) -> None:
    with pytest.raises(ValueError, match=said) as caught:
        call()
    assert "\n" not in str(caught.value)


def test_runs_may_be_off(records: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "limits", lambda: Limits(training=False))
    with pytest.raises(ValueError, match="switched off"):
        studies.begin([], NAME)
