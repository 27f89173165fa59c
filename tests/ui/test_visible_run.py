"""A run that is watched: its speeds, what it shows, what it leaves, what it lets go of."""

import gc
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import n2n
from n2n import images
from n2n.history import History
from n2n.live import LiveRun
from n2n.training import Diverged
from n2n.ui.handlers import network, visible_run
from n2n.ui.handlers.run_files import Files
from n2n.ui.handlers.visible_run import BY_HAND, FULL, SLOW, VisibleRun
from tests.tiny import one_thread  # noqa: F401  for the whole module
from tests.ui.runs import CONFIG, ENDLESS, order


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "run")


def test_it_leaves_a_model_a_history_and_facts(files: Files) -> None:
    run = VisibleRun(order(), files)
    events = list(run.events())
    assert [event.row.step for event in events] == sorted(event.row.step for event in events)
    assert events[-1].row.step == CONFIG.steps - 1
    denoise = n2n.load(str(files.weights))
    assert denoise(run.noisy).shape == run.clean.shape
    assert History.read_csv(files.history).rows[-1].step == CONFIG.steps - 1
    facts = files.facts()
    assert facts["ended"]
    assert facts["step"] == CONFIG.steps
    assert facts["psnr_db"]["held-out photos"] == events[-1].row.psnr_db


def test_what_is_shown_is_what_the_model_makes_of_the_noisy_picture(files: Files) -> None:
    run = VisibleRun(order(), files)
    list(run.events())
    again = n2n.load(str(files.weights))(run.noisy)
    # The file holds half precision, and the run showed the picture at bf16 where it trains so.
    assert np.abs(again.astype(int) - run.estimate).max() <= 4
    assert (run.noisy != run.clean).any()


def test_it_is_compared_with_the_noisy_input_and_the_best_model(files: Files) -> None:
    run = VisibleRun(order(), files)
    best = network.default_model()
    assert list(run.references) == ["noisy input", best]
    assert run.references[best] > run.references["noisy input"] + 3


def test_a_stop_lands_softly_and_keeps_the_model(files: Files) -> None:
    run = VisibleRun(order(ENDLESS), files)
    events = run.events()
    for _ in range(3):
        next(events)
    events.close()
    assert not files.weights.exists()
    phases = {event.phase for event in run.finish()}
    assert phases == {"landing"}
    assert files.weights.is_file()
    assert files.facts()["ended"]


def test_one_step_at_a_time(files: Files) -> None:
    run = VisibleRun(order(speed=BY_HAND), files)
    events = run.events()
    assert next(events).row.step == 0
    assert [next(events).row.step for _ in range(3)] == [0, 0, 0]  # nobody has pressed
    run.press()
    assert next(events).row.step == 1
    assert run.estimate is not None
    run.speed = FULL
    assert list(events)[-1].row.step == CONFIG.steps - 1


def test_time_by_hand_does_not_count(files: Files) -> None:
    run = VisibleRun(order(replace(CONFIG, steps=None, seconds=0.6), speed=BY_HAND), files)
    events = run.events()
    for _ in range(12):  # a second and more of waiting
        event = next(events)
    assert event.row.seconds < 0.6
    events.close()


def test_slow_motion_waits_between_steps(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(visible_run, "SLOW_SECONDS", 1000.0)
    run = VisibleRun(order(ENDLESS, speed=SLOW), files)
    events = run.events()
    seen = [next(events).row.step for _ in range(4)]
    assert seen[-2] == seen[-1]
    run.hurry()
    list(events)  # at once, not in a thousand seconds
    assert {event.phase for event in run.finish()} == {"landing"}
    assert files.weights.is_file()


def test_it_steps_back_while_a_picture_is_denoised(
    files: Files, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = VisibleRun(order(ENDLESS), files)
    events = run.events()
    next(events)
    monkeypatch.setattr(network, "is_busy", lambda: True)
    monkeypatch.setattr(visible_run, "COURTESY_SECONDS", 1000.0)
    seen = [next(events).row.step for _ in range(6)]
    assert seen[-1] == seen[-3]
    monkeypatch.setattr(network, "is_busy", lambda: False)
    assert max(next(events).row.step for _ in range(6)) > seen[-1]
    events.close()


def test_nobody_holds_the_device_for_ever(files: Files) -> None:
    run = VisibleRun(order(ENDLESS, speed=BY_HAND, device_seconds=0.3), files)
    assert list(run.events())[-1].phase == "landing"
    assert files.weights.is_file()


def test_a_failure_keeps_the_last_good_state(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = LiveRun.events

    def failing(live: LiveRun):  # noqa: ANN202
        for count, event in enumerate(whole(live)):
            yield event
            if count == 2:
                raise Diverged("the loss at step 9 is nan; lower the learning rate")

    monkeypatch.setattr(LiveRun, "events", failing)
    run = VisibleRun(order(ENDLESS), files)
    with pytest.raises(Diverged):
        list(run.events())
    assert n2n.load(str(files.weights))(images.to_tensor(run.noisy)).isfinite().all()


def test_a_rate_that_is_too_high_ends_in_one_line(files: Files) -> None:
    config = replace(CONFIG, optimizer="sgd", rate=1e9, unit_gradient=False, steps=200)
    with pytest.raises(Diverged) as caught:
        list(VisibleRun(order(config), files).events())
    assert "\n" not in str(caught.value)


def test_nothing_large_stays_after_the_end(files: Files) -> None:
    run = VisibleRun(order(), files)
    live = weakref.ref(run._live)
    list(run.events())
    gc.collect()
    assert live() is None
    assert run.rows
    assert run.estimate is not None


def test_it_goes_on_from_a_checkpoint(files: Files, tmp_path: Path) -> None:
    """Stopped in the middle and gone on with, it reaches the very weights of a run in one go."""
    whole = VisibleRun(order(), files)
    list(whole.events())
    first = Files(tmp_path / "first")
    events = VisibleRun(order(), first).events()
    while next(events).row.step < 9:
        pass
    events.close()
    second = Files(tmp_path / "second")
    going_on = VisibleRun(order(resume=first.checkpoint), second)
    list(going_on.events())
    assert second.weights.read_bytes() == files.weights.read_bytes()
    assert going_on.rows[0].step == 0  # the history goes on, too
