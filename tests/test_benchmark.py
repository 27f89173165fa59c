"""Measurements tell what they measured: known works, known sizes, known answers. No time is judged.

The parts that start processes of their own run once, at a thousandth of their size.
"""

import json
import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import n2n
from n2n.__main__ import main
from n2n.benchmark import PARTS, Measured, curves, inference, machine, measure, references, training
from n2n.benchmark.measured import medians, peak_megabytes
from n2n.benchmark.page import _urls
from n2n.models import create_model, kmacs_per_pixel
from tests.tiny import one_thread, random_picture  # noqa: F401  a fixture


@pytest.mark.parametrize(
    ("at_most", "at_least", "holds"),
    [(None, None, None), (2, None, True), (1.9, None, False), (None, 2, True), (None, 2.1, False)],
)
def test_a_number_beside_its_target(
    at_most: float | None, at_least: float | None, holds: bool | None
) -> None:
    assert Measured("x", 2.0, "s", at_most=at_most, at_least=at_least).holds is holds


def test_the_median_of_works_that_take_turns() -> None:
    turns: list[str] = []

    def work(name: str, seconds: float) -> None:
        turns.append(name)
        time.sleep(seconds)

    found = medians({"a": lambda: work("a", 0.004), "b": lambda: work("b", 0.001)}, runs=5)
    assert turns == ["a"] * 2 + ["b"] * 2 + ["a", "b"] * 5
    assert found["a"] >= 0.004
    assert 0.001 <= found["b"] < found["a"]


def test_peak_memory_is_that_of_this_process() -> None:
    before = peak_megabytes()
    kept = np.ones(300 << 20, np.uint8)
    assert peak_megabytes() >= before
    assert peak_megabytes() >= 300
    assert kept[-1] == 1


def test_the_machine_is_named() -> None:
    here = machine()
    assert here.chip
    assert here.threads == torch.get_num_threads()
    assert here.torch == torch.__version__


# ---- references ----


def test_references_have_the_published_cost() -> None:
    """denoising-numbers: DnCNN for colour 667 kMAC/px, FFDNet 213, from their papers' layers."""
    assert kmacs_per_pixel(references.dncnn()) == pytest.approx(667, rel=0.01)
    half = references.ffdnet()
    weights = sum(layer.weight.numel() for layer in half if isinstance(layer, nn.Conv2d))
    assert weights / 4 / 1000 == pytest.approx(213, rel=0.01)
    assert [type(layer) for layer in half].count(nn.Conv2d) == 12


def test_the_rate_counts_what_was_multiplied() -> None:
    rate = references.convolution_rate(1, (16,))
    assert rate.work_flops == 2 * 9 * 128 * 128 * 16 * 16
    assert rate.flops > 0
    assert "16 × 16" in rate.how


def test_the_noisy_photo_is_what_it_says() -> None:
    picture = inference.noisy_photo(90, 130)
    assert (picture.shape, picture.dtype) == ((90, 130, 3), np.uint8)
    clean = n2n.benchmark.inference.sample("coffee")[:90, :130]
    assert 20 < (picture.astype(float) - clean).std() < 26


# ---- training ----


