"""Figure 5 of the report, its consistency check: one sample, input = target, 20 steps."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from n2n.data.course import Pairs, unit
from n2n.devices import Placement
from n2n.metrics import psnr_global_db, psnr_mean_db
from n2n.studies import answers, figures
from n2n.studies.base import Curve, Enough, Study, never
from n2n.studies.fitting import fit_and
from n2n.studies.record import Record, Row
from n2n.studies.sources import Source

REPORTED_DB = 74.5
# The published code steps LBFGS at 0.05, which falls short of the report's figure on every sample
# tried; at PyTorch's own rate, 1, one of three reaches it.
CURVES = {
    "20 LBFGS, rate 1": (20, 1.0),
    "5 LBFGS, then momentum, rate 0.05 (the text)": (5, 0.05),
    "20 LBFGS, rate 0.05 (the published code)": (20, 0.05),
}
SEEDS = (0, 1, 2)


def curves(quick: bool) -> list[Curve]:
    """20 steps on one sample in fp32, from the published code's first weights.

    The quick one takes a quarter of the picture.
    """
    settings: dict[str, Any] = {
        "samples": 1,
        "batch": 1,
        "epochs": 20,
        "validate_every": 1,
        "exact": True,
        "optimizer": "hybrid",
        "initialization": "xavier-half-sparse",
        "targets": "same",
        "side_px": 16 if quick else 32,
    }
    return [
        Curve(name, seed, lbfgs_steps=steps, rate=rate, **settings)
        for seed in ((0,) if quick else SEEDS)
        for name, (steps, rate) in CURVES.items()
    ]


def measure(
    curve: Curve, source: Source, placement: Placement, enough: Enough = never
) -> Iterator[Row]:
    """PSNR of the float output on the sample itself, in training mode as the report measured."""
    one = _One(source, curve.seed)
    first = one.pairs(curve.samples).first[..., : curve.side_px, : curve.side_px]
    validate = partial(_psnr, unit(first).to(placement.device))
    return fit_and(curve, one, placement, validate, enough)


class _One(Source):
    """Another sample for each seed: some are far easier than others."""

    def __init__(self, source: Source, seed: int) -> None:
        super().__init__(source.folder)
        self.whole, self.seed = source, seed

    def pairs(self, count: int) -> Pairs:
        """The one."""
        return Pairs(*(part[self.seed : self.seed + 1] for part in self.whole.pairs(len(SEEDS))))


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
    """Each way to train, in both modes, sample by sample."""
    training, evaluation = (
        "; ".join(
            f"{name}: {each_db(record, name, mode)}{answers.cut(record, name)}" for name in CURVES
        )
        for mode in ("train", "eval")
    )
    best = next(iter(CURVES))
    return (
        f"In dB (A), sample by sample, where the report has {REPORTED_DB}: {training}. "
        f"In B, {best}: {each_db(record, best, 'b')}. In evaluation mode (A): {evaluation}."
    )


def each_db(record: Record, curve: str, kind: str) -> str:
    """What each sample ended at: of "train", "b" (both in training mode) or "eval"."""
    return " / ".join(f"{db:.1f}" for db in record.last(curve, f"psnr_{kind}_db"))


def setting(curves: Sequence[Curve]) -> str:
    """Of these curves, in words."""
    count, side, steps = len({c.seed for c in curves}), curves[0].side_px, curves[0].steps
    return f"{count} sample{'s'[: count > 1]} of {side} × {side} px, each alone; {steps} steps"


STUDY = Study(
    name="identity",
    title="One sample, input = target (figure 5 of the report)",
    question="Can the network learn one picture by heart, as a check that nothing is broken?",
    reported="One sample, input = target, 20 epochs: 74.5 dB after 11 s (figure 5).",
    differs=(
        "Its text starts with 5 steps of LBFGS, its code with 35: here all 20 are, and the "
        "text's way is beside it. At the code's rate, 0.05, every sample tried fell short of "
        "74.5 dB; at PyTorch's own rate, 1, one of three reaches it by convention A and none by B, "
        "which adds 1e-8 to the squared error; the report does not name its own. PSNR is measured "
        "in training mode, as the report did, where BatchNorm sees the sample itself."
    ),
    curves=curves,
    measure=measure,
    draw=partial(figures.curves, value="psnr_train_db", references={"the report": REPORTED_DB}),
    answer=answer,
    budget_seconds=1200,
    setting=setting,
)
