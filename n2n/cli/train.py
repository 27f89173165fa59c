"""`python -m n2n train`: a training run with a progress bar, a checkpoint, a history and a card."""

import argparse
import sys
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from n2n import processes, shipped
from n2n.cli import cards, settings
from n2n.cli.common import (
    DONE,
    FAILED,
    StopFlag,
    add_device_arguments,
    command,
    require_weights_name,
    say,
    stoppable,
)
from n2n.data import hold_out, photo_files, read_photos, samples
from n2n.devices import Placement, place, processor
from n2n.distributed import leading
from n2n.figures import learning_curves
from n2n.live import Event, LiveRun
from n2n.models import ModelSpec
from n2n.processes import PeerLost
from n2n.recipes import photo_licences
from n2n.runs import CHECKPOINT_SECONDS
from n2n.saved import Saved
from n2n.training import Diverged, OutOfMemory

EVERY_SECONDS = 1.0  # a row of the history
VALIDATE_SECONDS = 10.0  # nobody watches, and a look may take as long as ten steps
FATAL = (Diverged, OutOfMemory, PeerLost)  # end a run; what was kept of it stays


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command; those left out come from the recipe."""
    parser.add_argument(
        "--data",
        type=Path,
        nargs="+",
        help="folders of clean photos (default: scikit-image's sample photos)",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        help="the .safetensors file to write; history, plot, card and checkpoint lie beside it",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on from a .checkpoint file of the same settings",
    )
    parser.add_argument(
        "--init",
        type=Path,
        metavar="FILE",
        help="begin with the weights of a .safetensors file of the same network, or a smaller one",
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="where to keep the checkpoint (default: beside --out)"
    )
    add_device_arguments(parser)
    parser.add_argument(
        "--compile",
        action="store_true",
        help="on a CUDA GPU: half a minute of compiling, then faster steps; for runs of minutes",
    )
    settings.add_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train until the budget is used or someone stops it; the result is written either way."""
    if arguments.init is not None and arguments.resume is not None:
        raise ValueError("a run begins with --init or goes on with --resume, not both")
    if arguments.init is not None and arguments.initialization not in (None, "default"):
        raise ValueError("--init brings the first weights, so leave out --initialization")
    try:
        with processes.joined(arguments.device):
            with processes.unanimous():
                _check_files(arguments)
                live, source = _live_run(arguments)
            _require_same(live)
            with stoppable() as stop, leading():
                if processes.leads():
                    return _lead(live, arguments, source, stop)
                live.run.follow(_checkpoint(arguments))
                return DONE
    except FATAL as error:
        checkpoint = _checkpoint(arguments)
        kept = f"; the last checkpoint is {checkpoint}" if checkpoint.is_file() else ""
        say(f"n2n train: {error}{kept}")
        return FAILED


def _check_files(arguments: argparse.Namespace) -> None:
    """Refuse before the training what could not be written after it."""
    out, checkpoint = arguments.out, _checkpoint(arguments)
    require_weights_name(out)
    if checkpoint.resolve() == out.resolve():
        raise ValueError("--checkpoint and --out must be two files")
    if arguments.init is not None:  # its card, of which a damaged one would spoil the new one
        shipped.card_beside(arguments.init)
    for folder in {out.parent, checkpoint.parent} if processes.leads() else ():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=folder).close()
        except OSError as error:
            raise ValueError(f"{folder} cannot be written to: {error.strerror}") from error


def _put_aside(checkpoint: Path) -> None:
    """What an earlier run kept there: whoever forgot --resume has not lost it."""
    if checkpoint.is_file():
        before = checkpoint.replace(checkpoint.with_name(f"{checkpoint.name}.before"))
        say(f"the checkpoint of an earlier run is now {before}; --resume goes on from it")


def _require_same(live: LiveRun) -> None:
    """All processes begin alike, also on machines with files of their own."""
    photos = live.run.pairs.photos.pixels.sum(dtype=torch.int64).item()
    begun = live.config, live.run.start, photos, live.run.placement.dtype
    processes.require_same("settings, photos, checkpoint or --dtype", begun)


def _checkpoint(arguments: argparse.Namespace) -> Path:
    path: Path = arguments.checkpoint or arguments.out.with_suffix(".checkpoint")
    return path


def _lead(live: LiveRun, arguments: argparse.Namespace, source: str, stop: StopFlag) -> int:
    """Train, and write what came of it."""
    out: Path = arguments.out
    if arguments.resume is None:
        _put_aside(_checkpoint(arguments))
    try:
        stopped = _train(live, stop)
    except FATAL:
        _write_history(live, out)
        raise
    live.save_weights(out)  # first: the rest can do without
    _write_card(live, arguments, source)
    _write_history(live, out)
    kept = live.checkpoint is not None and live.checkpoint.is_file()
    say(
        f"{'stopped' if stopped else 'done'} after {live.run.start} steps, "
        f"{live.run.gigapixels:.3f} gigapixels: {out}"
        + (f"; go on with --resume {live.checkpoint}" if kept else "")
    )
    return DONE


