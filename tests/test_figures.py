"""Figures: what they draw is what they were given, and no global list keeps them."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest

from n2n import images
from n2n.figures import learning_curves, side_by_side
from n2n.history import Row

ROWS = [
    Row(0, 0.1, 1.5, 1e-3, 1.6, 20.0),
    Row(5, 0.6, 1.2, 1e-3),
    Row(9, 1.1, 1.0, 1e-3, 1.1, 24.5),
]


def test_the_curves_are_the_rows() -> None:
    figure = learning_curves(ROWS, {"noisy input": 20.2, "best": 31.0, "endless": math.inf})
    above, below = figure.axes
    training, held_out = above.lines
    assert training.get_xydata().tolist() == [[0, 1.5], [5, 1.2], [9, 1.0]]
    assert held_out.get_xydata().tolist() == [[0, 1.6], [9, 1.1]]
    run, *references = below.lines
    assert run.get_xydata().tolist() == [[0, 20.0], [9, 24.5]]
    assert [set(line.get_ydata()) for line in references] == [{20.2}, {31.0}]
    labels = [text.get_text() for text in below.get_legend().get_texts()]
    assert labels == ["this run", "noisy input: 20.20 dB", "best: 31.00 dB"]
    assert "dB" in below.get_ylabel()


@pytest.mark.parametrize("rows", [[], ROWS[:1], [Row(0, 0.1, math.nan, 1e-3)]])
def test_a_run_that_hardly_began_can_be_drawn(rows: list[Row], tmp_path: Path) -> None:
    learning_curves(rows, {}).savefig(tmp_path / "curves.png")
    assert images.read(tmp_path / "curves.png").pixels.std() > 0


def test_pictures_stand_side_by_side(tmp_path: Path) -> None:
    pictures = [np.full((20, 30, 3), value, np.uint8) for value in (0, 255)]
    figure = side_by_side([("dark", pictures[0]), ("light", pictures[1])])
    assert [axes.get_title() for axes in figure.axes] == ["dark", "light"]
    for axes, picture in zip(figure.axes, pictures, strict=True):
        np.testing.assert_array_equal(axes.images[0].get_array(), picture)


def test_no_global_list_of_figures_is_kept() -> None:
    learning_curves(ROWS, {})
    pyplot = sys.modules.get("matplotlib.pyplot")
    assert pyplot is None or pyplot.get_fignums() == []
