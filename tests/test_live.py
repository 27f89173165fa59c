"""A run as a stream of events: what they say is true, and they come when they should."""

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from skimage.metrics import peak_signal_noise_ratio

from n2n import images
from n2n.checkpoints import load_state
from n2n.denoiser import Denoiser
from n2n.history import History
from n2n.live import LiveRun
from n2n.noise import parse
from n2n.randomness import keyed_rng
from tests.tiny import CPU, assert_same, one_thread, photo, refused  # noqa: F401  a fixture
from tests.toy_runs import (
    CONFIG,
    ENDLESS,
    HELD_OUT,
    PHOTOS,
    WATCHED,
    Clock,
    events_until,
    live_run,
    slowed,
    told_clock,  # noqa: F401  a fixture
    weights_of,
)


def denoiser_of(live: LiveRun) -> Denoiser:
    return Denoiser(live.run.result, live.run.spec, CPU, "mine")


# ---- what an event says ----


def test_the_last_event_tells_of_the_network_as_it_is_now() -> None:
    """Its PSNR and its picture are those of the result as anyone would use it."""
    live = live_run(replace(CONFIG, noise="gaussian:25", average=0.9, rate=1e-2))
    *_, last = live.events()
    assert (last.row.step, last.phase, last.progress, last.note) == (11, "training", 1.0, None)
    denoise = denoiser_of(live)
    assert last.row.psnr_db == pytest.approx(live.score(denoise), abs=0.01)
    difference = last.estimate.astype(int) - denoise(live.watched_noisy)
    assert np.abs(difference).max() <= 1
    assert not np.array_equal(last.estimate, live.watched_noisy)
    assert live.history.rows[-1].psnr_db == last.row.psnr_db
    assert live.history.rows[0].step == 0


def test_the_watched_picture_is_a_noisy_file_beside_a_clean_one() -> None:
    live = LiveRun(ENDLESS, PHOTOS, HELD_OUT, watched=photo(300, 290, 3), placement=CPU)
    np.testing.assert_array_equal(live.watched_clean, photo(300, 290, 3)[22:278, 17:273])
    noisy = parse("gaussian:25")(
        images.to_tensor(live.watched_clean), keyed_rng("validation", "watched", 0)
    )
    np.testing.assert_array_equal(live.watched_noisy, images.to_uint8(noisy))


def test_the_first_reference_is_the_noisy_input() -> None:
    live = live_run(ENDLESS)
    seen: list[np.ndarray] = []
    scores = []
    for clean in HELD_OUT:
        live.score(lambda picture: seen.append(picture) or picture)  # type: ignore[func-returns-value]
        scores.append(peak_signal_noise_ratio(clean, seen[len(scores)]))
    assert live.references == {"noisy input": pytest.approx(np.mean(scores), abs=1e-4)}
    assert live.run.baseline_db == live.references["noisy input"]


def test_without_held_out_photos_the_watched_one_is_validated_on() -> None:
    live = LiveRun(ENDLESS, PHOTOS, [], watched=WATCHED, placement=CPU)
    event = live.single_step()
    expected = peak_signal_noise_ratio(live.watched_clean, denoiser_of(live)(live.watched_noisy))
    assert event.row.psnr_db is not None
    assert live.references["noisy input"] == pytest.approx(20.5, abs=1)
    assert event.row.psnr_db == pytest.approx(expected, abs=0.3)  # another draw of the noise


def test_time_left_and_speed(clock: Clock) -> None:
    """Half a second a step: of 40 steps 20 are left after 10 s; of 12 seconds 2."""
    live = slowed(live_run(replace(CONFIG, steps=40, seconds=12.0)), clock, 0.5)
    event = events_until(live, 19)[-1]
    assert event.steps_per_second == pytest.approx(2)
    assert event.seconds_left == pytest.approx(2)
    assert event.progress == pytest.approx(10 / 12)
    live.pace = 0.5  # with the waits, every step will take twice as long
    assert live.single_step().seconds_left == pytest.approx(2)
    endless = live_run(ENDLESS).single_step()
    assert (endless.seconds_left, endless.progress) == (None, 0.0)


# ---- when events come ----


def test_rows_come_in_time_and_the_turn_at_once(clock: Clock) -> None:
    """Steps of 20 ms: a row every half second, in between the turn every 0.1 s."""
    live = slowed(live_run(ENDLESS, every_seconds=0.5), clock, 0.02)
    events = events_until(live, 250)
    assert np.diff([row.seconds for row in live.history.rows]) == pytest.approx(0.5, abs=0.021)
    assert all(row.psnr_db is not None for row in live.history.rows)
    turns = np.diff([event.row.seconds for event in events])
    assert turns.max() <= 0.13
    assert len(events) < 250 / 4
    assert all(event.row.psnr_db is not None for event in events)


