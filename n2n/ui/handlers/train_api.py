"""The `/train` endpoint: photos in, a stream of plain values out, and a weight file at the end."""

import math
import time
from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from n2n import TrainConfig
from n2n.jobs import OVER, State, View
from n2n.live import Event
from n2n.recipes import PRESETS
from n2n.ui.handlers import photos, train, train_form
from n2n.ui.handlers.api import number
from n2n.ui.handlers.denoise import parameters
from n2n.ui.handlers.photos import PhotoSet
from n2n.ui.handlers.runs import announce, here, new_run, runs
from n2n.ui.handlers.train_form import CHOICES
from n2n.ui.handlers.visible_run import Order, VisibleRun
from n2n.ui.limits import is_zero_gpu, limits

LOOK_SECONDS = 0.2
SILENCE_SECONDS = 0.8  # an event at least so often
TITLE = "a run of /train"

Told = tuple[dict[str, Any], bytes | None]
Looks = Generator[tuple[View[Event], VisibleRun | None], None, None]


def train_model(
    images: Sequence[str] | None,
    noise: str,
    level: float,
    model: str,
    seconds: float,
    targets: str,
) -> Generator[Told, None, None]:
    """Train a model from nothing on your photos.

    Args:
        images: clean picture files. Where there are two or more, some are held out to judge by.
        noise: one of the noises that the page lists, such as gaussian.
        level: its first number, in its own unit: for gaussian, σ in 8-bit units, 0 to 255.
        model: an architecture, such as small, fast or best.
        seconds: of wall clock; cancelling ends the run earlier, and its result is lost.
        targets: noisy (Noise2Noise) or clean.

    Yields:
        At least once a second what is known: state (waiting, running, ... done), place in the
        queue, step, seconds, loss, rate, validation_loss, psnr_db (of held-out photos),
        steps_per_second, seconds_left, references (psnr_db of the noisy photos and of the best
        shipped model); None stands for what is not known yet. The last one comes with the
        .safetensors file, which loads by itself: n2n.load("file.safetensors").

    Raises:
        ValueError: a value or a picture is wrong, too many runs wait, or the run failed.
    """
    train.check_allowed()
    config = _config(noise, level, model, seconds, targets)
    order = Order(config, _photos(images or []), device_seconds=2 * limits().longest_run)
    run = new_run()
    announce(run, order, TITLE)
    with closing(here(run, order) if is_zero_gpu() else _queued(run, order)) as looks:
        for view, work in looks:
            if view.state is State.FAILED:
                raise ValueError(view.error or "the run failed")
            yield _told(view, work), _taken(run) if view.state in OVER else None


def _taken(run: str) -> bytes:
    """The model, whose files are not needed here any more."""
    files = runs().files(run)
    if not files.weights.is_file():
        raise ValueError("the run was stopped before it had a model; start it again")
    weights = files.weights.read_bytes()
    files.delete()
    return weights


def _queued(run: str, order: Order) -> Looks:
    """Looks at a run of the queue; closing this stops it, and does not wait for its end.

    Gradio closes it in the thread that serves everybody.
    """
    runs().begin(run, order)
    told, due = -1, 0.0
    try:
        while True:
            view = runs().view(run)
            if view is None:
                raise ValueError("the run was lost; start it again")
            over = view.state in OVER
            if over or view.events != told or time.monotonic() >= due:
                told, due = view.events, time.monotonic() + SILENCE_SECONDS
                yield view, runs().work(run)
            if over:
                return
            time.sleep(LOOK_SECONDS)
    finally:
        runs().stop(run)


def _config(noise: str, level: object, model: str, seconds: object, targets: str) -> TrainConfig:
    """The page's first preset with these values in it."""
    parameters(noise)
    for name, value in (("model", model), ("targets", targets)):
        if value not in CHOICES[name]:
            known = ", ".join(CHOICES[name])
            raise ValueError(f"unknown {name} {value!r:.40}; choose one of {known}")
    text = f"{noise}:{number('level', level):.10g}"
    lasts, longest = number("seconds", seconds), limits().longest_run
    if not 0 < lasts <= longest:
        raise ValueError(f"seconds must be above 0 and at most {longest:g} here, got {lasts:g}")
    recipe = next(iter(PRESETS.values())).config
    config = replace(
        recipe,
        noise=text,
        rate=train_form.rate_for(text, recipe),
        loss=train_form.following(text),
        model=model,
        seconds=lasts,
        targets="clean" if targets == "clean" else "noisy",
    )
    train_form.check_size(config)
    return config


def _photos(paths: Sequence[str]) -> PhotoSet:
    """All of them, or the first that cannot be used says why."""
    if not paths:
        raise ValueError("there are no photos: send a list of picture files")
    return photos.photo_set(photos.read_all([Path(path) for path in paths]))


def _told(view: View[Event], work: VisibleRun | None) -> dict[str, Any]:
    event = view.latest
    row = None if event is None else event.row
    return {
        "state": str(view.state),
        "place": view.place,
        "step": 0 if row is None else row.step + 1,
        "seconds": None if row is None else round(row.seconds, 2),
        "loss": None if row is None else _finite(row.loss),
        "rate": None if row is None else row.rate,
        "validation_loss": None if row is None else _finite(row.validation_loss),
        "psnr_db": None if row is None else _finite(row.psnr_db),
        "steps_per_second": None if event is None else round(event.steps_per_second, 3),
        "seconds_left": None if event is None else _finite(event.seconds_left),
        "references": {} if work is None else {n: _finite(v) for n, v in work.references.items()},
    }


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
