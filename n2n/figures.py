"""Figures for the README and whoever wants to show a result: pictures, and how a run went."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from n2n.history import Row

PANEL_INCHES = 3.0
# Figure, not pyplot: pyplot keeps every figure in a global list, which a server must not.


def side_by_side(panels: Sequence[tuple[str, np.ndarray]]) -> Figure:
    """A row of pictures (H, W[, 3]) uint8 of one size, each under its caption."""
    height, width = panels[0][1].shape[:2]
    figure = Figure(
        figsize=(PANEL_INCHES * len(panels), PANEL_INCHES * height / width + 0.35),
        layout="constrained",
    )
    for axes, (caption, picture) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True
    ):
        axes.imshow(picture, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
        axes.set_title(caption, fontsize=10)
        axes.axis("off")
    return figure


def learning_curves(rows: Sequence[Row], references: Mapping[str, float]) -> Figure:
    """How a run went: its loss above, the PSNR of held-out photos below.

    Args:
        rows: the run's history.
        references: PSNR in dB to compare with, each drawn as a dashed line; infinite ones are not.
    """
    figure = Figure(figsize=(7, 6), layout="constrained")
    above, below = figure.subplots(2, 1, sharex=True)
    validated = [row for row in rows if row.psnr_db is not None]
    above.plot([r.step for r in rows], [r.loss for r in rows], lw=0.8, alpha=0.5, label="training")
    steps = [row.step for row in validated]
    above.plot(steps, [row.validation_loss for row in validated], label="held-out photos")
    above.set_ylabel("loss")
    above.legend()
    below.plot(steps, [row.psnr_db for row in validated], color="C1", label="this run")
    finite = [(name, psnr_db) for name, psnr_db in references.items() if math.isfinite(psnr_db)]
    for index, (name, psnr_db) in enumerate(finite):
        below.axhline(psnr_db, ls="--", color=f"C{index + 2}", label=f"{name}: {psnr_db:.2f} dB")
    below.set_ylabel("PSNR of held-out photos, dB")
    below.set_xlabel("step")
    below.legend()
    for axes in (above, below):
        axes.grid(alpha=0.3)
    return figure