def test_slow_steps_give_the_turn_after_each(clock: Clock) -> None:
    events = events_until(slowed(live_run(ENDLESS), clock, 0.3), 9)
    assert [event.row.step for event in events] == list(range(10))


def test_costly_looks_are_rare_but_rows_are_not(
    clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A look of 1 s may come every 6.7 s; rows without one come in between."""
    live = slowed(live_run(ENDLESS, every_seconds=0.5), clock, 0.1)
    validate = live.run.validate

    def costly() -> Any:  # noqa: ANN401
        clock.now += 1
        return validate()

    monkeypatch.setattr(live.run, "validate", costly)
    events = events_until(live, 400)
    looks = [row for row in live.history.rows if row.psnr_db is not None]
    assert (len(looks) - 1) / (looks[-1].seconds - looks[0].seconds) <= 0.1501
    gaps = np.diff([row.seconds for row in live.history.rows])
    assert gaps.max() <= 1 + 0.61
    pictures = {id(event.estimate) for event in events}
    assert len(pictures) == len(looks)


# ---- stop, land, single steps, slow motion ----


def test_closing_acts_within_a_step(tmp_path: Path) -> None:
    live = live_run(ENDLESS, checkpoint=tmp_path / "live.checkpoint")
    events = live.events()
    list(itertools.islice(events, 4))
    before = live.run.start
    events.close()  # type: ignore[attr-defined]
    assert live.run.start == before
    assert load_state(tmp_path / "live.checkpoint")["step"] == before
    assert History.read_csv(tmp_path / "live.csv").rows == live.history.rows


def test_a_stopped_run_lands_and_is_looked_at_once_more(tmp_path: Path, clock: Clock) -> None:
    live = slowed(live_run(ENDLESS, checkpoint=tmp_path / "live.checkpoint"), clock, 0.19)
    events_until(live, 3)
    kept = (tmp_path / "live.checkpoint").read_bytes()
    live.pace = 60.0  # slow motion is over
    begun, landed = clock.now, list(live.finish())
    assert clock.now - begun <= 0.8
    assert len(landed) == 4 + 1
    assert {event.phase for event in landed} == {"landing"}
    rates = [event.row.rate for event in landed]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < rates[0] / 3
    assert landed[-1].row.psnr_db == pytest.approx(live.score(denoiser_of(live)), abs=0.01)
    assert (tmp_path / "live.checkpoint").read_bytes() == kept


def test_a_run_at_its_end_has_nothing_to_land() -> None:
    live = live_run()
    assert list(live.finish()) == []
    list(live.events())
    assert list(live.finish()) == []
    with refused("the run has reached its end"):
        live.single_step()


def test_single_steps_are_the_steps_of_the_run(tmp_path: Path) -> None:
    by_hand, whole = live_run(checkpoint=tmp_path / "live.checkpoint"), live_run()
    for index in range(12):
        event = by_hand.single_step()
        assert event.row.step == index
        assert event.row.psnr_db == pytest.approx(by_hand.score(denoiser_of(by_hand)), abs=0.01)
        if index == 4:
            assert load_state(tmp_path / "live.checkpoint")["step"] == 5
            assert History.read_csv(tmp_path / "live.csv").rows == by_hand.history.rows
    list(whole.events())
    assert_same(weights_of(by_hand), weights_of(whole))


def test_slow_motion_waits_and_its_time_does_not_count(clock: Clock) -> None:
    """Five seconds of training, with two of waiting after each second."""
    live = slowed(live_run(replace(CONFIG, steps=None, seconds=5.0), pace=2.0), clock, 1.0)
    begun, steps = clock.now, {event.row.step for event in live.events()}
    assert steps == {0, 1, 2, 3, 4}
    assert clock.now - begun == pytest.approx(5 + 5 * 2)
    assert live.run.budget.elapsed == pytest.approx(5)


def test_waiting_is_cut_short_by_closing(clock: Clock) -> None:
    live = live_run(ENDLESS, pace=60.0)
    events, begun = live.events(), clock.now
    list(itertools.islice(events, 5))
    events.close()  # type: ignore[attr-defined]
    assert clock.now - begun < 1
    assert live.run.start == 1
    live.pace = 0.0
    assert next(live.events()).row.step == 1
