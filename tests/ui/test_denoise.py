"""The Denoise tab without a page: what is denoised, what is measured, what is said."""

import math
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import n2n
import n2n.noise_level
from n2n import images
from n2n.data.samples import sample
from n2n.noise import create_noise
from n2n.ui.handlers import denoise, models, network, numbers, pictures, quality, views
from n2n.ui.handlers.denoise import ADD, Settings
from n2n.ui.handlers.store import Scene, store
from n2n.ui.handlers.views import Look
from tests.ui.visitor import GAUSSIAN, VISITOR, Spy, open_and_denoise


def test_the_denoiser_gets_the_very_picture_that_is_shown(identity: Spy) -> None:
    scene = open_and_denoise()
    (got,) = identity.got
    shown = views.show(scene, Look(), None).pictures[0]
    assert got.dtype == np.uint8
    assert got is scene.noisy
    np.testing.assert_array_equal(got, shown)  # 512 px: shown whole
    png, _ = denoise.full_size(VISITOR, "noisy", 100)
    np.testing.assert_array_equal(images.read(png).pixels, got)
    assert np.abs(got.astype(int) - sample("astronaut")).mean() > 10  # not the clean one


@pytest.mark.parametrize("name", ["astronaut", "camera"])
def test_an_identity_denoiser_gets_the_noisy_pictures_numbers(identity: Spy, name: str) -> None:
    scene = open_and_denoise(name)
    assert scene.result.after == scene.before
    clean = sample(name)
    direct = n2n.psnr_db(images.to_tensor(scene.noisy), images.to_tensor(clean))
    assert scene.before.psnr_db == pytest.approx(float(direct), abs=1e-9)
    assert scene.before.ssim == pytest.approx(n2n.ssim(scene.noisy, clean), abs=1e-9)
    assert scene.noisy.ndim == clean.ndim  # grey stays grey


@pytest.mark.usefixtures("identity")
def test_the_ssim_of_a_noisy_picture_is_taken_once(monkeypatch: pytest.MonkeyPatch) -> None:
    scene = open_and_denoise()
    taken = []
    monkeypatch.setattr(quality.metrics, "ssim", lambda *pair: taken.append(pair) or 0.5)
    list(denoise.denoise(VISITOR, "best", Look()))
    estimate = store().get(VISITOR).result.estimate
    assert taken
    assert all(np.shares_memory(band, estimate) for band, _ in taken)
    assert store().get(VISITOR).before == scene.before


def test_the_picture_comes_before_its_ssim() -> None:
    open_and_denoise()
    *_, first, last = denoise.denoise(VISITOR, "best", Look())
    assert re.search(r"<dd>[\d.]+ → –</dd>", first.numbers)
    assert re.search(r"<dd>[\d.]+ → [\d.]+</dd>", last.numbers)
    assert (first.busy, last.busy) == (True, False)
    np.testing.assert_array_equal(first.shown.pictures[1], last.shown.pictures[1])


