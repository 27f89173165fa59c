"""The report's `predict` never leaves training mode: so a picture depends on its neighbours."""

import time
from collections.abc import Iterator, Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from n2n import images, shipped
from n2n.checkpoints import load_weights
from n2n.data.course import unit
from n2n.devices import Placement
from n2n.metrics import psnr_mean_db
from n2n.studies.base import Curve, Enough, Study, never
from n2n.studies.figures import Layout, explained, look, paneled
from n2n.studies.record import Record, Row
from n2n.studies.sources import Source

NAME = "the report's network, as shipped"
BATCHES = (1, 2, 4, 10, 30, 100, 300, 1000)
PICTURES = 100  # scored at each size of the batch


def curves(quick: bool) -> list[Curve]:
    """Batches from 1 up to `samples`; the step of a row is the size of the batch."""
    most, windows = (10, 12) if quick else (1000, 1000)  # 12: three whole batches of 4
    return [Curve(NAME, samples=most, batch=most, epochs=most, windows=windows, exact=True)]


def setting(curves: Sequence[Curve]) -> str:
    """Of these curves, in words."""
    most = max(curve.samples for curve in curves)
    scored = min(PICTURES, most)
    return f"the same {scored} pictures in batches of 1 to {most:,}, the trained network as it is"


@torch.inference_mode()
def measure(
    curve: Curve, source: Source, placement: Placement, enough: Enough = never
) -> Iterator[Row]:
    """PSNR by the size of the batch in both modes, and how far one picture's output moves."""
    model = load_weights(shipped.weights_path("seed"))[0].to(placement.device)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.momentum = 0.0  # training mode, but the running means stay as they are
    pairs, scored = source.windows(curve.windows), min(PICTURES, curve.samples)
    noisy, clean = (unit(part.to(placement.device)) for part in pairs)
    start = time.perf_counter()
    for batch in (size for size in BATCHES if size <= min(curve.samples, len(noisy))):
        values = {}
        for mode, training in (("train", True), ("eval", False)):
            model.train(training)
            whole = noisy[: -(-scored // batch) * batch]  # the last ones have neighbours, too
            found = torch.cat([model(part) for part in torch.split(whole, batch)])[:scored]
            values[f"psnr_{mode}_db"] = psnr_mean_db(images.file_step(found), clean[:scored])
            if 2 * batch - 1 <= len(noisy):  # else there are no other neighbours
                values[f"moved_{mode}_255"] = _moved(model, noisy, batch)
        yield Row(curve.name, curve.seed, batch, 0, time.perf_counter() - start, values)
        if enough():
            return


def _moved(model: nn.Module, noisy: Tensor, batch: int) -> float:
    """Root mean square, in 8-bit units: the first picture among its neighbours and among others."""
    others = noisy.flip(0)[: batch - 1]
    one = model(noisy[:batch])[:1]
    other = model(torch.cat([noisy[:1], others]))[:1]
    return 255 * float((one - other).square().mean().sqrt())


def draw(record: Record, title: str, layout: Layout) -> Figure:
    """PSNR and movement against the size of the batch."""
    figure, panels = paneled(title, 2, layout)
    looks = (("psnr_{}_db", "PSNR, dB (A)"), ("moved_{}_255", "moved by (RMS, of 255)"))
    for axes, (value, label) in zip(panels, looks, strict=False):
        for name in record.names():
            for colour, mode in enumerate(("train", "eval")):
                rows = next(iter(record.series(name, value.format(mode)).values()), [])
                axes.plot(
                    [row.step for row in rows],
                    [row.values[value.format(mode)] for row in rows],
                    **look(record, name, f"C{colour}", f"{mode} mode"),
                )
        axes.set_xscale("log")
        axes.set_xlabel("pictures in the batch")
        axes.set_ylabel(label)
        axes.grid(alpha=0.3)
    explained(figure, record)
    return figure


def answer(record: Record) -> str:
    """The ends of both curves."""
    if not record.rows:
        return "Nothing was measured."
    first, last = record.rows[0], record.rows[-1]
    return (
        f"In training mode PSNR goes from {first.values['psnr_train_db']:.2f} dB A alone to "
        f"{last.values['psnr_train_db']:.2f} dB A in a batch of {last.step}, and other neighbours "
        f"move the first picture by up to "
        f"{max(row.values.get('moved_train_255', 0.0) for row in record.rows):.2f} of 255 (RMS); "
        f"in evaluation mode it is {last.values['psnr_eval_db']:.2f} dB A in any batch."
    )


STUDY = Study(
    name="modes",
    title="Predicting in training mode and in evaluation mode",
    question="What does it do to a picture that predict never calls eval()?",
    reported=(
        "The predict of its published code never calls eval(): BatchNorm goes by the statistics "
        "of whatever batch is at hand."
    ),
    differs=(
        "The weights of the report's network that come with this package are measured in both "
        "modes, and how far a picture's output moves when its neighbours change."
    ),
    curves=curves,
    measure=measure,
    draw=draw,
    answer=answer,
    budget_seconds=600,
    setting=setting,
)
