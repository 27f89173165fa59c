"""The view Samples: what is drawn, from which noise, what is said, and when nothing can be."""

from __future__ import annotations

from collections import deque
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n import images, posterior
from n2n.data.samples import sample
from n2n.noise_level import NoiseLevel
from n2n.ui.handlers import denoise, network, own, quality, samples, views
from n2n.ui.handlers.denoise import ADD, ALREADY, Settings
from n2n.ui.handlers.samples import ANOTHER, PASSES, SEVERAL
from n2n.ui.handlers.store import Drawn, Scene, store
from n2n.ui.handlers.views import SAMPLES, Look
from tests.ui.visitor import GAUSSIAN, VISITOR, Spy

LOOK = Look(SAMPLES)
FILE = Settings(ALREADY, "gaussian", 25, 0, 0)


class Halfway(Spy):
    """A denoiser that goes half the way to grey, and counts its passes."""

    passes = 0

    def __call__(self, noisy: Tensor) -> Tensor:
        self.passes += 1
        return 0.25 + noisy / 2


@pytest.fixture
def halfway(monkeypatch: pytest.MonkeyPatch) -> Halfway:
    found = Halfway()
    monkeypatch.setattr(network, "load", lambda name: found)
    monkeypatch.setattr(network, "_ms_per_megapixel", {})
    return found


def opened(settings: Settings = GAUSSIAN, look: Look = LOOK, name: str = "astronaut") -> Scene:
    list(denoise.open_sample(VISITOR, name, settings, look))
    return store().get(VISITOR)


def drawn(look: Look = LOOK) -> Drawn:
    list(samples.draw(VISITOR, "best", look))
    found = store().get(VISITOR).drawn
    assert found is not None
    return found


@pytest.mark.parametrize("look", [LOOK, Look(SAMPLES, across=100, down=0)])
def test_they_start_from_the_noise_that_is_shown_before_it_was_clipped(look: Look) -> None:
    scene = opened(Settings(ADD, "gaussian", 40, 0, 7), look)
    box = views.crop_box(scene.noisy, look, views.PART_PX)  # in the middle it lies in two bands
    found = samples._unclipped(scene, box)
    np.testing.assert_array_equal(images.to_uint8(found), scene.noisy[box])
    assert float(found.min()) < -0.05
    left_of_clean = found - images.to_tensor(sample("astronaut")[box])
    assert float(left_of_clean.std()) == pytest.approx(40 / 255, rel=0.01)


def test_nothing_runs_until_it_is_asked_for(halfway: Halfway) -> None:
    opened()
    network._ms_per_megapixel["best"] = deque([1000.0])
    offer, *_ = denoise.denoise_if_quick(VISITOR, "best", LOOK)
    assert halfway.passes == 0
    assert offer.drawing.button == SEVERAL
    expected = 4 * PASSES * 0.192**2
    assert offer.drawing.text.startswith(
        f"4 samples of 192 × 192 px around the detail, {PASSES} passes of best each: "
        f"about {expected:.1f} s here."
    )


def test_four_samples_then_one_more(halfway: Halfway) -> None:
    scene = opened()
    first = drawn()
    assert halfway.passes == 4 * PASSES + 1  # f(y) once
    assert samples.state(store().get(VISITOR), "best", LOOK).button == ANOTHER
    second = drawn()
    assert halfway.passes == 5 * PASSES + 1
    noisy = samples._unclipped(scene, first.box)
    with torch.inference_mode():
        expected = list(posterior.samples(Halfway(), noisy, 25, 5, seed=scene.seed))
    for found, wanted in zip((*first.newest, second.newest[-1]), expected, strict=True):
        np.testing.assert_array_equal(found, images.to_uint8(wanted))
    mean, spread = posterior.mean_and_spread(expected)
    torch.testing.assert_close(second.moments.mean, mean)
    torch.testing.assert_close(second.moments.spread, spread)
    assert [id(one) for one in second.newest[:3]] == [id(one) for one in first.newest[1:]]


def test_captions_are_the_psnr_of_what_is_shown(halfway: Halfway) -> None:
    scene = opened()
    found = drawn()
    shown = denoise.render(VISITOR, LOOK).shown
    clean = scene.reference[found.box]
    names = [*(f"Sample {number}" for number in range(1, 5)), "Denoised", "Clean", "Mean of 4"]
    for pixels, caption, name in zip(shown.pictures, shown.captions, names, strict=False):
        value = "" if name == "Clean" else f", {quality.psnr_db(pixels, clean):.1f} dB"
        assert caption == name + value
    np.testing.assert_array_equal(shown.pictures[5], clean)
    np.testing.assert_array_equal(shown.pictures[6], images.to_uint8(found.moments.mean))


def test_the_same_seed_gives_the_same_samples(halfway: Halfway) -> None:
    opened()
    one = drawn()
    opened()
    again = drawn()
    np.testing.assert_array_equal(one.newest, again.newest)
    opened(replace(GAUSSIAN, seed=1))
    assert (drawn().newest[0] != one.newest[0]).any()


def test_disagreement_is_the_spread_as_colour() -> None:
    grey = torch.full((1, 3, 8, 8), 100 / 255)
    moments = posterior.Moments.of(grey)
    apart = torch.zeros_like(grey)
    apart[..., 4:] = 0.05  # two samples so far apart have a spread of 0.05·√2/2: 9 of 255
    moments = moments.and_of(grey + apart)
    picture, note = views._disagreement(_drawn(moments), np.full((8, 8, 3), 100, np.uint8))
    assert "by 10 of 255" in note
    assert (picture[:, :4] == 100).all()
    weight = 255 * 0.05 / 2**0.5 / 10
    np.testing.assert_allclose(
        picture[0, 7], (1 - weight) * 100 + weight * np.array(views.DOUBT), atol=0.51
    )


