"""Figure 1b of the report: first weights; and what its published code in truth drew."""

from typing import Any

from n2n.studies import answers, figures
from n2n.studies.base import Curve, Quick, Study, seeds
from n2n.studies.fitting import fit
from n2n.studies.networks import INITIALIZATIONS
from n2n.studies.record import Record


def curves(quick: bool) -> list[Curve]:
    """1,000 samples, batch 100, 20 epochs, momentum at 0.05."""
    settings: dict[str, Any] = Quick()._asdict() if quick else {}
    return [
        Curve(name, seed, initialization=name, **settings)
        for seed in seeds(quick)
        for name in INITIALIZATIONS
    ]


def answer(record: Record) -> str:
    """How each ends; to diverge is a result."""
    return answers.least_loss_first(record, list(INITIALIZATIONS))


STUDY = Study(
    name="initialization",
    title="First weights (figure 1b of the report)",
    question="Which first weights let the network learn, and which make it explode or stand still?",
    reported=(
        "1,000 samples, batch 100, 20 epochs: PyTorch's default, Xavier, both with negative "
        'weights set to zero ("positive"), and zeros (figure 1b).'
    ),
    differs=(
        "Its code's positive Xavier multiplies the mask of one draw with a second draw, so "
        "that half of the weights are zero and a quarter negative. That is a sixth curve "
        "here, xavier-half-sparse; beside it is positive Xavier as the text has it, whose curve "
        "lies on that of positive default weights. To diverge is a result, and the legend says so."
    ),
    curves=curves,
    measure=fit,
    draw=figures.curves,
    answer=answer,
    budget_seconds=4800,
)
