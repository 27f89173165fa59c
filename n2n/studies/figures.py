"""Rows to pictures: curves against steps and against passes, and bars.

Where a live run lies over the stored one (see `studies.stored`), what is stored is faint.
"""

import io
import math
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from n2n.studies.record import DIVERGED, LIVE, OUT_OF_TIME, Record, Row, is_live, stored_name

# Figure, not pyplot: pyplot keeps every figure in a global list, which a server must not.
PANEL = (4.0, 3.0)  # inches: on a phone, 290 px wide, its letters are 10 px high
LETTER, LEGEND_LINE, LEGEND_SIZE = 0.075, 0.2, 9  # of the legend: inches, inches, points
COLOURS = 256  # of a picture of one
LABELS = {
    "loss": "training loss (squared error)",
    "psnr_a_db": "held-out PSNR, dB (A)",
    "final_psnr_b_db": "held-out PSNR, dB (B)",
    "psnr_train_db": "PSNR, dB (A)",
    "passes": "forward-backward passes",
    "step": "steps",
    "tflop": "arithmetic, TFLOP",
}
NOTES = {DIVERGED: " (diverged)", OUT_OF_TIME: " (stopped by time)"}
OVERLAID = "faint: stored; strong: live, at the quick setting"
STAR, FINAL_STAR = "*", "★: the end, on all held-out pictures"
Position = Callable[[Row], float]

AXES: dict[str, Position] = {
    "step": lambda row: row.step,
    "passes": lambda row: row.passes,
    "tflop": lambda row: row.values["tflop"],
}


class Layout(StrEnum):
    """How the panels of a figure lie."""

    ROW = "row"  # for print, and for a wide page
    COLUMN = "column"  # for a phone
    FIRST = "first"  # the first one alone, for a card


def curves(
    record: Record,
    title: str,
    layout: Layout = Layout.ROW,
    *,
    value: str = "loss",
    against: Sequence[str] = ("step", "passes"),
    references: dict[str, float] | None = None,
    zoom: float | None = None,
) -> Figure:
    """Every curve of a record, one panel for each axis of `against`.

    Args:
        record: complete or not.
        title: above all; none where it is empty.
        layout: of the panels.
        value: what goes up the side; losses on a logarithmic scale.
        against: of AXES.
        references: values to draw as dashed lines, by name.
        zoom: one more panel, of the last part of the steps: from this share on.
    """
    names = [*against, "step"] if zoom is not None else list(against)
    figure, panels = paneled(title, len(names), layout)
    for index, axes in enumerate(panels):
        for name in drawn_in_order(record):
            _curve(axes, record, name, value, AXES[names[index]])
        for name, level in (references or {}).items():
            axes.axhline(level, color="grey", linestyle="--", linewidth=1)
            axes.annotate(
                name,
                (0.01, level),
                (0, -2),  # points: below the line
                xycoords=("axes fraction", "data"),
                textcoords="offset points",
                va="top",
                fontsize=LEGEND_SIZE,
            )
        axes.set_xlabel(LABELS[names[index]])
        axes.set_ylabel(LABELS.get(value, value))
        if value == "loss":
            axes.set_yscale("log")
        if index >= len(against):
            _zoom(axes, record, value, zoom or 0.0)
        axes.grid(alpha=0.3)
    explained(figure, record)
    return figure


def bars(
    record: Record,
    title: str,
    layout: Layout = Layout.ROW,
    *,
    value: str,
    split: str = ", ",
) -> Figure:
    """The last value of each curve named "group, member": members side by side in groups."""
    figure, (axes, *others) = paneled(title, 2 if layout is Layout.ROW else 1, layout)
    for empty in others:  # all in one panel, as wide as two
        figure.delaxes(empty)
        axes.set_subplotspec(axes.get_gridspec()[0, :])  # type: ignore[index]
    names = drawn_in_order(record)
    parts = [stored_name(name).partition(split)[::2] for name in names]
    groups = list(dict.fromkeys(group for group, _ in parts))
    members = list(dict.fromkeys(member for _, member in parts))
    width = 0.8 / max(len(members), 1)
    for name, (group, member) in zip(names, parts, strict=True):
        place, last = members.index(member), record.last(name, value)
        x = groups.index(group) + place * width
        if last:
            thickness = 0.6 * width if is_live(name) else width
            axes.bar(
                x,
                float(np.mean(last)),
                thickness,
                color=f"C{place}",
                alpha=strength(record, name),
                label=member,
            )
    axes.set_xticks(
        np.arange(len(groups)) + 0.4 - width / 2, groups, rotation=40, ha="right", fontsize=9
    )
    axes.set_ylabel(LABELS.get(value, value))
    explained(figure, record)
    return figure


