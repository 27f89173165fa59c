"""The noise level of a picture that came noisy, and for which models it is stated."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch import Tensor

import n2n
import n2n.noise_level
from n2n import images, shipped
from n2n.data.samples import sample
from n2n.ui.handlers import api, models, network, numbers
from n2n.ui.handlers.denoise import ALREADY, Settings
from n2n.ui.handlers.pictures import Picture
from n2n.ui.handlers.store import Result, Scene
from tests.ui.visitor import Spy, open_and_denoise


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
    assert "in the middle" not in text


@pytest.mark.parametrize("slow", [False, True])
def test_a_level_of_a_part_says_of_which(monkeypatch: pytest.MonkeyPatch, slow: bool) -> None:
    monkeypatch.setattr(models, "is_slow", lambda name: slow)
    level = n2n.noise_level.NoiseLevel(24.9, 30.9, 25.0, 25.0, doubt=None)
    noisy = np.zeros((1100, 1000), np.uint8)
    result = Result(noisy, "best", 10.0, "CPU", level=level)
    text = numbers.summary(Scene(Picture(noisy), "x", noisy, result=result), None)
    assert f"in the middle {0.1 if slow else 1} MP" in text


@pytest.mark.parametrize("card", [{}, {"training": {"noise": "point-sampling:5"}}])
def test_a_model_of_another_noise_tells_no_level(
    identity: Spy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, card: dict[str, Any]
) -> None:
    """Nor does one whose card says nothing: neither the page nor a program gets a number."""
    monkeypatch.setattr(shipped, "card", lambda name: card)
    level = network.level("seed", sample("chelsea"), 1.0)
    said = "seed was not trained on Gaussian noise, so it cannot tell the noise level"
    assert level.doubt == said
    assert said in numbers.level_text(level)
    assert "σ" not in numbers.level_text(level)
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea"))
    *_, (_, facts) = api.denoise(str(path), "seed", 1)
    assert facts["sigma"] is None
    assert facts["expected_psnr_db"] is None
    assert facts["doubt"] == said


def test_a_grey_pictures_level_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """An oracle of the identity's own: a linear shrinker f(y) = y/2 has divergence n/2 exactly."""

    class Half:
        def __call__(self, noisy: Tensor) -> Tensor:
            return noisy / 2

    monkeypatch.setattr(network, "load", lambda name: Half())
    monkeypatch.setattr(shipped, "card", lambda name: {"training": {"noise": "gaussian:0-55"}})
    pixels = np.full((64, 64), 100, np.uint8)
    level = network.level("any", pixels, 1.0)
    # σ² = ‖y/2‖² / (n - n/2) = y² / 2
    assert level.sigma_255 == pytest.approx(100 / math.sqrt(2), rel=0.02)
