"""MaxPooling, which the report tried and dropped."""

from functools import partial
from typing import Any

from n2n.studies import answers, figures
from n2n.studies.base import Curve, Quick, Study
from n2n.studies.fitting import fit
from n2n.studies.record import Record, mean_and_spread

NETWORKS = {"the report's network": "seed", "with a MaxPooling": "pooled"}


def curves(quick: bool) -> list[Curve]:
    """1,000 samples, batch 100, 20 epochs, momentum at 0.05."""
    settings: dict[str, Any] = (
        Quick()._asdict() | {"validate_every": 5} if quick else {"validate_every": 20}
    )
    return [Curve(name, network=network, **settings) for name, network in NETWORKS.items()]


def answer(record: Record) -> str:
    """PSNR and arithmetic of each."""
    parts = [
        f"{answers.final_db(record, name)} for "
        f"{mean_and_spread(record.last(name, 'tflop'))} TFLOP ({name})"
        for name in NETWORKS
    ]
    found = f"PSNR on held-out pictures: {', '.join(parts)}."
    return found + answers.swings(record, list(NETWORKS))


STUDY = Study(
    name="maxpool",
    title="With and without MaxPooling",
    question="What does halving the maps in the middle cost in PSNR, and save in arithmetic?",
    reported="MaxPooling was tried and dropped, without a figure.",
    differs=(
        "It does not say where it pooled: here after the second convolution, and "
        "nearest-neighbour doubling before the last but one transposed convolution makes up "
        "for it. The settings are those of its figure 1."
    ),
    curves=curves,
    measure=fit,
    draw=partial(figures.curves, value="psnr_a_db", against=("step", "tflop")),
    answer=answer,
    budget_seconds=1500,
)
