"""The page's logic without a page: what is denoised, what is measured, what is said."""

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from torch import Tensor

import n2n
import n2n.noise_level
from n2n import images
from n2n.data.samples import sample
from n2n.denoiser import Denoised
from n2n.noise import NOISES, create_noise
from n2n.ui.handlers import (
    api,
    compare,
    denoise,
    models,
    network,
    numbers,
    pictures,
    quality,
    views,
)
from n2n.ui.handlers.denoise import ADD, ALREADY, Settings
from n2n.ui.handlers.store import Scene, store
from n2n.ui.handlers.views import LEFT, REMOVED, VIEWS, Look

GAUSSIAN = Settings(ADD, "gaussian", 25, 0, 0)
VISITOR = "visitor"
LOOK = Look()


class Spy:
    """A denoiser that gives back what it got, or a fixed answer, and remembers what it got."""

    def __init__(self, answer: np.ndarray | None = None) -> None:
        self.got, self.answer = [], answer

    def run(self, noisy: np.ndarray, *, progress: Callable[[float], None]) -> Denoised:
        self.got.append(noisy)
        progress(1.0)
        image = noisy if self.answer is None else self.answer
        return Denoised(image, 10.0, noisy.shape[0] * noisy.shape[1] / 1e6, "CPU", ())

    def __call__(self, noisy: Tensor) -> Tensor:
        return noisy


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spy = Spy()
    monkeypatch.setattr(network, "load", lambda name: spy)
    monkeypatch.setattr(network, "_ms_per_megapixel", {})
    return spy


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    store().drop(VISITOR)


def open_and_denoise(
    name: str = "astronaut", settings: Settings = GAUSSIAN, look: Look = LOOK
) -> Scene:
    list(denoise.open_sample(VISITOR, name, settings, look))
    list(denoise.denoise(VISITOR, "best", look))
    return store().get(VISITOR)


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


def test_quality_by_bands_is_quality_of_the_whole() -> None:
    rng = np.random.default_rng(0)
    clean = rng.integers(0, 256, (601, 47, 3), dtype=np.uint8)
    noisy = np.clip(clean + rng.normal(0, 9, clean.shape), 0, 255).astype(np.uint8)
    whole = float(n2n.psnr_db(images.to_tensor(noisy), images.to_tensor(clean)))
    assert quality.psnr_db(noisy, clean) == pytest.approx(whole, abs=1e-9)
    assert quality.ssim(noisy, clean) == pytest.approx(n2n.ssim(noisy, clean), abs=1e-9)
    assert quality.psnr_db(clean, clean) == math.inf
    assert math.isnan(quality.ssim(clean[:5], clean[:5]))


