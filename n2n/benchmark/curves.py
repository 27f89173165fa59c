"""How costs grow: time and memory with the size of a picture, training speed with the batch."""

import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from n2n import images
from n2n.benchmark.files import child
from n2n.benchmark.inference import noisy_photo
from n2n.benchmark.measured import Machine, medians
from n2n.benchmark.training import our_step
from n2n.data.samples import training_and_validation
from n2n.denoiser import load
from n2n.devices import place
from n2n.recipes import RECIPES
from n2n.runs import Run

RUNS = 5
TIME, SPEED, MEMORY = "seconds", "training, megapixels per second", "peak memory, MB"
CROP_PX = 96
PICTURE, BATCH = "megapixels", f"batch, crops of {CROP_PX} × {CROP_PX}"
MEGAPIXELS, QUICK_MEGAPIXELS = (1 / 16, 1 / 4, 1, 4, 12), (1 / 256, 1 / 64)
BATCHES, QUICK_BATCHES = (1, 2, 4, 8, 16, 32, 64), (1, 2)
LARGE, QUICK_LARGE = (1 / 4, 1, 4, 12, 25, 50), (1 / 256, 1 / 64)
ASPECT = 4 / 3


@dataclass(frozen=True)
class Point:
    """One measurement: what of, at which size or batch, and how much it cost."""

    name: str
    across: str
    up: str
    x: float
    y: float
    runs: int


def measure(quick: bool) -> Iterator[Point]:
    """All points of the three curves as they come; quick ones are a few small ones."""
    yield from _times(QUICK_MEGAPIXELS if quick else MEGAPIXELS)
    yield from _training(QUICK_BATCHES if quick else BATCHES)
    yield from _memory(QUICK_LARGE if quick else LARGE)


def _photo(megapixels: float) -> np.ndarray:
    height = round((megapixels * 1e6 / ASPECT) ** 0.5)
    return noisy_photo(height, round(ASPECT * height))


def _times(sizes: Sequence[float]) -> Iterator[Point]:
    """Denoising in memory, warm."""
    denoisers = {name: load(name, device="cpu") for name in ("best", "fast")}
    for megapixels in sizes:
        picture = _photo(megapixels)
        works = {name: partial(denoiser, picture) for name, denoiser in denoisers.items()}
        for name, seconds in medians(works, RUNS).items():
            yield Point(name, PICTURE, TIME, picture[..., 0].size / 1e6, seconds, RUNS)


def _training(batches: Sequence[int]) -> Iterator[Point]:
    """Steps of `train()` on noisy pairs that lie ready."""
    for name in ("best", "fast"):
        for batch in batches:
            config = replace(RECIPES[name].config, batch=batch, crop_px=CROP_PX)
            run = Run(config, *training_and_validation(), place("cpu"))
            ready = [run.pairs.at(step) for step in range(2)]
            step = our_step(config.model, ready, config.loss, config.rate, run.autocast())
            seconds = medians({"": step}, RUNS)[""]
            speed = batch * config.crop_px**2 / 1e6 / seconds
            yield Point(name, BATCH, SPEED, batch, speed, RUNS)


def _memory(sizes: Sequence[float]) -> Iterator[Point]:
    """Of a whole process that denoises a JPEG by `best`."""
    with tempfile.TemporaryDirectory() as name:
        photo, out = Path(name) / "photo.jpg", Path(name) / "out.jpg"
        for megapixels in sizes:
            picture = _photo(megapixels)
            images.write(photo, picture)
            done = child("denoise", photo, "--out", out, "--device", "cpu", "--json")
            yield Point("best", PICTURE, MEMORY, picture[..., 0].size / 1e6, done.peak_megabytes, 1)


def write(folder: Path, here: Machine, points: Sequence[Point]) -> None:
    """The numbers as costs.json, drawn as costs.png."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [asdict(point) for point in points]
    table = {"machine": asdict(here), "points": rows}
    (folder / "costs.json").write_text(json.dumps(table, indent=1) + "\n")
    drawn(points, here).savefig(folder / "costs.png", dpi=100)


def drawn(points: Sequence[Point], here: Machine) -> Figure:
    """One panel for each cost; time also as it would be if it grew with the size alone."""
    figure = Figure(figsize=(11, 3.4), layout="constrained")
    panels = list(dict.fromkeys((point.across, point.up) for point in points))
    for axes, (across, up) in zip(figure.subplots(1, len(panels)), panels, strict=True):
        for name in dict.fromkeys(point.name for point in points):
            own = [p for p in points if (p.name, p.across, p.up) == (name, across, up)]
            if own:
                (line,) = axes.plot([p.x for p in own], [p.y for p in own], "o-", label=name)
            if own and up == TIME:
                middle = own[len(own) // 2]
                straight = [middle.y * p.x / middle.x for p in own]
                axes.plot([p.x for p in own], straight, ":", color=line.get_color())
        axes.set(xlabel=across, ylabel=up, xscale="log", yscale="log" if up == TIME else "linear")
        axes.set_ylim(bottom=None if up == TIME else 0)
        axes.grid(alpha=0.3)
        axes.legend()
    figure.suptitle(f"{here.chip}, {here.threads} threads; dotted: proportional", fontsize=9)
    return figure
