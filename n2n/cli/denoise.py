"""`python -m n2n denoise`: files and folders in, files of the same names out."""

import argparse
import json
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from n2n import images, memory, processes
from n2n.cli import samples
from n2n.cli.common import DONE, FAILED, add_device_arguments, first_line, say
from n2n.data.photos import PHOTO_SUFFIXES, photo_files
from n2n.denoiser import Denoised, Denoiser, check_strength, load
from n2n.images import Picture
from n2n.shipped import names

Record = dict[str, object]
ERRORS = (ValueError, TypeError, OSError, RuntimeError, MemoryError)
SMALL_PX = 400**2  # pictures up to this size are denoised several at once
TOGETHER_PX = 1024**2
WAITING_PX = 4 * TOGETHER_PX  # what may lie in memory until others of its size come


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "inputs", nargs="+", type=Path, metavar="IN", help="pictures, or folders of pictures"
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="a folder, or a file when there is one input file"
    )
    parser.add_argument(
        "--model",
        default="best",
        help=f"{', '.join(names())}, or a .safetensors file (default: best)",
    )
    parser.add_argument(
        "--strength", type=float, default=1.0, help="0 (input) to 1 (denoised), default 1"
    )
    parser.add_argument(
        "--self-ensemble",
        action="store_true",
        help="average over 8 views: 8 times the work; some 0.1 dB with fast and best",
    )
    samples.add_arguments(parser)
    add_device_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per picture")


@dataclass(frozen=True, eq=False)
class Opened:
    """A picture that was read, and where its result goes."""

    source: Path
    target: Path
    picture: Picture


def run(arguments: argparse.Namespace) -> int:
    """Denoise every input; a picture that fails is named, the others go on."""
    check_strength(arguments.strength)
    memory.keep()
    with processes.joined(arguments.device):
        with processes.unanimous():
            jobs = _jobs(arguments.inputs, arguments.out, samples.count(arguments))
            denoiser = load(arguments.model, device=arguments.device, dtype=arguments.dtype)
        failures = _denoise(denoiser, jobs, arguments)
        # What ends badly ends all others, which may still be printing.
        return FAILED if failures and processes.leads() else DONE


def _denoise(
    denoiser: Denoiser, jobs: list[tuple[Path, Path]], arguments: argparse.Namespace
) -> int:
    """Each picture in one of the processes, told by one of them; returns how many failed."""
    failures = 0
    with tqdm(total=len(jobs), desc="denoise", unit="picture", disable=len(jobs) < 2) as bar:
        own = _outcomes(denoiser, processes.share(jobs), arguments)
        for outcome in processes.pooled(own):
            failed = outcome if isinstance(outcome, str) else outcome.get("failed")
            if not isinstance(outcome, str):
                print(json.dumps(outcome) if arguments.json else _sentence(outcome), flush=True)
            if failed:
                say(str(failed))
                failures += 1
            bar.update()
    return failures


def _outcomes(
    denoiser: Denoiser, jobs: Sequence[tuple[Path, Path]], arguments: argparse.Namespace
) -> Iterator[Record | str]:
    """What became of each picture, or in one line what was wrong with it.

    Small ones wait for others of their size: a network works faster on many at once.
    """
    one_by_one = len(jobs) == 1 or arguments.self_ensemble or arguments.samples
    waiting: defaultdict[tuple[int, int], list[Opened]] = defaultdict(list)
    for source, target in jobs:
        try:
            opened = Opened(source, target, images.read(source))
        except ERRORS as error:
            yield _line(source, error)
            continue
        size = denoiser.padded_size(opened.picture.pixels)
        if one_by_one or math.prod(opened.picture.pixels.shape[:2]) > SMALL_PX:
            yield _alone(denoiser, opened, arguments)
            continue
        waiting[size].append(opened)
        if len(waiting[size]) * math.prod(size) >= TOGETHER_PX:
            yield from _together(denoiser, waiting.pop(size), arguments)
        elif sum(len(group) * math.prod(size) for size, group in waiting.items()) >= WAITING_PX:
            yield from _together(denoiser, waiting.pop(next(iter(waiting))), arguments)
    for group in waiting.values():
        yield from _together(denoiser, group, arguments)


