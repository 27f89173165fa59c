"""`python -m n2n evaluate`: PSNR and SSIM on a folder of clean photos, beside published numbers."""

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from n2n import shipped
from n2n.cli.common import DONE, say
from n2n.data import photo_files
from n2n.denoiser import load
from n2n.evaluation import evaluate, published, summarize
from n2n.noise import LevelRange, Noise, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "folder", type=Path, metavar="FOLDER", help="clean photos; its name names the data set"
    )
    parser.add_argument(
        "--noise",
        nargs="+",
        default=["gaussian:25"],
        help="name:level, in 8-bit units where the field uses them (default: gaussian:25)",
    )
    parser.add_argument(
        "--model",
        nargs="+",
        default=["best"],
        help=f"{', '.join(shipped.names())}, or .safetensors files (default: best)",
    )
    parser.add_argument(
        "--file-step",
        action="store_true",
        help="clip and round the noisy input to 8 bit, as a file would be",
    )
    parser.add_argument(
        "--self-ensemble", action="store_true", help="average over 8 flips and rotations"
    )
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    parser.add_argument(
        "--card", action="store_true", help="record the result in the shipped model's card"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object per row")


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each model and noise."""
    files = photo_files(arguments.folder)[: arguments.limit]
    data_set = arguments.folder.resolve().name
    if not arguments.json:
        print(
            f"{data_set}: {len(files)} photos; PSNR in dB of the 8-bit output "
            "(A: mean per image, B: global)"
        )
    for text in arguments.noise:
        noise = parse(text)
        if isinstance(noise, LevelRange):
            raise ValueError(f"evaluate takes one level at a time, got {text!r}")
        for name in arguments.model:
            row = _row(arguments, name, noise, text, files, data_set)
            print(json.dumps(row) if arguments.json else _line(row), flush=True)
            if arguments.card:
                _record(name, row)
        if not arguments.json:
            for method, value in published(data_set, noise).items():
                print(f"{text:>16}  {method:<12} {value:6.2f}  (published, clean targets)")
    return DONE


def _row(
    arguments: argparse.Namespace,
    name: str,
    noise: Noise,
    text: str,
    files: list[Path],
    data_set: str,
) -> dict[str, Any]:
    denoiser = load(name, device=arguments.device)
    options = {"file_step": arguments.file_step, "self_ensemble": arguments.self_ensemble}
    scores = evaluate(denoiser, files, noise, **options)
    score = summarize(
        list(tqdm(scores, total=len(files), desc=f"{name} {text}", unit="photo", leave=False))
    )
    row = {
        "data_set": data_set.upper(),
        "noise": text,
        "model": name,
        "device": denoiser.placement.label,
    }
    return {**row, **options, **asdict(score)}


def _line(row: dict[str, Any]) -> str:
    extra = "".join(
        f" {key.replace('_', ' ')}" for key in ("file_step", "self_ensemble") if row[key]
    )
    return (
        f"{row['noise']:>16}  {row['model']:<12}"
        f" {row['psnr_db']:6.2f} A {row['psnr_global_db']:6.2f} B"
        f"  SSIM {row['ssim']:.4f}  noisy {row['noisy_psnr_db']:.2f} A"
        f"  {row['seconds_per_megapixel']:.3f} s/MP ({row['device']}){extra}"
    )


def _record(name: str, row: dict[str, Any]) -> None:
    """Put a result into the card of a shipped model, under data set and noise."""
    path = shipped.weights_path(name).with_suffix(".json")
    card = json.loads(path.read_text()) if path.is_file() else {}
    options = "".join(
        f" {key.replace('_', ' ')}" for key in ("file_step", "self_ensemble") if row[key]
    )
    card.setdefault("psnr_db", {})[f"{row['data_set']} {row['noise']}{options}"] = round(
        row["psnr_db"], 2
    )
    path.write_text(json.dumps(card, indent=1) + "\n")
    say(f"recorded in {path.name}")
