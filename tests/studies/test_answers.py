"""The sentences hold only what the rows say: worked out by hand from small records."""

import pytest

from n2n.studies import STUDIES, Record, Row, answers
from n2n.studies.record import DIVERGED, DONE, OUT_OF_TIME, Ending


def record(losses: dict[str, list[float]], ends: str = DONE, **values: float) -> Record:
    """Curves of two steps an epoch; `values` go into the last row of each."""
    found = Record()
    for curve, path in losses.items():
        for step, loss in enumerate(path, 1):
            more = values if step == len(path) else {}
            found.add(Row(curve, 0, step, step, 1.0, {"loss": loss, **more}))
        found.add(Ending(curve, 0, ends, {"samples": 20, "batch": 10}, "photos", "a chip"))
    return found


def test_losses_are_means_of_the_last_epoch_the_least_first() -> None:
    found = record({"a": [9, 0.3, 0.1], "b": [9, 0.1, 0.2], "c": [9, 9, 9]})
    said = answers.least_loss_first(found, ["a", "b", "c"])
    assert said == (
        "The loss of the last epoch is least with b (0.1500), then a (0.2000), then c (9.0000)."
    )
    assert answers.last_loss(found, "a") == "0.2000"
    assert answers.last_loss(found, "d") is None


def test_what_diverges_is_named() -> None:
    found = record({"a": [0.1, 0.1]})
    for name in ("b", "c"):
        found.add(Ending(name, 0, DIVERGED, {}, "photos", "a chip"))
    said = answers.least_loss_first(found, ["a", "b", "c"])
    assert said == "The loss of the last epoch is least with a (0.1000); b, c diverge."
    assert answers.last_loss(found, "b") == "diverges"
    assert answers.least_loss_first(Record(), ["a"]) == "Nothing was measured."


@pytest.mark.parametrize("name", ["hybrid", "augmentation", "maxpool", "result", "targets"])
def test_what_time_cut_off_is_told(name: str) -> None:
    curves = {curve.name: [0.1] * 9 for curve in STUDIES[name].curves(False)}
    values = {"final_psnr_a_db": 20.0, "final_psnr_b_db": 19.0, "tflop": 1.0}
    for ends, count in ((DONE, 0), (OUT_OF_TIME, len(curves))):
        said = STUDIES[name].answer(record(curves, ends, **values))
        assert said.count("20.00 dB") == len(curves)
        assert said.count("20.00 dB (stopped at step 9)") == count
        if name == "hybrid":
            assert ("after the same pairs" in said) == (ends == DONE)


def test_a_seed_that_has_not_ended_counts_only_alone() -> None:
    found = record({"a": [0.2, 0.2]})
    found.add(Row("a", 1, 1, 1, 1.0, {"loss": 7.0}))
    assert answers.last_loss(found, "a") == "0.2000"
    assert found.last("a", "loss") == [0.2]
    found.endings.clear()
    assert found.last("a", "loss") == [0.2, 7.0]


def test_swinging_looks_are_told() -> None:
    found = Record()
    for name, looks in {"calm": [10, 20, 20.1, 20.2], "wild": [10, 24, 20, 23.96]}.items():
        for step, value in enumerate(looks, 1):
            found.add(Row(name, 0, step, step, 1.0, {"psnr_a_db": value}))
    assert answers.swings(found, ["calm"]) == ""
    said = " Looks in the last quarter of the run swing: 20.0 to 24.0 dB (wild)."
    assert answers.swings(found, ["calm", "wild"]) == said
