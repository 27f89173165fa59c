"""Runs of several pages: each knows its own, one trains at a time, a restart loses nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import n2n
from n2n.jobs import State
from n2n.live import Event
from n2n.saved import Saved
from n2n.ui.handlers import network, own, photos, runs, train, train_api, train_view
from n2n.ui.handlers.photos import Photo
from n2n.ui.handlers.runs import Runs, new_run, own_runs
from n2n.ui.handlers.train_form import preset
from n2n.ui.handlers.train_view import CONTINUE, ENDED, IDLE, RUNNING, WAITING, Seen
from n2n.ui.handlers.train_words import INVITATION
from n2n.ui.handlers.visible_run import BY_HAND, FULL, SPEEDS, VisibleRun
from n2n.ui.limits import Limits
from tests.tiny import one_thread, photo  # noqa: F401  for the whole module
from tests.ui.runs import CONFIG, ENDLESS, done, order, over, put_in_place, runs_in, wait_for
from tests.ui.visitor import VISITOR

FORM, NOTHING = preset("30-seconds"), Seen("nothing")


def test_a_run_from_start_to_its_model(here: Runs) -> None:
    mine = done(here, train.begin([], order(), -120))
    update = train.look(mine, NOTHING)
    assert update.phase == ENDED
    assert update.line.startswith("Done after 30 steps")
    assert "above the noisy input" in update.line or "below the noisy input" in update.line
    assert update.has_model
    assert update.go_on == CONTINUE
    assert (update.noisy.pixels != update.clean.pixels).any()
    assert update.now.pixels.shape == update.clean.pixels.shape
    assert {series for _, _, series in update.psnr.points} >= {"this run", "noisy input"}
    assert train.look(mine, update.seen) is None  # nothing new


def test_what_is_shown_grows(here: Runs) -> None:
    mine = train.begin([], order(ENDLESS), 0)
    wait_for(lambda: (here.work(mine[0]) or order()) and here.view(mine[0]).events > 1)
    first = train.look(mine, NOTHING)
    assert first.phase == RUNNING
    assert first.line.startswith("Step ")
    assert " left" in first.line
    wait_for(lambda: here.view(mine[0]).events > first.seen.events)
    second = train.look(mine, first.seen)
    assert second.noisy is None  # it is there already
    assert second.seen.events > first.seen.events
    train.stop(mine)
    done(here, mine)
    last = train.look(mine, second.seen)
    assert last.line.startswith("Stopped after")
    assert last.has_model


def test_the_model_is_its_visitors_alone(here: Runs) -> None:
    mine = done(here, train.begin([], order(), 0))
    name = train.model(mine)
    found = network.load(name)
    picture = photo(32, 48)
    np.testing.assert_array_equal(found(picture), n2n.load(str(own.weights(name)))(picture))
    with pytest.raises(ValueError, match="not kept here"):
        train.model([new_run()])
    with pytest.raises(ValueError, match="not kept here"):
        train.model([])
    with pytest.raises(ValueError, match="not kept here"):
        network.load("run:../../weights/best")


def test_its_title_is_the_time_where_the_page_is(here: Runs) -> None:
    titles = []
    for west in (0, 90):
        mine = done(here, train.begin([], order(), west))
        titles.append(own.title(own.name(mine[0])))
    hours = [int(title[-5:-3]) * 60 + int(title[-2:]) for title in titles]
    assert (hours[0] - hours[1]) % 1440 in (89, 90)
    assert titles[0].startswith("my run of ")
    assert mine[0] not in titles[1]


def test_downloads(here: Runs, tmp_path: Path) -> None:
    mine = done(here, train.begin([], order(), 0))
    for which, start in (("model", b""), ("history", b"step,seconds"), ("plot", b"\x89PNG")):
        data, name = train.download(mine, which)
        assert data.startswith(start)
        (tmp_path / name).write_bytes(data)
    assert n2n.load(str(tmp_path / "run.safetensors"))(photo(16, 16)).shape == (16, 16, 3)
    with pytest.raises(ValueError, match="not kept here"):
        train.download([new_run()], "model")


def test_another_page_neither_sees_nor_stops_it(here: Runs) -> None:
    mine = train.begin([], order(ENDLESS), 0)
    wait_for(lambda: here.work(mine[0]) is not None)
    for stranger in ([], ["guessed"], [""], "text", None, 3, [None, 4, {}], {"a": 1}):
        update = train.look(stranger, NOTHING)
        assert (update.phase, update.line, update.has_model) == (IDLE, INVITATION, False)
        train.stop(stranger)
        train.press(stranger)
        train.set_speed(stranger, BY_HAND)
    assert here.work(mine[0]).speed == FULL
    assert here.view(mine[0]).state is State.RUNNING
    train.stop(mine)


def test_one_at_a_time_and_the_others_hear_their_place(here: Runs) -> None:
    first = train.begin([], order(ENDLESS), 0)
    wait_for(lambda: here.work(first[0]) is not None)
    second, third = (train.begin([], order(), 0) for _ in range(2))
    for place, mine in enumerate((second, third), 1):
        update = train.look(mine, NOTHING)
        assert update.phase == WAITING
        assert update.line.endswith(f"yours starts after it (place {place}).")
    train.stop(second)
    update = train.look(second, NOTHING)
    assert (update.phase, update.line) == (ENDED, "Left the queue.")
    assert not update.has_model
    assert "place 1" in train.look(third, NOTHING).line
    train.stop(first)
    done(here, third)
    assert train.look(third, NOTHING).has_model


def test_the_queue_is_bounded(here: Runs) -> None:
    running, waiting, *_ = (train.begin([], order(ENDLESS), 0) for _ in range(4))
    with pytest.raises(ValueError, match="too many wait"):
        train.begin([], order(), 0)
    with pytest.raises(ValueError, match="too many wait"):
        train.begin(running, order(), 0)
    assert train.look(running, NOTHING).phase == RUNNING  # what is refused costs no run
    instead = train.begin(waiting, order(), 0)  # in its place
    assert train.look(instead, NOTHING).phase == WAITING
    assert here.view(waiting[0]).state is State.STOPPED


def test_start_pressed_many_times_never_trains_two_at_once(
    here: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    running, most = 0, 0
    whole, lock = VisibleRun.events, threading.Lock()

    def counted(run: VisibleRun):  # noqa: ANN202
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        try:
            yield from whole(run)
        finally:
            with lock:
                running -= 1

    monkeypatch.setattr(VisibleRun, "events", counted)
    mine: list[str] = []
    for index in range(20):
        mine = train.begin(mine, order(ENDLESS), 0)  # stops the page's earlier one
        if index % 3 == 0:
            train.stop(mine)
        elif index % 5 == 1:
            wait_for(lambda run=mine[0]: here.view(run).events > 0)
        wait_for(lambda: len(here._jobs._queue("cpu")) < 3)
    train.stop(mine)
    done(here, mine)
    assert most == 1
    assert len(mine) <= runs.MOST_OWN + 1


def test_speed_is_set_and_steps_are_pressed(here: Runs) -> None:
    mine = train.begin([], order(ENDLESS, speed=BY_HAND), 0)
    wait_for(lambda: here.view(mine[0]).events > 0)
    assert "next press of One step" in train.look(mine, NOTHING).line
    train.press(mine)
    wait_for(lambda: here.view(mine[0]).latest.row.step == 1)
    train.set_speed(mine, FULL)
    wait_for(lambda: here.view(mine[0]).latest.row.step > 5)
    with pytest.raises(ValueError, match="unknown speed"):
        train.set_speed(mine, "ludicrous")
    train.stop(mine)


def test_a_run_that_fails_says_so_and_may_keep_a_model(
    here: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(CONFIG, optimizer="sgd", rate=1e9, unit_gradient=False, steps=200)
    mine = done(here, train.begin([], order(config), 0))
    update = train.look(mine, NOTHING)
    assert update.phase == ENDED
    assert "lower the learning rate" in update.line
    assert "\n" not in update.line


def test_a_run_out_of_memory_ends_in_a_line_and_the_next_one_runs(
    here: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    def exhausted(run: VisibleRun) -> Iterator[Event]:
        raise torch.OutOfMemoryError("CUDA out of memory.\nTried to allocate 20.00 GiB")
        yield

    with monkeypatch.context() as patched:
        patched.setattr(VisibleRun, "_trained", exhausted)
        mine = done(here, train.begin([], order(), 0))
    line = train.look(mine, NOTHING).line
    assert "memory" in line.lower()
    assert "\n" not in line
    after = done(here, train.begin(mine, order(), 0))
    assert train.look(after, NOTHING).line.startswith("Done after 30 steps")


def test_training_longer(here: Runs) -> None:
    """An ended run gets the form's duration on top, with the photos of the visitor's album."""
    mine = done(here, train.begin([], order(), 0))
    form = replace(FORM, until="Steps", steps=20)
    photos.clear(VISITOR)  # whatever other tests left
    with pytest.raises(ValueError, match="add photos"):
        train.continuation(VISITOR, mine, form, FULL)
    photos.albums().put(VISITOR, photos.Album((Photo("a", photo(40, 56)),)))
    going_on = train.continuation(VISITOR, mine, form, FULL)
    photos.clear(VISITOR)
    saved = int(Saved.read(here.files(mine[0]).checkpoint).state["step"])
    assert saved < CONFIG.steps  # from where the rate began to fall
    assert going_on.config.steps == saved + 20
    mine = done(here, train.begin(mine, going_on, 0))
    assert train.look(mine, NOTHING).line.startswith(f"Done after {saved + 20} steps")
    assert len(mine) == 2
    assert all(own.is_there(run) for run in mine)


def test_training_may_be_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train, "limits", lambda: Limits(training=False))
    with pytest.raises(ValueError, match="switched off"):
        train.order(VISITOR, [], FORM, FULL)
    with pytest.raises(ValueError, match="switched off"):
        next(train_api.train_model([], "gaussian", 25, "small", 1, "noisy"))


def test_my_photos_are_what_it_trains_on(here: Runs) -> None:
    photos.albums().put(VISITOR, photos.Album((Photo("a", photo(8, 9)), Photo("b", photo(9, 8)))))
    found = train.order(VISITOR, [], replace(FORM, photos=photos.MINE), FULL)
    assert found.photos.source == photos.MINE
    assert {one.shape for one in (*found.photos.training, found.photos.watched)} == {
        (8, 9, 3),
        (9, 8, 3),
    }
    photos.clear(VISITOR)


def test_what_a_browser_stored_may_be_anything() -> None:
    assert own_runs(["a", "", 3, None, "b"]) == ["a", "b"]
    assert own_runs("abc") == []
    assert own_runs({"a": 1}) == []
    assert len(own_runs([str(index) for index in range(99)])) == runs.MOST_OWN
    assert SPEEDS[0] == FULL


def test_the_rule_of_closed_pages_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose page is not seen is stopped; its model stays."""
    found = runs_in(tmp_path, unattended_seconds=0.3)
    put_in_place(found, monkeypatch)
    mine = train.begin([], order(ENDLESS), 0)
    wait_for(found.files(mine[0]).weights.is_file, "a model of a run that nobody looks at")
    wait_for(lambda: over(found, mine[0]))
    assert train.look(mine, NOTHING).line.startswith("Stopped after")
    found.close()
    assert "nobody has looked at for 3 minutes is stopped" in train_view.train_words.rule()