def _live_run(arguments: argparse.Namespace) -> tuple[LiveRun, str]:
    """The run, ready to begin or to go on, and what its photos are called."""
    saved = Saved.read(arguments.resume) if arguments.resume is not None else None
    config = settings.config(arguments, saved)
    training, validation, source = _photos(arguments.data)
    live = LiveRun(
        config,
        training,
        validation,
        watched=validation[0],
        checkpoint=_checkpoint(arguments),
        resume=saved,
        placement=_placement(arguments),
        every_seconds=EVERY_SECONDS,
        validate_seconds=VALIDATE_SECONDS,
        checkpoint_seconds=CHECKPOINT_SECONDS,
    )
    if arguments.init is not None:
        live.run.start_from(arguments.init)
        begun = shipped.card_beside(arguments.init)
        smaller = {name: begun[name] for name in ("kwargs", "grown_from") if name in begun}
        live.run.origin = smaller | cards.seen([begun])
    live.run.origin["commands"] = [*live.run.origin.get("commands", []), command()]
    where = live.run.placement.label
    together = f", {processes.count()} processes" if processes.count() > 1 else ""
    say(f"{len(training)} photos to train on, {len(validation)} held out; {where}{together}")
    return live, source


def _placement(arguments: argparse.Namespace) -> Placement:
    placement = place(arguments.device, arguments.dtype)
    if not arguments.compile:
        return placement
    if placement.device.type != "cuda" or processes.count() > 1:
        say("--compile is for one process with a CUDA GPU; going on without")
        return placement
    return replace(placement, compiled=True)


def _photos(folders: list[Path] | None) -> tuple[Any, Any, str]:
    if folders is None:
        return *samples.training_and_validation(), "scikit-image's sample photos"
    files = [file for folder in folders for file in photo_files(folder)]
    training, validation = hold_out(files)
    say(f"reading {len(files)} photos")
    photos, held_out = read_photos(training, say), read_photos(validation, say)
    if not held_out:
        raise ValueError("none of the photos held out for validation can be read; give more photos")
    return photos, held_out, ", ".join(folder.name for folder in folders)


def _train(live: LiveRun, stop: StopFlag) -> bool:
    """Run to the end or to a stop, with a progress bar; says whether it was stopped."""
    steps, start = live.config.steps, live.run.start
    with tqdm(total=steps, initial=start, unit="step") as bar:
        told, events = None, live.events()
        for event in events:
            _show(bar, event, live.run.gigapixels)
            if event.note not in (None, told):
                bar.write(str(event.note), file=sys.stderr)
            told = event.note
            if stop:
                events.close()  # type: ignore[attr-defined]
                for last in live.finish():
                    _show(bar, last, live.run.gigapixels)
                return True
    return False


def _show(bar: tqdm, event: Event, gigapixels: float) -> None:
    row = event.row
    score = "" if row.psnr_db is None else f"{row.psnr_db:.2f} dB "
    left = "" if event.seconds_left is None else f", {event.seconds_left:.0f} s left"
    text = f"loss {row.loss:.4f} {score}{gigapixels:.2f} Gpx{left}"
    bar.set_postfix_str(text, refresh=False)
    bar.update(row.step + 1 - bar.n)


def _write_history(live: LiveRun, out: Path) -> None:
    """The history as a table and as a plot, beside the weights."""
    live.history.write_csv(out.with_suffix(".csv"))
    figure = learning_curves(live.history.rows, live.references)
    figure.savefig(out.with_suffix(".png"), dpi=150)


def _write_card(live: LiveRun, arguments: argparse.Namespace, source: str) -> None:
    """What the file is and how it came about, as JSON beside it."""
    run, weights = live.run, arguments.out
    training = asdict(live.config)
    totals = dict(zip(cards.TOTALS, (run.start, run.gigapixels, run.budget.elapsed), strict=True))
    if live.config.teacher is not None:
        training["teacher"] = Path(live.config.teacher).name
    card = {
        **cards.of_network(weights, run.result, run.spec, arguments.recipe),
        "training": training,
        "photos": source,
        # What the weights that the run began with have seen counts, too.
        **{name: round(value + run.origin.get(name, 0), 3) for name, value in totals.items()},
        "device": run.placement.label,
        "processor": processor(),
        "validation_psnr_db": round(run.validate().psnr_db, 3),
        "commands": run.origin["commands"],
        **_grown_from(run.spec, run.origin),
        **photo_licences(source.split(", ")),
    }
    cards.write(weights, card)


def _grown_from(spec: ModelSpec, origin: dict[str, Any]) -> dict[str, Any]:
    """The smaller network that saw a part of the pixels, if there was one."""
    smaller = origin.get("kwargs", spec.kwargs)
    if smaller == spec.kwargs:
        smaller = origin.get("grown_from")
    return {} if smaller is None else {"grown_from": smaller}
