"""`python -m n2n evaluate`: PSNR and SSIM on a folder of clean photos, beside published numbers."""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from n2n import images, processes, shipped
from n2n.cli import course_model
from n2n.cli.common import DONE, add_device_arguments, command, say
from n2n.data import photo_files, samples
from n2n.denoiser import Denoiser, load
from n2n.devices import place
from n2n.evaluation import draw, evaluate, published, summarize
from n2n.figures import side_by_side
from n2n.metrics import psnr_db
from n2n.noise import LevelRange, Noise, parse


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="FOLDER",
        help="clean photos; its name names the data set (default: scikit-image's sample photos)",
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
        "--self-ensemble",
        action="store_true",
        help="average over 8 flipped, rotated and shifted views",
    )
    parser.add_argument(
        "--blind", action="store_true", help="also find σ and the PSNR, without the clean photos"
    )
    parser.add_argument("--limit", type=int, help="only the first so many photos")
    add_device_arguments(parser)
    parser.add_argument(
        "--card", action="store_true", help="record the result in the shipped model's card"
    )
    parser.add_argument(
        "--figure", type=Path, metavar="PNG", help="draw the first photo noisy, denoised, clean"
    )
    parser.add_argument(
        "--markdown", action="store_true", help="print one table, as the README has"
    )
    course_model.add_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per row")


def run(arguments: argparse.Namespace) -> int:
    """Print a row for each model and noise, or score a course's Model."""
    if arguments.course_model is not None:
        if arguments.folder is not None:
            raise ValueError("--course-model is scored on --data VAL_DATA.PKL, not on a folder")
        return course_model.run(arguments)
    if arguments.data is not None:
        raise ValueError("--data goes with --course-model; photos are given as a folder")
    with processes.joined(arguments.device):
        return _photos(arguments)


def _photos(arguments: argparse.Namespace) -> int:
    with processes.unanimous():
        _check(arguments)
        data_set, pictures = _pictures(arguments.folder, arguments.limit)
    processes.require_same("--dtype", place(arguments.device, arguments.dtype).dtype)
    _tell(
        arguments,
        f"{data_set}: {len(pictures)} photos; PSNR in dB of the 8-bit output "
        "(A: mean per image, B: global)",
    )
    table: dict[str, dict[str, float]] = defaultdict(dict)
    for text in arguments.noise:
        for row in _rows(arguments, data_set, pictures, text):
            if arguments.json:
                print(json.dumps(row), flush=True)
            _tell(arguments, _line(row))
            table[f"**{row['model']}**"][text] = row["psnr_db"]
        for method, value in _published(arguments, data_set, pictures, text).items():
            table[method][text] = value
            _tell(arguments, f"{text:>16}  {method:<12} {value:6.2f}  (published)")
    if arguments.markdown:
        print(_markdown(f"{data_set}{_options(vars(arguments))}", arguments.noise, table))
    if arguments.figure is not None and processes.leads():
        _draw(arguments, *pictures[0])
    return DONE


def _check(arguments: argparse.Namespace) -> None:
    """Refuse at once what would be refused after an hour."""
    if arguments.limit is not None and arguments.limit < 1:
        raise ValueError(f"--limit takes 1 or more photos, got {arguments.limit}")
    if arguments.card and arguments.limit is not None:
        raise ValueError("a card records whole data sets: leave out --limit")
    for text in arguments.noise:
        _one_level(text)
    for name in arguments.model:
        _load(arguments, name)


def _published(
    arguments: argparse.Namespace, data_set: str, pictures: "_Pictures", text: str
) -> dict[str, float]:
    """What the literature has on the same task: the same photos, unclipped input."""
    if arguments.file_step:
        return {}
    height, width = pictures[0][1].shape[:2]
    return published(data_set, _one_level(text), len(pictures), height * width)


def _tell(arguments: argparse.Namespace, line: str) -> None:
    """A line for people, where nothing else was asked for."""
    if not (arguments.json or arguments.markdown):
        print(line, flush=True)


def _rows(
    arguments: argparse.Namespace, data_set: str, pictures: "_Pictures", text: str
) -> Iterator[dict[str, Any]]:
    """One noise, each model in turn."""
    noise = _one_level(text)
    for name in arguments.model:
        denoiser = _load(arguments, name)
        row = _row(arguments, denoiser, noise, pictures)
        row = {"data_set": data_set, "noise": text, "model": name, **row}
        yield row
        if arguments.card and processes.leads():
            is_fp32 = denoiser.placement.dtype == torch.float32
            _record(name, row, "psnr_db_fp32" if is_fp32 else "psnr_db")