def _alone(denoiser: Denoiser, opened: Opened, arguments: argparse.Namespace) -> Record | str:
    try:
        with tqdm(
            total=1.0,
            desc=opened.source.name,
            leave=False,
            bar_format="{l_bar}{bar}| {elapsed}<{remaining}",
        ) as bar:
            done = denoiser.run(
                opened.picture.pixels,
                strength=arguments.strength,
                self_ensemble=arguments.self_ensemble,
                progress=lambda part: bar.update(part - bar.n),
            )
        record = _written(denoiser, opened, done)
    except ERRORS as error:
        return _line(opened.source, error)
    if arguments.samples:
        try:
            record |= samples.write(denoiser, opened.picture.pixels, opened.target, arguments)
        except ERRORS as error:  # the denoised picture stays, and is told of
            record["failed"] = _line(opened.source, error)
    return record


def _together(
    denoiser: Denoiser, group: list[Opened], arguments: argparse.Namespace
) -> Iterator[Record | str]:
    try:
        results = denoiser.run_together(
            [opened.picture.pixels for opened in group], strength=arguments.strength
        )
    except ERRORS:  # perhaps too much at once, perhaps one of them: each for itself will tell
        yield from (_alone(denoiser, opened, arguments) for opened in group)
        return
    for opened, done in zip(group, results, strict=True):
        try:
            yield _written(denoiser, opened, done)
        except ERRORS as error:
            yield _line(opened.source, error)


def _line(source: Path, error: Exception) -> str:
    # What the reader refuses, it names itself.
    named = isinstance(error, images.ImageError)
    return first_line(error) if named else f"{source.name}: {first_line(error)}"


def _written(denoiser: Denoiser, opened: Opened, done: Denoised) -> Record:
    opened.target.parent.mkdir(parents=True, exist_ok=True)
    images.write(opened.target, done.image)
    return {
        "input": str(opened.source),
        "output": str(opened.target),
        "model": denoiser.name,
        "device": done.device,
        "megapixels": round(done.megapixels, 6),
        "milliseconds": round(done.milliseconds, 3),
        "notes": [*opened.picture.notes, *done.notes],
    }


def _sentence(record: Record) -> str:
    notes = "".join(f"; {note}" for note in record["notes"])  # type: ignore[attr-defined]
    return (
        f"{record['output']}: {record['megapixels']:.2f} MP in {record['milliseconds']:.0f} ms "
        f"({record['device']}){notes}{samples.sentence(record)}"
    )


def _jobs(inputs: list[Path], out: Path, drawn: int) -> list[tuple[Path, Path]]:
    """Each picture and where its result goes; it and its samples never onto any of the pictures."""
    if out.suffix.lower() in PHOTO_SUFFIXES and not out.is_dir():
        if len(inputs) > 1 or inputs[0].is_dir():
            raise ValueError(f"{out} is one file; give a folder for the results of several")
        pairs = [(inputs[0], out)]
    else:
        pairs = [(s, out / _writable(name)) for given in inputs for s, name in _inside(given, out)]
    sources = {source.resolve() for source, _ in pairs}
    taken: set[Path] = set()
    for source, target in pairs:
        if not source.exists():
            raise ValueError(f"there is no file or folder {source}")
        for result in (target, *samples.paths(target, drawn)):
            if result.resolve() in sources:
                raise ValueError(f"{result} is itself an input; give another --out")
            if result.resolve() in taken:
                raise ValueError(f"two results would be written to {result}; denoise them apart")
            taken.add(result.resolve())
    return pairs


def _inside(given: Path, out: Path) -> Iterator[tuple[Path, Path]]:
    """A file and its name, or all pictures of a folder but the results of an earlier run."""
    if not given.is_dir():
        yield given, Path(given.name)
        return
    for source in photo_files(given):
        if out.resolve() == given.resolve() or out.resolve() not in source.resolve().parents:
            yield source, source.relative_to(given)


def _writable(name: Path) -> Path:
    """The same name; an input without a picture's suffix comes back as PNG."""
    return name if name.suffix.lower() in PHOTO_SUFFIXES else name.with_name(name.name + ".png")