def paneled(title: str, count: int, layout: Layout) -> tuple[Figure, list[Axes]]:
    """An empty figure of so many panels, of which some layouts show the first alone."""
    count = 1 if layout is Layout.FIRST else count
    down, across = (count, 1) if layout is Layout.COLUMN else (1, count)
    size = (PANEL[0] * across, PANEL[1] * down)
    figure = Figure(figsize=size, layout="constrained")
    if title:
        figure.suptitle(title)
    return figure, list(figure.subplots(down, across, squeeze=False).flat)


def explained(figure: Figure, record: Record) -> None:
    """Add the legend, below the panels, for which the figure grows; what is faint, and stars."""
    handles, labels = figure.axes[0].get_legend_handles_labels()
    shown = dict(zip(labels, handles, strict=True))  # once each; a live one comes last
    width, height = figure.get_size_inches()
    is_overlaid = len({is_live(name) for name in record.names()}) > 1
    has_stars = any(line.get_marker() == STAR for line in figure.axes[0].lines)
    notes = [OVERLAID] * is_overlaid + [FINAL_STAR] * has_stars
    if not shown:
        return
    columns = int(width / (LETTER * max(map(len, shown)) + 0.6))
    columns = min(max(columns, 1), len(shown))
    lines = math.ceil(len(shown) / columns) + len(notes)
    figure.set_size_inches(width, height + LEGEND_LINE * lines)
    figure.legend(
        list(shown.values()),
        list(shown),
        loc="outside lower center",
        ncols=columns,
        fontsize=LEGEND_SIZE,
        title="\n".join(notes) or None,
        title_fontsize=LEGEND_SIZE,
        frameon=False,
    )


def drawn_in_order(record: Record) -> list[str]:
    """The curves, each live one after the stored one that it repeats."""
    order = _stored_names(record)
    return sorted(record.names(), key=lambda name: order.index(stored_name(name)))


def _stored_names(record: Record) -> list[str]:
    return list(dict.fromkeys(map(stored_name, record.names())))


def look(record: Record, name: str, colour: str, label: str) -> dict[str, Any]:
    """How to draw a curve: a live one strong, over the stored one of its colour, which is faint.

    Only one of the two is in the legend.
    """
    is_overlaid = f"{name}{LIVE}" in record.names()
    return {
        "color": colour,
        "alpha": strength(record, name),
        "linewidth": 2.0 if is_live(name) else 1.2,
        "zorder": 3 if is_live(name) else 2,
        "marker": ".",
        "markersize": 5,
        "label": None if is_overlaid else label,
    }


def strength(record: Record, name: str) -> float:
    """The opacity of a curve: what is stored steps back once anything is live."""
    return 1.0 if is_live(name) or not any(map(is_live, record.names())) else 0.3


def _curve(axes: Axes, record: Record, name: str, value: str, position: Position) -> None:
    """The mean over seeds, with the range between the least and the greatest.

    Each for itself where they stand at other places: LBFGS takes now more passes, now fewer, and
    one that diverges is shorter. A star is what a curve ends at on all held-out pictures, where the
    way is measured on some.
    """
    series = list(record.ended(name, value).values())
    base = stored_name(name)
    colour = f"C{_stored_names(record).index(base)}"
    drawn = look(record, name, colour, base + NOTES.get(record.end(name), ""))
    drawn |= {"marker": None} if series and len(series[0]) >= 30 else {}
    places = [[position(row) for row in rows] for rows in series]
    values = [[row.values[value] for row in rows] for rows in series]
    if any(x != places[0] for x in places):
        for x, y in zip(places, values, strict=True):
            axes.plot(x, y, **drawn | {"label": drawn["label"] if x is places[0] else None})
    elif series:
        axes.plot(places[0], np.mean(values, axis=0), **drawn)
        least, greatest, shade = np.min(values, 0), np.max(values, 0), 0.2 * strength(record, name)
        axes.fill_between(places[0], least, greatest, color=colour, alpha=shade, linewidth=0)
    for rows in record.ended(name, f"final_{value}").values():  # of all held-out pictures
        end = rows[-1]
        star = {"marker": STAR, "markersize": 9, "linestyle": "", "label": None}
        axes.plot([position(end)], [end.values[f"final_{value}"]], **drawn | star)


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
    axes.set_title("zoom", fontsize=LEGEND_SIZE)


def png(figure: Figure, dpi: int) -> bytes:
    """A figure in few colours: plenty for lines on white, and a third of the bytes.

    By octree: other ways spend them on what is common, and a thin curve gets that of another.
    """
    drawn, small = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=dpi)
    Image.open(drawn).convert("RGB").quantize(COLOURS, Image.Quantize.FASTOCTREE).save(
        small, "PNG", optimize=True
    )
    return small.getvalue()
