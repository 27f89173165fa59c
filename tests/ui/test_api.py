"""The endpoints without a server: what they refuse, and what they find."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from n2n import images
from n2n.data.samples import sample
from n2n.ui.handlers import api, models
from tests.ui.visitor import Spy


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda path: api.add_noise(path, "gaussian", 256, 0), "between 0 and 255"),
        (lambda path: api.add_noise(path, "gaussian", math.nan, 0), "level must be a number"),
        (lambda path: api.add_noise(path, "salt-and-pepper", 25, 0), "between 0 and 1"),
        (lambda path: api.add_noise(path, "fog", 1, 0), "unknown noise"),
        (lambda path: api.add_noise(None, "gaussian", 25, 0), "no picture"),
        (lambda path: next(api.denoise(path, "worst", 1.0)), "unknown model|no models"),
        (
            lambda path: next(api.denoise(path, "/etc/x.safetensors", 1.0)),
            "unknown model|no models",
        ),
        (lambda path: next(api.denoise(path, "best", 1.5)), "between 0"),
        (lambda path: next(api.denoise(path, "best", math.nan)), "strength must be a number"),
        (lambda path: api.compare(path, path, None), "no picture"),
    ],
)
def test_endpoints_refuse_in_one_line(
    tmp_path: Path, call: Callable[[str], Any], said: str
) -> None:
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea"))
    with pytest.raises(ValueError, match=said) as caught:
        call(str(path))
    assert "\n" not in str(caught.value)


WRONG = [None, "25", "", True, [25], {"level": 25}, math.nan, math.inf, 10**400, [10**9]]


@pytest.mark.parametrize("value", WRONG, ids=lambda value: f"{value!r:.12}")
def test_what_is_no_number_is_refused_in_our_own_words(tmp_path: Path, value: Any) -> None:  # noqa: ANN401
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea"))
    for name, call in (
        ("level", lambda: api.add_noise(str(path), "gaussian", value, 0)),
        ("seed", lambda: api.add_noise(str(path), "gaussian", 25, value)),
        ("strength", lambda: next(api.denoise(str(path), "best", value))),
    ):
        with pytest.raises(ValueError, match=f"^{name} (must be|is too large) a number") as caught:
            call()
        assert len(str(caught.value)) < 80


def test_a_whole_seed_stays_exact(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea")[:40, :40])
    one, next_one = (api.add_noise(str(path), "gaussian", 25, 2**53 + more) for more in (0, 1))
    assert (one != next_one).any()  # as floats they are the same number


def test_a_slow_model_refuses_a_large_picture_in_one_line(
    tmp_path: Path, identity: Spy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "is_slow", lambda name: name == "seed")
    path = tmp_path / "a.png"
    images.write(path, np.zeros((600, 600), np.uint8))
    with pytest.raises(ValueError, match=r"seed is for pictures up to 0\.3 megapixels"):
        next(api.denoise(str(path), "seed", 1))
    *_, (picture, facts) = api.denoise(str(path), "best", 1)
    assert picture.shape == (600, 600)
    assert facts["model"] == "best"
    assert len(identity.got) == 1


def test_denoise_yields_while_it_works_and_ends_with_the_result(
    tmp_path: Path, identity: Spy
) -> None:
    path = tmp_path / "a.png"
    images.write(path, sample("chelsea"))
    *before, (picture, facts) = api.denoise(str(path), "best", 1)
    assert before
    assert set(before) == {(None, None)}
    np.testing.assert_array_equal(picture, sample("chelsea"))
    assert facts["notes"] == []
