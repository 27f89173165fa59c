"""Figure 5 of the report, its consistency check: one sample, input = target, 20 steps."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from n2n.data.course import unit
from n2n.devices import Placement
from n2n.metrics import psnr_global_db, psnr_mean_db
from n2n.studies import figures
from n2n.studies.base import Curve, Study
from n2n.studies.fitting import fit_and
from n2n.studies.record import Record, Row, mean_and_spread
from n2n.studies.sources import Source

PUBLISHED = "20 LBFGS (the published code)"
HYBRID = "5 LBFGS, then momentum (the text)"
REPORTED_DB = 74.5


def curves(quick: bool) -> list[Curve]:
    """20 steps on one sample, fp32. The quick one takes a quarter of the picture."""
    settings: dict[str, Any] = {
        "samples": 1,
        "batch": 1,
        "epochs": 20,
        "validate_every": 1,
        "exact": True,
    }
    side = 16 if quick else 32
    return [
        Curve(name, optimizer="hybrid", lbfgs_steps=steps, targets="same", side_px=side, **settings)
        for name, steps in ((PUBLISHED, 20), (HYBRID, 5))
    ]


def measure(curve: Curve, source: Source, placement: Placement) -> Iterator[Row]:
    """PSNR of the float output on the sample itself, in training mode as the report measured."""
    first = source.pairs(curve.samples).first[..., : curve.side_px, : curve.side_px]
    sample = unit(first).to(placement.device)
    return fit_and(curve, source, placement, partial(_psnr, sample))


@torch.no_grad()
def _psnr(sample: Tensor, model: nn.Module, last: bool) -> dict[str, float]:
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}
    estimate = model.train()(sample)
    for name, buffer in model.named_buffers():
        buffer.copy_(buffers[name])  # to look leaves no trace in BatchNorm's running means
    return {
        "psnr_train_db": psnr_mean_db(estimate, sample),
        "psnr_b_db": psnr_global_db(estimate, sample),
        "psnr_eval_db": psnr_mean_db(model.eval()(sample), sample),
    }


def answer(record: Record) -> str:
    """Both ways to train, both modes."""
    parts = [
        f"{mean_and_spread(record.last(name, 'psnr_train_db'))} dB in training mode and "
        f"{mean_and_spread(record.last(name, 'psnr_eval_db'))} dB in evaluation mode ({name})"
        for name in (PUBLISHED, HYBRID)
    ]
    return f"One sample is learnt to {' and '.join(parts)}; the report: {REPORTED_DB} dB."


STUDY = Study(
    name="identity",
    title="One sample, input = target (figure 5 of the report)",
    question="Can the network learn one picture by heart, as a check that nothing is broken?",
    curves=curves,
    measure=measure,
    draw=partial(figures.curves, value="psnr_train_db", references={"the report": REPORTED_DB}),
    answer=answer,
    budget_seconds=600,
)
