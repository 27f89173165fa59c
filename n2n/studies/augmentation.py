"""Flips, which the report adds to its data; and pairs used in both directions."""

from functools import partial
from typing import Any

from n2n.studies import answers, figures
from n2n.studies.base import Curve, Quick, Study
from n2n.studies.fitting import fit
from n2n.studies.record import Record

VARIANTS: dict[str, dict[str, Any]] = {
    "as they are": {},
    "flips": {"flips": True},
    "flips, input and target swapped": {"flips": True, "swap": True},
}


def curves(quick: bool) -> list[Curve]:
    """1,000 samples, batch 100, 20 epochs, momentum at 0.05."""
    settings: dict[str, Any] = (
        Quick()._asdict() | {"validate_every": 5} if quick else {"validate_every": 20}
    )
    return [Curve(name, **options, **settings) for name, options in VARIANTS.items()]


def answer(record: Record) -> str:
    """PSNR of each."""
    parts = [f"{answers.final_db(record, name)} ({name})" for name in VARIANTS]
    found = f"PSNR on held-out pictures: {', '.join(parts)}."
    return found + answers.swings(record, list(VARIANTS))


STUDY = Study(
    name="augmentation",
    title="Flips and swaps",
    question="Do mirrored pairs, and pairs used both ways round, help on held-out pictures?",
    reported=(
        "Some of the pictures are flipped vertically and horizontally. It does not say what "
        "this gains."
    ),
    differs=(
        "All pairs are flipped at random, with the settings of its figure 1. Swapping is not "
        "in the report: either noisy picture of a pair may be the target, which costs "
        "nothing."
    ),
    curves=curves,
    measure=fit,
    draw=partial(figures.curves, value="psnr_a_db"),
    answer=answer,
    budget_seconds=1800,
)
