"""`python -m n2n train`: a training run with a progress bar, a checkpoint, a history and a card."""

import argparse
import csv
import json
import shlex
import sys
import time
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from tqdm import tqdm

from n2n.checkpoints import sha256
from n2n.cli.common import DONE, FAILED, add_device_arguments, say, stoppable
from n2n.data import hold_out, photo_files, read_photos, samples
from n2n.devices import place
from n2n.losses import LOSSES
from n2n.models import MODELS, kmacs_per_pixel, parameter_count
from n2n.models.initialization import INITIALIZATIONS
from n2n.noise import NOISES
from n2n.optimizers import OPTIMIZERS
from n2n.recipes import RECIPES, Recipe
from n2n.runs import Run, TrainConfig, config_of
from n2n.training import Diverged, Step

HISTORY_COLUMNS = ("step", "seconds", "loss", "rate", "validation_loss", "validation_psnr_db")


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
        help="the .safetensors file to write; history, card and checkpoint lie beside it",
    )
    parser.add_argument(
        "--recipe",
        choices=list(RECIPES),
        help="the settings of a shipped model, for whatever is not given here",
    )
    parser.add_argument(
        "--resume",
        type=Path,
        metavar="FILE",
        help="go on from a .checkpoint file of the same settings",
    )
    parser.add_argument(
        "--checkpoint", type=Path, help="where to keep the checkpoint (default: beside --out)"
    )
    add_device_arguments(parser)
    _add_settings(parser)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    """What goes into the run's TrainConfig."""
    parser.add_argument("--model", choices=list(MODELS), help="network (default: fast)")
    parser.add_argument(
        "--noise",
        help=f"name:level or name:low-high; names: {', '.join(NOISES)} (default: gaussian:0-55)",
    )
    parser.add_argument("--loss", choices=list(LOSSES), help="default: log-l2")
    parser.add_argument("--optimizer", choices=list(OPTIMIZERS), help="default: adamw")
    parser.add_argument("--rate", type=float, help="peak learning rate (default: 0.003)")
    parser.add_argument("--batch", type=int, help="crops in a batch (default: 16)")
    parser.add_argument("--crop-px", type=int, help="side of a crop in pixels (default: 96)")
    parser.add_argument("--steps", type=int, help="end after so many steps")
    parser.add_argument("--seconds", type=float, help="end after so many seconds")
    parser.add_argument(
        "--decay",
        type=float,
        help="last part of the run in which the rate falls to zero (default: 0.2)",
    )
    parser.add_argument("--targets", choices=["noisy", "clean"], help="default: noisy")
    parser.add_argument(
        "--frozen", type=int, help="repeat this many batches for ever (default: fresh ones)"
    )
    parser.add_argument(
        "--initialization", choices=list(INITIALIZATIONS), help="default: the model's own"
    )
    parser.add_argument(
        "--model-kwargs", type=json.loads, help="JSON: arguments of the network (default: {})"
    )
    parser.add_argument(
        "--unit-gradient",
        action=argparse.BooleanOptionalAction,
        help="gradients at norm 1, with adam, adamw and muon (default: yes)",
    )
    parser.add_argument(
        "--exposure", type=float, help="share of crops with raised contrast (default: 0.1)"
    )
    parser.add_argument("--seed", type=int, help="names all random draws (default: 0)")


def run(arguments: argparse.Namespace) -> int:
    """Train until the budget is used or someone stops it; the result is written either way."""
    config = _config(arguments)
    if arguments.out.suffix != ".safetensors":
        raise ValueError(f"--out names a .safetensors file, got {arguments.out}")
    training, validation, source = _photos(arguments.data)
    job = Run(config, training, validation, place(arguments.device, arguments.dtype))
    if arguments.resume is not None:
        job.resume(arguments.resume)
    checkpoint = arguments.checkpoint or arguments.out.with_suffix(".checkpoint")
    say(f"{len(training)} photos to train on, {len(validation)} held out; {job.placement.label}")
    try:
        stopped = _train(job, checkpoint, arguments.out.with_suffix(".csv"))
    except Diverged as error:
        kept = f"; the last good state is in {checkpoint}" if checkpoint.is_file() else ""
        say(f"{error}{kept}")
        return FAILED
    job.save_weights(arguments.out)
    recipe = RECIPES.get(arguments.recipe)
    _write_card(job, arguments.out, source, recipe)
    say(
        f"{'stopped' if stopped else 'done'} after {job.start} steps, {job.gigapixels:.3f} "
        f"gigapixels: {arguments.out}; go on with --resume {checkpoint}"
    )
    return DONE