@pytest.mark.parametrize("name", NOISES)
def test_the_same_seed_gives_the_same_noise_and_another_another(name: str) -> None:
    clean = sample("chelsea")
    noise = create_noise(name)
    first, second, other = (pictures.add_noise(clean, noise, seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, second)
    assert (first != other).mean() > 0.05
    assert first.shape == pictures.reference(clean, noise).shape


@pytest.mark.parametrize("name", NOISES)
def test_a_part_gets_the_noise_that_the_whole_gets(name: str) -> None:
    clean = np.tile(sample("chelsea"), (8, 1, 1))
    noise = create_noise(name)
    whole = pictures.add_noise(clean, noise, 1)
    band = pictures.BAND_ROWS
    part = pictures.add_noise(clean, noise, 1, only=slice(band + 5, band + 9))
    np.testing.assert_array_equal(part, whole[band : 2 * band])


def test_noise_has_the_level_that_was_asked_for() -> None:
    grey = np.full((600, 500, 3), 128, np.uint8)
    noisy = pictures.add_noise(grey, create_noise("gaussian", 25), 0)
    error = noisy.astype(float) - 128
    count = error.size
    assert abs(error.mean()) < 4 * 25 / math.sqrt(count)
    # Rounding adds 1/12; the standard error of a variance is σ²·√(2/n).
    assert abs(error.var() - 625 - 1 / 12) < 4 * 625 * math.sqrt(2 / count)


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


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("settings", [GAUSSIAN, Settings(ALREADY, "gaussian", 25, 0, 0)])
def test_every_view_shows_before_and_after_the_first_run(
    identity: Spy, view: str, settings: Settings
) -> None:
    look = Look(view=view)
    opened = list(denoise.open_sample(VISITOR, "chelsea", settings, look))
    assert opened[-1].shown.view == view
    *_, last = denoise.denoise(VISITOR, "best", look)
    assert last.shown.view == view
    assert last.busy is False
    assert len(last.shown.pictures) == len(last.shown.captions) or view == "Slider"


def test_detail_is_exact_pixels_at_four_times_their_size(identity: Spy) -> None:
    look = Look("Detail", across=100, down=0)
    scene = open_and_denoise("chelsea", look=look)
    _, noisy, denoised, clean = denoise.render(VISITOR, look).shown.pictures
    side = views.DETAIL_PX
    for crop, whole in ((noisy, scene.noisy), (denoised, scene.noisy), (clean, scene.reference)):
        np.testing.assert_array_equal(crop[::4, ::4], whole[:side, -side:])
        np.testing.assert_array_equal(crop[3::4, 3::4], whole[:side, -side:])


def test_difference_states_its_contrast(identity: Spy) -> None:
    identity.answer = sample("chelsea") + np.uint8(0)
    open_and_denoise("chelsea")
    left = denoise.render(VISITOR, Look("Difference", difference=LEFT)).shown
    assert left.pictures[0].max() == 0  # a perfect denoiser leaves nothing
    removed = denoise.render(VISITOR, Look("Difference", difference=REMOVED)).shown
    noisy = store().get(VISITOR).noisy.astype(int)
    gain = int(removed.note.split("×")[1].split(";")[0])
    expected = np.clip(128 + gain * (noisy - sample("chelsea")), 0, 255)
    np.testing.assert_array_equal(removed.pictures[0], expected)


def test_a_large_picture_is_shown_smaller_and_says_so() -> None:
    noisy = np.zeros((1000, 4000, 3), np.uint8)
    shown = views.show(Scene(pictures.Picture(noisy), "wide", noisy), Look(), None)
    assert shown.pictures[0].shape == (400, 1600, 3)
    assert "shown at 40 %" in shown.note


def test_a_tiny_picture_is_shown_larger_and_says_so() -> None:
    noisy = sample("chelsea")[:64, :100]
    shown = views.show(Scene(pictures.Picture(noisy), "icon", noisy), Look(), None)
    np.testing.assert_array_equal(shown.pictures[0][::4, ::4], noisy)
    assert "shown at 400 %" in shown.note


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


def test_a_run_that_was_overtaken_changes_nothing(identity: Spy) -> None:
    list(denoise.open_sample(VISITOR, "chelsea", GAUSSIAN, Look()))
    running = denoise.denoise(VISITOR, "best", Look())
    next(running)
    list(denoise.redraw(VISITOR, Settings(ADD, "gaussian", 50, 0, 0), Look()))
    updates = list(running)
    assert all(update.shown is None for update in updates)
    assert store().get(VISITOR).result is None


def test_a_picture_that_came_noisy_gets_its_noise_level(
    identity: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = n2n.noise_level.NoiseLevel(24.9, 30.9, 25.0, 25.0, doubt=None)
    monkeypatch.setattr(network, "level", lambda model, noisy, megapixels: found)
    settings = Settings(ALREADY, "gaussian", 25, 0, 0)
    scene = open_and_denoise(settings=settings)
    np.testing.assert_array_equal(scene.noisy, sample("astronaut"))
    text = numbers.summary(scene, None)
    assert "σ 24.9" in text
    assert "30.9 dB" in text
    assert "if the noise is white" in text


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


def test_a_picture_above_the_limit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    images.write(path, np.zeros((100, 100), np.uint8))
    with pytest.raises(ValueError, match="megapixels"):
        pictures.read(path, 0.005)


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


def test_compare_runs_every_model_and_a_classical_method(
    identity: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(n2n, "shipped_models", lambda: ["one", "slow"])
    monkeypatch.setattr(models, "is_slow", lambda name: name == "slow")
    list(denoise.open_sample(VISITOR, "astronaut", GAUSSIAN, Look()))
    monkeypatch.setattr(compare, "_too_large", lambda scene: True)
    *_, (table, status) = compare.compare(VISITOR, Look())
    assert status == ""
    assert len(identity.got) == 1
    assert "not run" in table
    noisy = store().get(VISITOR).before.psnr_db
    assert table.count(f"<td>{noisy:.1f} dB</td>") == 2  # the noisy picture, and the identity
    assert compare.CLASSICAL in table


def test_the_classical_method_by_bands_is_that_of_the_whole() -> None:
    noisy = pictures.add_noise(
        np.tile(sample("camera"), (2, 1))[:600, :90], create_noise("gaussian"), 0
    )
    sigma = n2n.noise_level.wavelet_sigma(pictures.as_tensor(noisy))
    whole = compare.denoise_nl_means(
        noisy.astype(np.float32) / 255,
        h=0.6 * sigma,
        sigma=sigma,
        patch_size=compare.PATCH_PX,
        patch_distance=compare.REACH_PX,
        fast_mode=True,
    )
    difference = compare.non_local_means(noisy) - np.rint(255 * whole.clip(0, 1))
    assert np.abs(difference).max() <= 1  # rounding of sums that run in another order


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda path: api.add_noise(path, "gaussian", 256, 0), "between 0 and 255"),
        (lambda path: api.add_noise(path, "gaussian", math.nan, 0), "between 0 and 255"),
        (lambda path: api.add_noise(path, "salt-and-pepper", 25, 0), "between 0 and 1"),
        (lambda path: api.add_noise(path, "fog", 1, 0), "unknown noise"),
        (lambda path: api.add_noise(None, "gaussian", 25, 0), "no picture"),
        (lambda path: api.denoise(path, "worst", 1.0), "unknown model|no models"),
        (lambda path: api.denoise(path, "/etc/x.safetensors", 1.0), "unknown model|no models"),
        (lambda path: api.denoise(path, "best", 1.5), "between 0"),
        (lambda path: api.denoise(path, "best", math.nan), "between 0"),
        (lambda path: api.compare(path, path, None), "no picture"),
    ],
)
def test_endpoints_refuse_in_one_line(
    tmp_path: Path, call: Callable[[str], object], said: str
) -> None:
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea"))
    with pytest.raises(ValueError, match=said) as caught:
        call(str(path))
    assert "\n" not in str(caught.value)


def test_a_grey_pictures_level_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle of the identity's own: a linear shrinker f(y) = y/2 has divergence n/2 exactly."""

    class Half:
        def __call__(self, noisy: Tensor) -> Tensor:
            return noisy / 2

    monkeypatch.setattr(network, "load", lambda name: Half())
    pixels = np.full((64, 64), 100, np.uint8)
    level = network.level("any", pixels, 1.0)
    # σ² = ‖y/2‖² / (n - n/2) = y² / 2
    assert level.sigma_255 == pytest.approx(100 / math.sqrt(2), rel=0.02)
