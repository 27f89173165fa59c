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
    assert answers.last_loss(found, "b") == answers.final_db(found, "b") == "diverges"
    assert answers.least_loss_first(Record(), ["a"]) == "Nothing was measured."


@pytest.mark.parametrize("name", ["hybrid", "augmentation", "maxpool", "result", "targets"])
def test_what_time_cut_off_is_told(name: str) -> None:
    curves = {curve.name: [0.1] * 9 for curve in STUDIES[name].curves(False)}
    values = {"final_psnr_a_db": 20.0, "final_psnr_b_db": 19.0, "tflop": 1.0}
    for ends, count in ((DONE, 0), (OUT_OF_TIME, len(curves))):
        said = STUDIES[name].answer(record(curves, ends, **values))
        assert said.count("20.00 dB A") == len(curves)
        assert said.count("20.00 dB A (stopped at step 9)") == count
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
    looks = {
        ("calm", 0): [10, 20, 20.1, 20.2],
        ("calm", 1): [10, 26, 26.1, 26.2],  # another seed is no swing
        ("wild", 0): [10, 29, 20, 23.96],
        ("early", 0): [10, 30, 20, None],  # its last look is before the last quarter
    }
    for (name, seed), values in looks.items():
        for step, value in enumerate(values, 1):
            more = {"psnr_a_db": value} if value is not None else {}
            found.add(Row(name, seed, step, step, 1.0, {"loss": 1.0, **more}))
    assert answers.swings(found, ["calm", "early"]) == ""
    said = " Looks in the last quarter of the run range from 20.0 to 24.0 dB A (wild)."
    assert answers.swings(found, ["calm", "wild"]) == said


def test_records_of_before_have_one_psnr_at_the_end() -> None:
    assert answers.final_db(record({"a": [0.1]}, psnr_a_db=21.0), "a") == "21.00 dB A"


def test_only_the_seed_that_time_ended_is_told() -> None:
    found = record({"a": [0.1] * 9})
    for step in (1, 2):
        found.add(Row("a", 1, step, step, 1.0, {"loss": 0.1}))
    found.add(Ending("a", 1, OUT_OF_TIME, {}, "photos", "a chip"))
    assert answers.cut(found, "a") == " (stopped at step 2)"


def test_losses_that_are_as_good_are_named_together() -> None:
    found = Record()
    for loss, db in {"l2": 27.0, "l1": 27.03, "l0": 26.9}.items():
        found.add(Row(f"gaussian, {loss}", 0, 1, 1, 1.0, {"final_psnr_b_db": db}))
    assert "for gaussian: l1 (27.03 dB) or l2 (27.00 dB)." in STUDIES["loss"].answer(found)