def test_bare_and_ours_take_the_same_steps() -> None:
    """What is compared is the same work: after three steps the weights are the same."""
    batch = (random_picture(2, 3, 16, 16), random_picture(2, 3, 16, 16, seed=1))
    seen: list[nn.Module] = []

    def remembered(name: str) -> nn.Module:
        model = create_model(name)
        if seen:
            model.load_state_dict(first)
        seen.append(model)
        return model

    first = {key: tensor.clone() for key, tensor in create_model("fast").state_dict().items()}
    seen.append(nn.Identity())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "create_model", remembered)
        for step in (training.bare_step, training.our_step):
            work = step("fast", [batch], "l2", 1e-3, training.nullcontext())
            for _ in range(3):
                work()
    _, bare, ours = seen
    for one, other in zip(bare.parameters(), ours.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    assert not torch.equal(next(bare.parameters()), first["stem.weight"])


def test_the_flops_of_the_reports_step() -> None:
    """11.37 GFLOP for a pair of 32 × 32, forward and backward: 568 TFLOP for 50,000."""
    batch = (random_picture(2, 3, 32, 32), random_picture(2, 3, 32, 32, seed=1))
    flops = training.step_flops(create_model("seed"), batch)
    assert flops / 2 / 1e9 == pytest.approx(11.37, abs=0.01)


def test_layers_alone_do_all_layers_of_the_step() -> None:
    model = create_model("seed")
    work = training.layers_alone(model, random_picture(2, 3, 32, 32), torch.float32)
    work()
    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    assert len(convolutions) == 10
    assert all(layer.weight.grad is not None for layer in convolutions)


# ---- the page ----


def test_addresses_are_found_wherever_they_are() -> None:
    answer = [None, {"url": "a"}, {"value": [{"url": "b", "path": "x"}, 3]}, ["replace", {"c": {}}]]
    assert list(_urls(answer)) == ["a", "b"]
    assert list(_urls(None)) == []


# ---- the command ----


@pytest.mark.parametrize("part", PARTS)
def test_quick_parts_measure_without_targets(part: str) -> None:
    found = list(measure(part, quick=True))
    assert len({row.name for row in found if row.name != "sent for it"}) >= 4
    for row in found:
        assert row.holds is None
        assert math.isfinite(row.value), row
        assert row.value > 0 or "without the network" in row.name, row


def test_the_command_prints_rows(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        Measured("good", 1.0, "s", 20, at_most=2.0, note="a note"),
        Measured("bad", 12345.678, "ms", 3, at_least=20_000),
        Measured("free", 0.5, "×"),
    ]
    monkeypatch.setitem(PARTS, "inference", lambda quick: iter(rows))
    assert main(["bench", "--only", "inference"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert machine().chip in lines[0]
    good, bad, free = lines[2:5]
    assert good.split() == ["good", "1", "s", "[20]", "≤", "2", "holds", "a", "note"]
    assert bad.split()[:5] == ["bad", "1.235e+04", "ms", "[3]", "≥"]
    assert "MISSED" in bad
    assert "holds" not in free

    assert main(["bench", "--only", "inference", "--json"]) == 0
    first, *others = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert first["chip"] == machine().chip
    assert [row["holds"] for row in others] == [True, False, None, None]
    assert others[0]["part"] == "inference"
    assert others[-1]["name"] == "peak memory of this process"


def test_curves_hold_what_was_measured() -> None:
    """Sizes and batches as asked for; a time and a speed of the same step tell of its pixels."""
    times = list(curves._times((1 / 400, 1 / 100)))
    assert [point.name for point in times] == ["best", "fast"] * 2
    assert [point.x for point in times[::2]] == pytest.approx([1 / 400, 1 / 100], rel=0.05)
    speeds = list(curves._training((2,)))
    assert {point.up for point in speeds} == {curves.SPEED}
    assert all(point.x == 2 and 0 < point.y < 1000 for point in speeds)


def test_curves_are_stored_and_drawn(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    points = [
        curves.Point(name, across, up, x, 2 * x, 5)
        for name in ("best", "fast")
        for across, up in (
            (curves.PICTURE, curves.TIME),
            (curves.BATCH, curves.SPEED),
            (curves.PICTURE, curves.MEMORY),
        )
        for x in (1.0, 4.0, 16.0)
    ]
    monkeypatch.setattr(curves, "measure", lambda quick: iter(points))
    assert main(["bench", "--curves", str(tmp_path / "assets"), "--json"]) == 0
    _, *rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    stored = json.loads((tmp_path / "assets" / "costs.json").read_text())
    assert stored["points"] == rows
    assert stored["machine"]["chip"] == machine().chip
    assert n2n.images.read(tmp_path / "assets" / "costs.png").pixels.std() > 0
    panels = curves.drawn(points, machine()).axes
    assert [axes.get_ylabel() for axes in panels] == [curves.TIME, curves.SPEED, curves.MEMORY]
    line = panels[1].get_lines()[0]
    assert list(line.get_ydata()) == [2.0, 8.0, 32.0]


def test_what_a_command_in_a_process_says_when_it_fails(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="there is no file or folder"):
        n2n.benchmark.files.child("denoise", tmp_path / "none.png", "--out", tmp_path / "out")