def _drawn(moments: posterior.Moments) -> Drawn:
    pixels = np.zeros((8, 8, 3), np.uint8)
    box = (slice(0, 8), slice(0, 8))
    return Drawn("best", box, 25.0, pixels, (pixels,), moments, 1.0)


def test_another_place_or_model_begins_anew(halfway: Halfway) -> None:
    scene = opened()
    drawn()
    elsewhere = Look(SAMPLES, across=0)
    assert all(one is None for one in denoise.render(VISITOR, elsewhere).shown.pictures)
    assert drawn(elsewhere).moments.count == 4
    scene = store().get(VISITOR)
    assert samples.state(scene, "best", elsewhere).button == ANOTHER
    assert samples.state(scene, "fast", elsewhere).button == SEVERAL


def test_it_stops_when_the_noise_changes_and_keeps_nothing(halfway: Halfway) -> None:
    opened()
    running = samples.draw(VISITOR, "best", LOOK)
    next(running)
    list(denoise.redraw(VISITOR, replace(GAUSSIAN, level=50), LOOK))
    *_, (shown, state) = running
    assert shown is None
    assert not state.busy
    assert store().get(VISITOR).drawn is None


def test_it_stops_at_the_next_pass_and_keeps_what_is_done(halfway: Halfway) -> None:
    opened()
    running = samples.draw(VISITOR, "best", LOOK)
    while next(running)[0] is None:
        pass
    running.close()
    assert halfway.passes < 4 * PASSES
    kept = store().get(VISITOR).drawn
    assert kept.moments.count == 1
    assert drawn().moments.count == 2


def test_samples_and_a_result_do_not_cost_each_other(halfway: Halfway) -> None:
    scene = opened()
    before = sum(array.nbytes for array in scene.arrays())
    found = drawn()
    list(denoise.denoise(VISITOR, "best", LOOK))
    scene = store().get(VISITOR)
    assert scene.result is not None
    assert scene.drawn is found
    part = 3 * 192 * 192
    samples_bytes = part * (1 + 4) + 2 * 4 * part  # f(y) and four samples; two float moments
    # The result of this denoiser is the noisy array itself.
    assert sum(array.nbytes for array in scene.arrays()) == pytest.approx(
        before + samples_bytes + scene.noisy.nbytes
    )


@pytest.mark.parametrize(
    ("settings", "name", "model", "said"),
    [
        (GAUSSIAN, "camera", "best", "need a colour picture"),
        (Settings(ADD, "poisson", 30, 0, 0), "astronaut", "best", "this is Poisson"),
        (Settings(ADD, "correlated-gaussian", 25, 1, 0), "astronaut", "best", "white Gaussian"),
        (replace(GAUSSIAN, level=0.6), "astronaut", "best", "leaves no choice"),
        (replace(GAUSSIAN, level=56), "astronaut", "best", "trained up to σ 55"),
        (GAUSSIAN, "astronaut", "seed", "seed was not trained on Gaussian noise of every level"),
        (GAUSSIAN, "astronaut", None, "choose a model"),
        (FILE, "astronaut", "best", "denoise the picture first"),
    ],
)
def test_why_nothing_can_be_drawn(
    settings: Settings, name: str, model: str | None, said: str
) -> None:
    scene = opened(settings, name=name)
    told = samples.state(scene, model, LOOK)
    assert said.lower() in told.text.lower()
    assert told.button is None
    with pytest.raises(ValueError, match=said):
        next(samples.draw(VISITOR, model, LOOK))


@pytest.mark.parametrize("trained", ["gaussian:25", "gaussian:5-55", "poisson:1-30", "?", None])
def test_a_run_of_ones_own_must_know_every_level(
    monkeypatch: pytest.MonkeyPatch, trained: str | None
) -> None:
    scene = opened()
    card = {"title": "my run", "training": {"noise": trained}}
    monkeypatch.setattr(own, "card", lambda model: card)
    assert samples.state(scene, "run:mine", LOOK).button is None
    card["training"] = {"noise": "gaussian:0-30"}
    assert samples.state(scene, "run:mine", LOOK).button == SEVERAL


def test_a_noisy_file_needs_a_level_that_can_be_trusted(halfway: Halfway) -> None:
    opened(FILE)
    list(denoise.denoise(VISITOR, "best", LOOK))
    scene = store().get(VISITOR)
    level = NoiseLevel(20.0, 30.0, 20.0, 20.0, None)
    sure = replace(scene, result=replace(scene.result, level=level))
    store().put(VISITOR, sure)
    offer = samples.state(sure, "best", LOOK)
    assert offer.button == SEVERAL
    part = scene.noisy[views.crop_box(scene.noisy, LOOK, views.PART_PX)]
    share = 100 * ((part == 0) | (part == 255)).mean()
    assert share > 1
    assert f"cut off the noise of {share:.0f} %" in offer.text
    found = drawn()
    assert found.sigma_255 == 20.0
    shown = denoise.render(VISITOR, LOOK).shown
    assert shown.captions[:4] == ("Sample 1", "Sample 2", "Sample 3", "Sample 4")
    assert shown.pictures[5] is None  # nobody knows the clean one
    doubtful = replace(level, doubt="the noise is blurred or blotchy rather than white")
    unsure = replace(scene, result=replace(scene.result, level=doubtful))
    assert "but the noise is blurred" in samples.state(unsure, "best", LOOK).text
