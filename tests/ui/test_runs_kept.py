"""A run whose server was restarted, and one that has no thread of its own."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from n2n.ui.handlers import own, photos, runs, train
from n2n.ui.handlers.runs import Runs, new_run
from n2n.ui.handlers.train_form import preset
from n2n.ui.handlers.train_view import CONTINUE, ENDED, GO_ON, IDLE, RUNNING, Seen
from n2n.ui.handlers.visible_run import FULL, VisibleRun
from tests.tiny import one_thread, photo  # noqa: F401  for the whole module
from tests.ui.runs import ENDLESS, done, order, over, put_in_place, runs_in, wait_for
from tests.ui.visitor import VISITOR

FORM, NOTHING = preset("30-seconds"), Seen("nothing")


def test_after_a_restart_the_page_finds_its_checkpoint(
    here: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is killed in a run: the next one offers to go on, to the very same weights."""
    built_in = photos.chosen(VISITOR, photos.BUILT_IN)
    whole = done(here, train.begin([], order(photos=built_in), 0))
    files = here.files(new := new_run())
    events = VisibleRun(order(photos=built_in), files).events()
    runs.announce(new, order(photos=built_in), "my run of 14:05")
    while next(events).row.step < 9:
        pass
    events.close()  # the checkpoint is there; nothing says that the run ended
    put_in_place(after := runs_in(tmp_path), monkeypatch)
    update = train.look([new], NOTHING)
    assert update.phase == ENDED
    assert update.line.startswith("The server was restarted during my run of 14:05")
    assert "steps left" in update.line
    assert (update.go_on, update.has_model) == (GO_ON, False)
    mine = train.begin([new], train.continuation(VISITOR, [new], FORM, FULL), 0)
    wait_for(lambda: over(after, mine[0]))
    assert after.files(mine[0]).weights.read_bytes() == here.files(whole[0]).weights.read_bytes()
    after.close()


def test_after_a_restart_an_ended_run_is_still_there(
    here: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = done(here, train.begin([], order(), 0))
    put_in_place(runs_in(tmp_path), monkeypatch)
    update = train.look(mine, NOTHING)
    assert update.line.startswith("Done after 30 steps")
    assert (update.has_model, update.go_on) == (True, CONTINUE)
    assert update.psnr.points
    assert train.model(mine)


def test_a_damaged_checkpoint_is_one_line(here: Runs) -> None:
    files = here.files("a")
    files.tell(title="my run of 1:00", photos=photos.BUILT_IN)
    files.checkpoint.write_bytes(b"damaged")
    update = train.look(["a"], NOTHING)
    assert update.phase == IDLE
    assert update.line
    assert "\n" not in update.line
    assert str(files.checkpoint.parent) not in update.line


def test_nothing_to_go_on_from(here: Runs) -> None:
    with pytest.raises(ValueError, match="no checkpoint"):
        train.continuation(VISITOR, [new_run()], FORM, FULL)


def test_without_a_thread_the_same_is_shown(here: Runs) -> None:
    """As on ZeroGPU: a generator in place of a job."""
    before = {thread.ident for thread in threading.enumerate()}
    updates = list(train.inline(run := new_run(), order(), 0))
    assert {thread.ident for thread in threading.enumerate()} == before
    assert [update.phase for update in updates[-2:]] == [RUNNING, ENDED]
    assert updates[-1].line.startswith("Done after 30 steps")
    assert updates[-1].has_model
    assert own.is_there(run)


def test_without_a_thread_closing_it_keeps_the_model(here: Runs) -> None:
    updates = train.inline(run := new_run(), order(ENDLESS), 0)
    while (update := next(updates)).seen.events < 2:
        pass
    assert update.phase == RUNNING
    updates.close()
    train.wait_for_end([run])
    update = train.look([run], NOTHING)
    assert update.phase == ENDED
    assert update.has_model
