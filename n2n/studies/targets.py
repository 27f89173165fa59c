"""Noisy against clean targets, and fresh noise against the same noise for ever."""

from functools import partial
from typing import Any

from n2n.studies import answers, figures, networks
from n2n.studies.base import Curve, Quick, Study
from n2n.studies.fitting import fit
from n2n.studies.record import Record

VARIANTS: dict[str, dict[str, Any]] = {
    "clean targets, fresh windows and noise": {"pairs": "fresh", "targets": "clean"},
    "noisy targets, fresh windows and noise": {"pairs": "fresh"},
    "clean targets, the same again": {"pairs": "frozen", "targets": "clean"},
    "noisy targets, the same again": {"pairs": "frozen"},
}


def curves(quick: bool) -> list[Curve]:
    """Our network, which is quicker than the report's; 500 samples, batch 50, 40 epochs."""
    settings: dict[str, Any] = Quick()._asdict() | {"validate_every": 5}
    if not quick:
        settings = {"samples": 500, "batch": 50, "epochs": 40, "validate_every": 20}
    return [
        Curve(name, **networks.OURS, optimizer="adamw", rate=1e-3, decay=0.8, **options, **settings)
        for name, options in VARIANTS.items()
    ]


def answer(record: Record) -> str:
    """PSNR of each."""
    parts = [f"{answers.final_db(record, name)} ({name})" for name in VARIANTS]
    found = f"PSNR on held-out pictures: {', '.join(parts)}."
    return found + answers.swings(record, list(VARIANTS))


STUDY = Study(
    name="targets",
    title="Noisy and clean targets",
    question="What do noisy targets cost, and what does it cost to see the same pairs again?",
    reported="Not in the report: its data has noisy targets alone.",
    differs=(
        "Our own network for this data is trained, which is quicker than the report's; on new "
        "windows with new noise at every step, or on the same pairs again in every epoch."
    ),
    curves=curves,
    measure=fit,
    draw=partial(figures.curves, value="psnr_a_db", against=("step",)),
    answer=answer,
    budget_seconds=1500,
)