def _markdown(data_set: str, noises: Sequence[str], table: dict[str, dict[str, float]]) -> str:
    """PSNR A, models and published methods by noise; a dash where one was not published."""
    rows = [[f"PSNR on {data_set}, dB", *noises], ["---", *("---" for _ in noises)]]
    for name, values in table.items():
        rows.append([name, *(f"{values[n]:.2f}" if n in values else "–" for n in noises)])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _one_level(text: str) -> Noise:
    noise = parse(text)
    if isinstance(noise, LevelRange):
        raise ValueError(f"evaluate takes one level at a time, got {text!r}")
    return noise


class _Pictures(Sequence[tuple[str, np.ndarray]]):
    """Names and pixels, read one at a time: a data set need not fit in memory."""

    def __init__(self, names: Sequence[str], read: Callable[[str], np.ndarray]) -> None:
        self._names, self._read = names, read

    def __len__(self) -> int:
        return len(self._names)

    def __getitem__(self, index: int) -> tuple[str, np.ndarray]:  # type: ignore[override]
        return self._names[index], self._read(self._names[index])


def _pictures(folder: Path | None, limit: int | None) -> tuple[str, _Pictures]:
    """The name of the data set, and its pictures."""
    if folder is None:
        return "SAMPLES", _Pictures(samples.NAMES[:limit], samples.sample)
    files = [str(file) for file in photo_files(folder)[:limit]]
    return folder.resolve().name.upper(), _Pictures(files, lambda file: images.read(file).pixels)


def _row(
    arguments: argparse.Namespace, denoiser: Denoiser, noise: Noise, pictures: _Pictures
) -> dict[str, Any]:
    options = {"file_step": arguments.file_step, "self_ensemble": arguments.self_ensemble}
    own = (pictures[index] for index in processes.share(range(len(pictures))))
    scores = evaluate(denoiser, own, noise, **options, blind=arguments.blind)
    bar = tqdm(
        processes.pooled(scores), total=len(pictures), desc=denoiser.name, unit="photo", leave=False
    )
    score = summarize(list(bar))
    return {"device": denoiser.placement.label, **options, **asdict(score)}


def _load(arguments: argparse.Namespace, name: str) -> Denoiser:
    return load(name, device=arguments.device, dtype=arguments.dtype)


def _draw(arguments: argparse.Namespace, name: str, pixels: np.ndarray) -> None:
    """The first picture noisy, denoised by each model, and clean: 8 bit, as a file would be."""
    noise = _one_level(arguments.noise[0])
    clean = images.to_tensor(pixels)
    noisy = images.file_step(draw(noise, clean))
    reference = images.file_step(noise.reference(clean))
    panels = {"noisy": noisy}
    for model in arguments.model:
        panels[model] = images.file_step(_load(arguments, model)(noisy))
    captions = [
        (f"{caption}, {float(psnr_db(panel, reference)):.2f} dB", images.to_uint8(panel))
        for caption, panel in panels.items()
    ]
    arguments.figure.parent.mkdir(parents=True, exist_ok=True)
    side_by_side([*captions, ("clean", images.to_uint8(reference))]).savefig(
        arguments.figure, dpi=130
    )
    say(f"{arguments.figure}: {Path(name).name}, {arguments.noise[0]}")


def _line(row: dict[str, Any]) -> str:
    blind = row["blind"]
    found = (
        f"  σ {blind['sigma_255']:.2f} ± {blind['spread_255']:.2f}, expected PSNR off by "
        f"{blind['psnr_error_db']:+.2f}, doubted {blind['doubts']} of {row['images']}"
        if blind
        else ""
    )
    return (
        f"{row['noise']:>16}  {row['model']:<12}"
        f" {row['psnr_db']:6.2f} A {row['psnr_global_db']:6.2f} B"
        f"  SSIM {row['ssim']:.4f}  noisy {row['noisy_psnr_db']:.2f} A"
        f"  {row['seconds_per_megapixel']:.3f} s/MP ({row['device']}){_options(row)}{found}"
    )


def _options(row: dict[str, Any]) -> str:
    """What sets a result apart from the plain one of the same noise, in words."""
    return "".join(
        f" {key.replace('_', ' ')}" for key in ("file_step", "self_ensemble") if row[key]
    )


def _record(name: str, row: dict[str, Any], scores: str) -> None:
    """Put a result into the card of a shipped model, under data set and noise, and how it was had.

    What fp32 computed stands apart: so a card tells what bf16 costs.
    """
    path = shipped.weights_path(name).with_suffix(".json")
    card = json.loads(path.read_text()) if path.is_file() else {}
    what = f"{row['data_set']} {row['noise']}{_options(row)}"
    card.setdefault(scores, {})[what] = round(row["psnr_db"], 4)
    by: dict[str, list[str]] = card.setdefault(f"{scores}_by", {})
    earlier = {how: [each for each in found if each != what] for how, found in by.items()}
    earlier.setdefault(f"{command()} ({row['device']})", []).append(what)
    card[f"{scores}_by"] = {how: found for how, found in earlier.items() if found}
    path.write_text(json.dumps(card, indent=1) + "\n")
    say(f"recorded in {path.name}")
