"""All models and a classical method on one picture."""

import numpy as np
import pytest

import n2n
import n2n.noise_level
from n2n.data.samples import sample
from n2n.noise import create_noise
from n2n.ui.handlers import compare, denoise, models, pictures
from n2n.ui.handlers.store import store
from n2n.ui.handlers.views import Look
from tests.ui.visitor import GAUSSIAN, VISITOR, Spy


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
