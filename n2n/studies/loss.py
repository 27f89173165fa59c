"""L2, L1 and L0 over noisy targets pick their mean, median and mode: which noise leaves which?"""

from functools import partial
from typing import Any

from n2n.losses import LOSSES
from n2n.noise import NOISES
from n2n.studies import answers, figures
from n2n.studies.base import Curve, Study
from n2n.studies.fitting import fit
from n2n.studies.record import Record, mean_and_spread

COMPARED = ("l2", "l1", "l0")
assert set(COMPARED) <= set(LOSSES)
# Of all pixels together: a window without text may come back perfect, and its own is infinite.
PSNR = "final_psnr_b_db"
ALIKE_DB = 0.05  # one seed tells no smaller difference


def curves(quick: bool) -> list[Curve]:
    """Every noise at its usual level, on fresh windows; a small network; 600 or 40 steps."""
    settings: dict[str, Any] = {"samples": 1600, "batch": 16, "epochs": 6, "windows": 200}
    if quick:
        settings = {"samples": 320, "batch": 16, "epochs": 2, "windows": 50}
    return [
        Curve(
            f"{noise}, {loss}",
            network="small",
            network_kwargs={"widths": [24, 24, 24]},  # a record says which, whatever small will be
            optimizer="adamw",
            rate=3e-3,
            decay=0.5,
            loss=loss,
            pairs="fresh",
            noise=noise,
            **settings,
        )
        for noise in NOISES
        for loss in COMPARED
    ]


def answer(record: Record) -> str:
    """The best loss of each noise, by PSNR B, and those that are as good."""
    parts = []
    for noise in NOISES:
        scores = {loss: record.last(f"{noise}, {loss}", PSNR) for loss in COMPARED}
        found = {loss: values for loss, values in scores.items() if values}
        first = sorted(found, key=lambda loss: -found[loss][0])
        alike = [loss for loss in first if found[first[0]][0] - found[loss][0] < ALIKE_DB]
        told = [
            f"{loss} ({mean_and_spread(found[loss])} dB{answers.cut(record, f'{noise}, {loss}')})"
            for loss in alike
        ]
        if told:
            parts.append(f"{noise}: {' or '.join(told)}")
    return f"The best loss on noisy targets is, by PSNR B, for {', '.join(parts)}."


STUDY = Study(
    name="loss",
    title="L2, L1 and L0 on noisy targets",
    question="Which loss fits which noise, when every target is noisy?",
    reported="The squared error alone (L2), on one kind of noise.",
    differs=(
        "A small network, so that every noise can be tried with every loss. The squared error "
        "leads to the mean of the noisy targets, L1 to their median, L0 to their mode: which "
        "of them is the clean picture depends on the noise. 600 steps are few, and go by how "
        "fast a loss learns, too: so L0 leads where theory has the median (salt-and-pepper, "
        "missing-pixels), L1 where it has the mode (random-impulse), and text, which covers a "
        "small part, L1 and L0 still leave as it is."
    ),
    curves=curves,
    measure=fit,
    draw=partial(figures.bars, value=PSNR),
    answer=answer,
    budget_seconds=1500,
)
