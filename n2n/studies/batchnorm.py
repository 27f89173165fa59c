"""Figure 1a of the report: no BatchNorm, BatchNorm everywhere, or two at the end."""

from typing import Any

from n2n.studies import answers, figures
from n2n.studies.base import Curve, Quick, Study, seeds
from n2n.studies.fitting import fit
from n2n.studies.record import Record

VARIANTS = {"none": "none", "everywhere": "everywhere", "two at the end": "published"}


def curves(quick: bool) -> list[Curve]:
    """1,000 samples, batch 100, 20 epochs, momentum at 0.05."""
    settings: dict[str, Any] = Quick()._asdict() if quick else {}
    return [
        Curve(name, seed, network_kwargs={"batchnorm": batchnorm}, **settings)
        for seed in seeds(quick)
        for name, batchnorm in VARIANTS.items()
    ]


def answer(record: Record) -> str:
    """Which loss is the least."""
    return answers.least_loss_first(record, list(VARIANTS))


STUDY = Study(
    name="batchnorm",
    title="Where BatchNorm helps (figure 1a of the report)",
    question="Does the network learn faster with BatchNorm, and where should it be?",
    reported=(
        "1,000 samples, batch 100, 20 epochs, momentum (figure 1a). It kept two BatchNorms, "
        "at the end of the encoder, and their mirror images in the decoder."
    ),
    differs=(
        "The settings are the report's. Its pictures cannot be had: pairs are drawn by point "
        "sampling of photos, which has the same kind of noise. Where the chip has matrix "
        "units there are three seeds, and the spread between them is shaded."
    ),
    curves=curves,
    measure=fit,
    draw=figures.curves,
    answer=answer,
    budget_seconds=3600,
)
