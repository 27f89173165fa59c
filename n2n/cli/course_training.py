"""`python -m n2n study train`: our network for the course's data, within so much arithmetic."""

import argparse
import json
import math
from pathlib import Path
from typing import Any

from tqdm import tqdm

from n2n.checkpoints import save_weights, sha256
from n2n.cli.common import (
    DONE,
    FAILED,
    add_device_arguments,
    command,
    require_weights_name,
    say,
    stoppable,
)
from n2n.data.course import unit
from n2n.denoiser import Denoiser
from n2n.devices import Placement, place, processor
from n2n.metrics import psnr_mean_db
from n2n.models import kmacs_per_pixel, model_spec, parameter_count
from n2n.recipes import photo_licences
from n2n.studies import Curve, Source
from n2n.studies.fitting import fit, held_out, tflop_of_a_pass, untrained
from n2n.studies.record import Row

REPORT_TFLOP = 568.0  # of the report's network in its one epoch of 50,000 pairs
VALIDATIONS = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "--out", required=True, type=Path, help="the .safetensors file to write; a card beside it"
    )
    parser.add_argument(
        "--tflop",
        type=float,
        default=REPORT_TFLOP,
        help="arithmetic to spend, forward and backward (default: 568, the report's epoch)",
    )
    parser.add_argument("--pairs", type=int, default=50_000, help="to train on (default: 50000)")
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="new windows and noise at every step, where --data holds photos; no fixed --pairs",
    )
    parser.add_argument("--windows", type=int, default=1000, help="to score on (default: 1000)")
    parser.add_argument("--batch", type=int, default=100, help="default: 100")
    parser.add_argument("--rate", type=float, default=5e-3, help="of Muon (default: 0.005)")
    parser.add_argument(
        "--decay",
        type=float,
        default=0.8,
        help="last part in which the rate falls to zero (default: 0.8)",
    )
    parser.add_argument(
        "--network-kwargs", type=json.loads, default={}, help="JSON: of the network (default: {})"
    )
    parser.add_argument(
        "--equivariant",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="kernels tied in 8 orientations, for widths that are multiples of 8 (default: yes)",
    )
    parser.add_argument("--seed", type=int, default=0, help="names all draws (default: 0)")
    parser.add_argument(
        "--data",
        type=Path,
        metavar="FOLDER",
        help="the course's two files, or photos (default: scikit-image's sample photos)",
    )
    parser.add_argument(
        "--validation", type=Path, metavar="FOLDER", help="other photos (default: some of --data)"
    )
    add_device_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Train to the end or to a stop; the weights are written either way."""
    require_weights_name(arguments.out)
    placement = place(arguments.device, arguments.dtype)
    source = Source(arguments.data, arguments.validation)
    if arguments.fresh and source.label != source.label_of_cuts:
        raise ValueError("--fresh cuts its pairs from photos; give a folder of them as --data")
    curve = curve_of(arguments)
    model = untrained(curve, placement)
    say(f"{curve.steps} steps of {curve.batch} pairs; {source.label}; {placement.label}")
    last = None
    with stoppable() as stop, tqdm(total=curve.steps, unit="step") as bar:
        for last in fit(curve, source, placement, lambda: bool(stop), model):
            bar.update()
            if "psnr_a_db" in last.values:
                bar.set_postfix_str(f"{last.values['psnr_a_db']:.2f} dB (A)")
    if last is None or "psnr_a_db" not in last.values:
        say("the training diverged; lower --rate")
        return FAILED
    spec = model_spec(curve.network, **curve.network_kwargs)
    save_weights(arguments.out, model, spec)
    card = _card(arguments.out, curve, source, placement, last)
    denoiser = Denoiser(model, spec, placement, arguments.out.stem)
    card |= {
        "architecture": spec.architecture,
        "kwargs": spec.kwargs,
        "parameters": parameter_count(model),
        "kmacs_per_pixel": round(kmacs_per_pixel(model, curve.side_px), 2),
        "course_psnr_db": _scores(denoiser, curve, source, placement),
    }
    arguments.out.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
    print(json.dumps(card["course_psnr_db"]))
    return DONE


def curve_of(arguments: argparse.Namespace) -> Curve:
    """The training as a curve whose steps use up the arithmetic."""
    if min(arguments.pairs, arguments.batch, arguments.windows) < 1:
        raise ValueError("--pairs, --batch and --windows must be at least 1")
    if not 0 < arguments.tflop < math.inf:
        raise ValueError(f"--tflop must be a number above 0, got {arguments.tflop:g}")
    if not 0 <= arguments.decay <= 1:
        raise ValueError(f"--decay is a part of the run, 0 to 1, got {arguments.decay:g}")
    settings: dict[str, Any] = {
        "network": "ee559",
        "network_kwargs": arguments.network_kwargs,
        "optimizer": "muon",
        "flips": True,
        "swap": not arguments.fresh,  # each is drawn as the other is
        "pairs": "fresh" if arguments.fresh else "course",
    }
    for name in ("seed", "rate", "batch", "decay", "windows", "equivariant"):
        settings[name] = getattr(arguments, name)
    curve = Curve(arguments.out.stem, samples=arguments.pairs, **settings)
    model = untrained(curve, place("cpu"))
    steps = int(arguments.tflop / (curve.batch * tflop_of_a_pass(model, curve.side_px)))
    if steps < 1:
        raise ValueError(f"{arguments.tflop:g} TFLOP are less than one step; give more")
    return Curve(
        arguments.out.stem,
        samples=arguments.pairs,
        epochs=-(-steps // curve.steps_per_epoch),
        most_steps=steps,
        validate_every=max(1, steps // VALIDATIONS),
        **settings,
    )


def _card(
    path: Path, curve: Curve, source: Source, placement: Placement, last: Row
) -> dict[str, Any]:
    return {
        "name": path.stem,
        "training": curve.settings,
        "photos": ", ".join(source.photo_folders) or source.label,
        **photo_licences(source.photo_folders),
        "steps": last.step,
        "gigapixels": round(last.step * curve.batch * curve.side_px**2 / 1e9, 3),
        "tflop": round(last.values["tflop"], 1),
        "seconds": round(last.seconds),
        "device": placement.label,
        "processor": processor(),
        "commands": [command()],
        "sha256": sha256(path),
        "purpose": "32 × 32 px pictures of the EE-559 course",
        "known_failures": ["trained on point-sampled pictures of 32 × 32 px alone"],
    }


def _scores(
    denoiser: Denoiser, curve: Curve, source: Source, placement: Placement
) -> dict[str, float]:
    """Convention A of the float output on the held-out windows, and with self-ensemble."""
    noisy, clean = (unit(part) for part in held_out(curve, source, placement))
    return {
        name: round(psnr_mean_db(denoiser(noisy, self_ensemble=ensemble), clean), 3)
        for name, ensemble in (("A", False), ("A, self-ensemble", True))
    }
