"""What a figure shows: every curve in its own colour, every seed where it stands."""

import io

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from n2n.studies import STUDIES, figures
from n2n.studies.record import DIVERGED, DONE, Ending, Record, Row
from n2n.studies.stored import folder

STORED = [name for name in STUDIES if (folder() / f"{name}.jsonl").is_file()]


def record_of(**curves: list[list[int]]) -> Record:
    """Of each curve, for each seed, the passes after every step; the loss is 1 / passes."""
    record = Record()
    for name, seeds in curves.items():
        for seed, passes in enumerate(seeds):
            for step, count in enumerate(passes, 1):
                record.add(Row(name, seed, step, count, 0.0, {"loss": 1 / count}))
            record.add(Ending(name, seed, DONE, {}, "", ""))
    return record


@pytest.mark.parametrize("name", STORED)
def test_a_picture_keeps_the_colour_of_every_curve(name: str) -> None:
    figure = STUDIES[name].figure(Record.read(folder() / f"{name}.jsonl"))
    picture = Image.open(io.BytesIO(figures.png(figure, 90))).convert("RGB")
    kept = np.unique(np.asarray(picture, dtype=int).reshape(-1, 3), axis=0)
    lines = [line for axes in figure.axes for line in axes.get_lines() if line.get_alpha() == 1]
    for colour in {to_rgb(line.get_color()) for line in lines}:
        off = np.abs(kept - 255 * np.array(colour)).max(1).min()
        assert off < 16, colour


def test_seeds_at_the_same_places_are_one_mean() -> None:
    figure = figures.curves(record_of(sgd=[[1, 2, 4], [1, 2, 4]]), "", against=["passes"])
    (line,) = figure.axes[0].get_lines()
    assert list(line.get_xdata()) == [1, 2, 4]
    assert list(line.get_ydata()) == pytest.approx([1, 1 / 2, 1 / 4])


def test_seeds_that_took_other_passes_stand_each_for_itself() -> None:
    record = record_of(lbfgs=[[10, 20], [15, 40]])
    lines = figures.curves(record, "", against=["passes"]).axes[0].get_lines()
    assert [list(line.get_xdata()) for line in lines] == [[10, 20], [15, 40]]
    assert len({line.get_color() for line in lines}) == 1
    against_steps = figures.curves(record, "", against=["step"]).axes[0].get_lines()
    assert len(against_steps) == 1


def test_a_seed_that_diverged_or_has_not_ended_cuts_no_other() -> None:
    record = record_of(sgd=[[1, 2, 3, 4]])
    record.add(Row("sgd", 1, 1, 1, 0.0, {"loss": 9.0}))  # under way
    (line,) = figures.curves(record, "", against=["step"]).axes[0].get_lines()
    assert len(line.get_xdata()) == 4
    record.add(Ending("sgd", 1, DIVERGED, {}, "", ""))
    lines = figures.curves(record, "", against=["step"]).axes[0].get_lines()
    assert sorted(len(line.get_xdata()) for line in lines) == [1, 4]
