"""The four looks at a result show the very arrays that they speak of."""

import numpy as np
import pytest

from n2n.data.samples import sample
from n2n.ui.handlers import denoise, pictures, views
from n2n.ui.handlers.denoise import ALREADY, Settings
from n2n.ui.handlers.store import Scene, store
from n2n.ui.handlers.views import LEFT, REMOVED, VIEWS, Look
from tests.ui.visitor import GAUSSIAN, VISITOR, Spy, open_and_denoise


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
    assert "64 px, shown enlarged" in shown.note
