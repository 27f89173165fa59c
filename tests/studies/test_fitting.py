"""What a curve measures: passes, arithmetic, PSNR; and the networks and weights it starts from."""

from dataclasses import replace
from math import isfinite
from pathlib import Path

import numpy as np
import pytest
import torch

from n2n import images
from n2n.data import course
from n2n.models import parameter_count
from n2n.models.autoencoder import Autoencoder
from n2n.randomness import seeded_initialization
from n2n.studies import STUDIES, Curve, Source
from n2n.studies.fitting import batches_of, fit, held_out, psnr_of, tflop_of_a_pass
from n2n.studies.networks import PooledAutoencoder, half_sparse_xavier, kernels
from n2n.studies.sources import options
from tests.studies.small import SOURCE, small
from tests.tiny import CPU, one_thread, photo, refused

__all__ = ["one_thread"]

ONE = Curve("one", samples=2, batch=1, epochs=2, side_px=8, windows=3)


def test_passes_are_counted() -> None:
    plain = list(fit(ONE, SOURCE, CPU))
    assert [row.passes for row in plain] == [1, 2, 3, 4]
    one_step = replace(ONE, samples=1, epochs=1)
    lbfgs = [row.passes for row in fit(replace(one_step, optimizer="lbfgs"), SOURCE, CPU)]
    assert 10 < lbfgs[0] <= 26  # 20 inner iterations, at most 25 evaluations
    hybrid = [row.passes for row in fit(_hybrid(1), SOURCE, CPU)]
    assert 10 < hybrid[0] <= 26
    assert np.diff(hybrid).tolist() == [1, 1, 1]
    assert [row.passes for row in fit(_hybrid(0), SOURCE, CPU)] == [1, 2, 3, 4]


def _hybrid(steps: int) -> Curve:
    return replace(ONE, optimizer="hybrid", lbfgs_steps=steps)


def test_hybrid_without_lbfgs_is_momentum() -> None:
    one, other = (
        [row.values["loss"] for row in fit(curve, SOURCE, CPU)] for curve in (_hybrid(0), ONE)
    )
    assert one == other


def test_a_curve_out_of_time_is_validated_once_more() -> None:
    rows = list(fit(ONE, SOURCE, CPU, lambda: True))
    assert len(rows) == 1
    assert "psnr_a_db" in rows[0].values


def test_divergence_is_a_result() -> None:
    rows = list(fit(replace(ONE, rate=1e9, epochs=20, validate_every=1), SOURCE, CPU))
    assert len(rows) < 40
    assert not isfinite(rows[-1].values["loss"])
    assert "psnr_a_db" not in rows[-1].values


def test_positive_weights_explode() -> None:
    curve = Curve("one", initialization="xavier-positive", samples=1, batch=1, epochs=1, windows=1)
    assert next(fit(curve, SOURCE, CPU)).values["loss"] > 1000


def test_arithmetic_of_the_reports_network() -> None:
    """11.37 GFLOP a picture of 32 × 32: each layer counted by hand, two times three passes."""
    channels = [3, 64, 64, 128, 256, 512, 256, 128, 64, 64, 3]
    sides = [32, 33, 34, 35, 36, 37]
    outputs = [side**2 for side in sides[1:]] + [side**2 for side in sides[:-1][::-1]]
    # A transposed convolution multiplies at each pixel of its input.
    pixels = outputs[:5] + [side**2 for side in sides[1:][::-1]]
    macs = [4 * a * b * n for a, b, n in zip(channels, channels[1:], pixels, strict=False)]
    flop = 2 * (3 * sum(macs) - macs[0])  # no gradient of the picture
    assert tflop_of_a_pass(Autoencoder(), 32) == pytest.approx(flop / 1e12)
    assert flop == pytest.approx(11.37e9, rel=0.01)


def test_psnr_is_of_the_8_bit_output() -> None:
    windows = held_out(replace(ONE, windows=5), SOURCE, CPU)
    scores = psnr_of(torch.nn.Identity(), windows, torch.autocast("cpu", enabled=False))
    noisy, clean = (part.numpy().astype(float) / 255 for part in windows)
    mse = ((noisy - clean) ** 2).mean((1, 2, 3))
    assert scores["psnr_a_db"] == pytest.approx(np.mean(-10 * np.log10(mse)), abs=1e-4)
    assert scores["psnr_b_db"] == pytest.approx(-10 * np.log10(mse.mean() + 1e-8), abs=1e-4)