def test_the_reference_of_point_sampling_is_smaller_and_shown_as_clean() -> None:
    settings = Settings(ADD, "point-sampling", 5, 0, 0)
    list(denoise.open_sample(VISITOR, "chelsea", settings, Look()))
    scene = store().get(VISITOR)
    height, width = sample("chelsea").shape[:2]
    assert scene.reference.shape == (height // 5, width // 5, 3) == scene.noisy.shape
    direct = n2n.psnr_db(images.to_tensor(scene.noisy), images.to_tensor(scene.reference))
    assert scene.before.psnr_db == pytest.approx(float(direct), abs=1e-9)


def test_strength_mixes_without_the_network(identity: Spy) -> None:
    identity.answer = np.zeros_like(sample("astronaut"))
    scene = open_and_denoise()
    assert len(identity.got) == 1
    for strength in (0, 40, 100):
        png, _ = denoise.full_size(VISITOR, "denoised", strength)
        expected = np.rint(scene.noisy * (1 - strength / 100.0)).astype(int)
        assert np.abs(images.read(png).pixels - expected).max() <= 1
        update = denoise.render(VISITOR, Look(strength=strength))
        direct = quality.psnr_db(images.read(png).pixels, scene.reference)
        assert f"→ {direct:.1f} dB" in update.numbers
    assert len(identity.got) == 1


def test_the_preview_of_a_large_picture_is_the_picture_to_be(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(denoise, "LARGE_MEGAPIXELS", 0.1)
    look = Look(across=70, down=95)
    list(denoise.open_sample(VISITOR, "astronaut", GAUSSIAN, look))
    first, *_ = denoise.redraw(VISITOR, Settings(ADD, "gaussian", 50, 0, 9), look)
    noisy = store().get(VISITOR).noisy
    box = views.crop_box(noisy, look, denoise.PREVIEW_PX)
    np.testing.assert_array_equal(first.preview, noisy[box])


def test_a_run_that_was_overtaken_stops_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    stopped = threading.Event()

    class Endless:
        def run(self, noisy: np.ndarray, *, progress: Callable[[float], None]) -> None:
            try:
                while True:
                    progress(0.5)
                    time.sleep(0.01)
            finally:
                stopped.set()

    monkeypatch.setattr(network, "load", lambda name: Endless())
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    running = denoise.denoise(VISITOR, "best", Look())
    next(running)
    list(denoise.redraw(VISITOR, Settings(ADD, "gaussian", 50, 0, 0), Look()))
    *_, last = running
    assert last.busy is False
    assert stopped.wait(20)


def test_what_came_with_a_file_is_shown_as_text(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = pictures.Picture(sample("chelsea"), ("converted from <img src=//host/x> to sRGB",))
    monkeypatch.setattr(pictures, "read", lambda path, most: hostile)
    update, *_ = denoise.open_file(VISITOR, "x", GAUSSIAN, Look())
    assert "<img" not in update.notes
    assert "&lt;img src=//host/x&gt;" in update.notes


def test_a_run_that_was_overtaken_changes_nothing(identity: Spy) -> None:
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    running = denoise.denoise(VISITOR, "best", Look())
    next(running)
    list(denoise.redraw(VISITOR, Settings(ADD, "gaussian", 50, 0, 0), Look()))
    updates = list(running)
    assert all(update.shown is None for update in updates)
    assert store().get(VISITOR).result is None


def test_a_gain_is_worth_frames() -> None:
    before, after = quality.Quality(20.0, 0.4), quality.Quality(30.6, 0.9)
    noise = create_noise("gaussian")
    pixels = sample("chelsea")
    scene = Scene(pictures.Picture(pixels), "x", pixels, pixels, noise, before)
    assert "+10.6 dB: as clean as 11 averaged frames" in numbers.summary(scene, after)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (Settings(ADD, "gaussian", math.nan, 0, 0), "between 0 and 255"),
        (Settings(ADD, "gaussian", 256, 0, 0), "between 0 and 255"),
        (Settings(ADD, "gaussian", None, 0, 0), "between 0 and 255"),
        (Settings(ADD, "unheard-of", 1, 0, 0), "unknown noise"),
        (Settings(ADD, "gaussian", 25, 0, 0.5), "whole number"),
        (Settings(ADD, "gaussian", 25, 0, None), "whole number"),
    ],
)
def test_wrong_settings_are_refused_and_the_picture_stays(settings: Settings, said: str) -> None:
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    kept = store().get(VISITOR)
    with pytest.raises(ValueError, match=said):
        list(denoise.redraw(VISITOR, settings, Look()))
    assert store().get(VISITOR) is kept


def test_a_16_bit_file_becomes_8_bit_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    images.write(path, np.full((20, 30), 40000, np.uint16))
    list(denoise.open_file(VISITOR, str(path), GAUSSIAN, Look()))
    picture = store().get(VISITOR).picture
    assert picture.pixels.dtype == np.uint8
    assert picture.pixels[0, 0] == round(40000 / 257)
    assert any("16 bits" in note for note in picture.notes)


def test_without_weights_the_page_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(n2n, "shipped_models", list)
    assert network.default_model() is None
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    (update,) = denoise.denoise_if_quick(VISITOR, None, Look())
    assert "no models" in update.status
    with pytest.raises(ValueError, match="no models"):
        list(denoise.denoise(VISITOR, None, Look()))


def test_a_slow_model_never_runs_unasked(identity: Spy, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "is_slow", lambda name: True)
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    (update,) = denoise.denoise_if_quick(VISITOR, "seed", Look())
    assert update.waits
    assert update.button == "Denoise"
    list(denoise.denoise(VISITOR, "seed", Look()))
    list(denoise.redraw(VISITOR, GAUSSIAN, Look()))
    (update,) = denoise.denoise_if_quick(VISITOR, "seed", Look())
    assert update.button == "Denoise again"
    assert len(identity.got) == 1


def test_one_run_beside_other_work_does_not_end_denoising_unasked(identity: Spy) -> None:
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    list(denoise.denoise_if_quick(VISITOR, "best", Look()))
    identity.milliseconds = 1e5
    for runs in range(2, 2 + network.RECENT_RUNS):
        list(denoise.denoise_if_quick(VISITOR, "best", Look()))
        assert len(identity.got) == runs
    (offer,) = denoise.denoise_if_quick(VISITOR, "best", Look())  # now it is slow for good
    assert offer.waits
    assert len(identity.got) == runs


@pytest.mark.parametrize(("milliseconds", "runs"), [(9e3, 2), (11e3, 1)])
def test_a_page_opens_with_a_denoised_picture_on_a_busy_machine_too(
    identity: Spy, milliseconds: float, runs: int
) -> None:
    identity.milliseconds = milliseconds
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    for _ in range(2):
        list(denoise.denoise_if_quick(VISITOR, "best", Look(), patience_ms=denoise.FIRST_MS))
    assert len(identity.got) == runs
