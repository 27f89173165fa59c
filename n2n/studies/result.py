"""The report's result: one epoch of 50,000 pairs, 25.08 dB; and our network on the same pairs."""

from functools import partial
from typing import Any

from n2n.studies import answers, figures, networks
from n2n.studies.base import Curve, Quick, Study
from n2n.studies.fitting import fit
from n2n.studies.record import Record

REPORT, OURS = "the report's network, hybrid", "ours (ee559), Muon"
REPORTED_DB = 25.08


def curves(quick: bool) -> list[Curve]:
    """50,000 pairs, batch 100, one epoch; PSNR on 1,000 pictures."""
    full: dict[str, Any] = {"samples": 50_000, "epochs": 1, "validate_every": 25}
    settings: dict[str, Any] = Quick()._asdict() | {"validate_every": 5} if quick else full
    return [
        Curve(
            REPORT,
            optimizer="hybrid",
            initialization="xavier-half-sparse",
            flips=True,
            **settings,
        ),
        Curve(
            OURS,
            **networks.OURS,
            optimizer="muon",
            rate=5e-3,
            decay=0.8,
            flips=True,
            swap=True,
            **settings,
        ),
    ]


def answer(record: Record) -> str:
    """Both conventions, time and arithmetic."""
    parts = []
    for name in (REPORT, OURS):
        rows = [row for row in record.rows if row.curve == name]
        if rows:
            parts.append(
                f"{name}: {answers.final_db(record, name)}, "
                f"{answers.final_db(record, name, 'b')} after "
                f"{rows[-1].seconds:.0f} s and {rows[-1].values['tflop']:.0f} TFLOP"
            )
    found = "; ".join(parts)
    told = found[:1].upper() + found[1:]
    reported = f"{told} (the report: {REPORTED_DB} dB A on the course's own pictures)."
    return reported + answers.swings(record, [REPORT, OURS])


STUDY = Study(
    name="result",
    title="One epoch: the report's result",
    question="What does one epoch of noisy pairs reach, and in how much arithmetic?",
    reported=(
        "50,000 pairs, batch 100, one epoch of its hybrid with some vertical flips: 25.08 dB "
        "on the course's validation pictures after 8 min 22 s on a Colab GPU."
    ),
    differs=(
        "The course's pictures cannot be had, so the two decibels are of different pictures: "
        "what can be compared is the two networks here, on the same pairs. PSNR A is the mean "
        "over pictures, as the course graded; B is of all pixels together. All pairs are flipped "
        "at random along either axis, where the report flips some; first weights are the "
        "half-sparse ones of its code. Its five steps of LBFGS are in fp32, the others in bf16 "
        "where the machine is faster in it."
    ),
    curves=curves,
    measure=fit,
    draw=partial(
        figures.curves,
        value="psnr_a_db",
        against=("step", "tflop"),
        references={"the report, on its own data": REPORTED_DB},
    ),
    answer=answer,
    budget_seconds=4500,
)