def _config(arguments: argparse.Namespace) -> TrainConfig:
    """What is given, over the recipe or else the run that is resumed, over the defaults."""
    base = TrainConfig()
    if arguments.recipe is not None:
        base = RECIPES[arguments.recipe].config
    elif arguments.resume is not None:
        base = config_of(arguments.resume)
    names = {field.name for field in fields(TrainConfig)}
    given = {
        key: value for key, value in vars(arguments).items() if key in names and value is not None
    }
    if "steps" in given or "seconds" in given:  # a new end replaces the old one, whatever its kind
        base = replace(base, steps=None, seconds=None)
    config = replace(base, **given)
    if config.steps is None and config.seconds is None:
        raise ValueError("say how long to train: --steps or --seconds")
    return config


def _photos(folders: list[Path] | None) -> tuple[Any, Any, str]:
    if folders is None:
        return *samples.training_and_validation(), "scikit-image's sample photos"
    files = [file for folder in folders for file in photo_files(folder)]
    training, validation = hold_out(files)
    say(f"reading {len(files)} photos")
    return (
        read_photos(training, say),
        read_photos(validation, say),
        ", ".join(folder.name for folder in folders),
    )


def _train(job: Run, checkpoint: Path, history: Path) -> bool:
    """Run to the end or to a stop, writing a history row a second; says whether it was stopped."""
    history.parent.mkdir(parents=True, exist_ok=True)
    total = job.config.steps
    with (
        stoppable() as stop,
        history.open("a" if job.start else "w", newline="") as file,
        tqdm(total=total, initial=job.start, unit="step") as bar,
    ):
        rows = csv.writer(file)
        if file.tell() == 0:
            rows.writerow(HISTORY_COLUMNS)
        due, score = 0.0, ""
        steps = job.steps(checkpoint)
        for step in steps:
            bar.update()
            if step.validation is not None or time.monotonic() >= due:
                score = f"{step.validation.psnr_db:.2f} dB" if step.validation else score
                bar.set_postfix_str(f"loss {float(step.loss):.4f} {score} {job.gigapixels:.2f} Gpx")
                rows.writerow(_row(step, job.budget.elapsed))
                due = time.monotonic() + 1.0
            if stop:
                steps.close()  # type: ignore[attr-defined]
                return True
    return False


def _without_folders(words: list[str]) -> list[str]:
    """A command as another machine would type it: paths by their last part."""
    return [Path(word).name if "/" in word else word for word in words]


def _row(step: Step, elapsed: float) -> list[object]:
    scores = [step.validation.loss, step.validation.psnr_db] if step.validation else ["", ""]
    return [step.index, f"{elapsed:.2f}", float(step.loss), step.rate, *scores]


def _write_card(job: Run, weights: Path, source: str, recipe: Recipe | None) -> None:
    """What the file is and how it came about, as JSON beside it."""
    validation = job.validate() if job.held_out else None
    card = {
        "name": weights.stem,
        **job.spec._asdict(),
        "parameters": parameter_count(job.result),
        "kmacs_per_pixel": round(kmacs_per_pixel(job.result), 2),
        "training": asdict(job.config),
        "photos": source,
        "steps": job.start,
        "gigapixels": round(job.gigapixels, 3),
        "seconds": round(job.budget.elapsed),
        "device": job.placement.label,
        "validation_psnr_db": round(validation.psnr_db, 3) if validation else None,
        "command": shlex.join(["python", "-m", "n2n", *_without_folders(sys.argv[1:])]),
        "sha256": sha256(weights),
    }
    if recipe is not None:
        card |= {"purpose": recipe.purpose, "known_failures": list(recipe.known_failures)}
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
