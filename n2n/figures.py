"""Pictures side by side with captions, for the README and whoever wants to show a result."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

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