def test_to_look_changes_no_training() -> None:
    """Nor does measuring the arithmetic: BatchNorm remembers every picture it sees."""
    losses = [
        [row.values["loss"] for row in fit(replace(ONE, validate_every=every), SOURCE, CPU)]
        for every in (0, 1)
    ]
    assert losses[0] == losses[1]
    study = STUDIES["identity"]
    curve = replace(small(study.curves(True)[0]), lbfgs_steps=0, epochs=2)
    losses = [
        [row.values["loss"] for row in study.measure(each, SOURCE, CPU)]
        for each in (curve, replace(curve, validate_every=0))
    ]
    assert losses[0] == losses[1]


def test_identity_learns_its_sample() -> None:
    study = STUDIES["identity"]
    curve = replace(study.curves(True)[0], side_px=8, epochs=2)
    psnr = [row.values["psnr_train_db"] for row in study.measure(curve, SOURCE, CPU)]
    assert psnr == sorted(psnr)
    assert psnr[-1] > psnr[0] + 3


def test_what_curves_train_on() -> None:
    source, target = batches_of(replace(ONE, targets="same"), SOURCE, CPU)().__next__()
    assert torch.equal(source, target)
    assert source.shape == (1, 3, 8, 8)
    frozen = batches_of(replace(ONE, pairs="frozen"), SOURCE, CPU)
    fresh = batches_of(replace(ONE, pairs="fresh"), SOURCE, CPU)
    for batches, repeats in ((frozen, True), (fresh, False)):
        steps = batches()
        first, _, third = (next(steps) for _ in range(3))
        assert torch.equal(first[0], third[0]) is repeats
        assert not torch.equal(first[0], first[1])
    clean = batches_of(replace(ONE, pairs="fresh", targets="clean"), SOURCE, CPU)
    torch.testing.assert_close(next(clean())[0], next(fresh())[0])
    assert not torch.equal(next(clean())[1], next(fresh())[1])


def test_pooled_network() -> None:
    network = PooledAutoencoder()
    assert parameter_count(network) == parameter_count(Autoencoder())
    assert network(torch.zeros(1, 3, 32, 32)).shape == (1, 3, 32, 32)
    assert tflop_of_a_pass(network, 32) < tflop_of_a_pass(Autoencoder(), 32) / 2


def test_half_sparse_xavier() -> None:
    with seeded_initialization(0):
        model = Autoencoder()
        half_sparse_xavier(model)
    weights = torch.cat([kernel.detach().flatten() for kernel in kernels(model)])
    four_errors = 4 * 0.5 / len(weights) ** 0.5
    assert float((weights == 0).double().mean()) == pytest.approx(0.5, abs=four_errors)
    assert float((weights < 0).double().mean()) == pytest.approx(0.25, abs=four_errors)


# ---- sources ----


def test_files_of_the_course_come_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pairs = course.training_pairs([photo(80, 90)], 6)
    course.write_pairs(tmp_path / course.TRAINING_FILE, pairs)
    source = Source(tmp_path)
    assert torch.equal(source.pairs(4).first, pairs.first[:4])
    assert options(source.label) == f" --data {tmp_path.name}"
    monkeypatch.chdir(tmp_path)
    assert Source(Path()).label == source.label
    with refused("needs 7 pairs", "holds 6"):
        source.pairs(7)
    with refused("val_data.pkl"):
        source.windows(1)


def test_photos_make_pairs(tmp_path: Path) -> None:
    for index in range(4):
        images.write(tmp_path / f"{index}.png", photo(70, 80, index))
    source = Source(tmp_path)
    assert options(source.label) == f" --data {tmp_path.name}"
    others = Source(tmp_path, tmp_path / "my others")
    assert options(others.label) == f" --data {tmp_path.name} --validation 'my others'"
    assert source.pairs(3) is source.pairs(3)  # drawn but once
    assert len(source.photos[0]) == 3
    assert source.windows(2).second.shape == (2, 3, 32, 32)
