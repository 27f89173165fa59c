"""Rows to pictures: curves against steps and against passes, and bars."""

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from n2n.studies.record import DIVERGED, OUT_OF_TIME, Record, Row

# Figure, not pyplot: pyplot keeps every figure in a global list, which a server must not.
SIZE = (11.0, 4.2)  # inches
LABELS = {
    "loss": "training loss (squared error)",
    "psnr_a_db": "PSNR on held-out pictures, dB (A)",
    "psnr_train_db": "PSNR, dB (A)",
    "passes": "forward-backward passes",
    "step": "steps",
    "tflop": "arithmetic, TFLOP",
}
NOTES = {DIVERGED: " (diverged)", OUT_OF_TIME: " (stopped at its share of the time)"}
Position = Callable[[Row], float]

AXES: dict[str, Position] = {
    "step": lambda row: row.step,
    "passes": lambda row: row.passes,
    "tflop": lambda row: row.values["tflop"],
}


def curves(
    record: Record,
    title: str,
    *,
    value: str = "loss",
    against: Sequence[str] = ("step", "passes"),
    references: dict[str, float] | None = None,
    zoom: float | None = None,
) -> Figure:
    """Every curve of a record, one panel for each axis of `against`.

    Args:
        record: complete or not.
        title: above all.
        value: what goes up the side; losses on a logarithmic scale.
        against: of AXES.
        references: values to draw as dashed lines, by name.
        zoom: one more panel, of the last part of the steps: from this share on.
    """
    figure = Figure(figsize=SIZE, layout="constrained")
    figure.suptitle(title)
    panels = [*against, "step"] if zoom is not None else list(against)
    for index, axes in enumerate(figure.subplots(1, len(panels), squeeze=False)[0]):
        for colour, name in enumerate(record.names()):
            _curve(axes, record, name, value, AXES[panels[index]], f"C{colour}")
        for name, level in (references or {}).items():
            axes.axhline(level, color="grey", linestyle="--", linewidth=1)
            axes.annotate(name, (0.01, level), xycoords=("axes fraction", "data"), fontsize=8)
        axes.set_xlabel(LABELS[panels[index]])
        if value == "loss":
            axes.set_yscale("log")
        if index >= len(against):
            _zoom(axes, record, value, zoom or 0.0)
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel(LABELS.get(value, value))
    if record.names():
        figure.axes[0].legend(fontsize=8)
    return figure


def bars(record: Record, title: str, *, value: str, split: str = ", ") -> Figure:
    """The last value of each curve named "group, member": members side by side in groups."""
    figure = Figure(figsize=SIZE, layout="constrained")
    axes = figure.subplots()
    names = [name.partition(split)[::2] for name in record.names()]
    groups = list(dict.fromkeys(group for group, _ in names))
    members = list(dict.fromkeys(member for _, member in names))
    width = 0.8 / max(len(members), 1)
    for place, member in enumerate(members):
        heights = [_mean(record.last(f"{group}{split}{member}", value)) for group in groups]
        axes.bar(np.arange(len(groups)) + place * width, heights, width, label=member)
    axes.set_xticks(np.arange(len(groups)) + 0.4 - width / 2, groups, rotation=20, ha="right")
    axes.set_ylabel(LABELS.get(value, value))
    axes.set_title(title)
    if members:
        axes.legend()
    return figure


def _curve(
    axes: Axes, record: Record, name: str, value: str, position: Position, colour: str
) -> None:
    """The mean over seeds, with the range between the least and the greatest."""
    series = list(record.series(name, value).values())
    if not series:
        return
    length = min(map(len, series))
    x = [position(row) for row in series[0][:length]]
    y = np.array([[row.values[value] for row in rows[:length]] for rows in series])
    note = NOTES.get(record.end(name), "")
    marker = "." if length < 30 else None
    axes.plot(x, y.mean(0), color=colour, label=name + note, linewidth=1.2, marker=marker)
    if len(series) > 1:
        axes.fill_between(x, y.min(0), y.max(0), color=colour, alpha=0.2, linewidth=0)


def _zoom(axes: Axes, record: Record, value: str, start: float) -> None:
    """The last part of the steps, as high as what did not diverge there."""
    end = max((row.step for row in record.rows), default=1)
    axes.set_xlim(start * end, end)
    shown = [
        row.values[value]
        for row in record.rows
        if row.step >= start * end and np.isfinite(row.values.get(value, np.nan))
    ]
    if shown:
        axes.set_ylim(min(shown) * 0.95, float(np.median(shown)) * 2)
    axes.set_title("zoom", fontsize=9)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
