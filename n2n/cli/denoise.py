"""`python -m n2n denoise`: files and folders in, files of the same names out."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from n2n import images
from n2n.cli.common import DONE, FAILED, add_device_arguments, first_line, say
from n2n.data.photos import PHOTO_SUFFIXES, photo_files
from n2n.denoiser import Denoiser, check_strength, load
from n2n.shipped import names


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
        help="average over 8 flips and rotations: 8 times the work",
    )
    add_device_arguments(parser)
    parser.add_argument("--json", action="store_true", help="print one JSON object per picture")


def run(arguments: argparse.Namespace) -> int:
    """Denoise every input; a picture that fails is named, the others go on."""
    check_strength(arguments.strength)
    jobs = _jobs(arguments.inputs, arguments.out)
    denoiser = load(arguments.model, device=arguments.device, dtype=arguments.dtype)
    failures = 0
    for source, target in tqdm(jobs, desc="denoise", unit="picture", disable=len(jobs) < 2):
        try:
            record = _one(denoiser, source, target, arguments)
        except (ValueError, TypeError, OSError, RuntimeError, MemoryError) as error:
            # What the reader refuses, it names itself.
            named = isinstance(error, images.ImageError)
            say(first_line(error) if named else f"{source.name}: {first_line(error)}")
            failures += 1
            continue
        print(json.dumps(record) if arguments.json else _sentence(record), flush=True)
    return FAILED if failures else DONE


def _one(
    denoiser: Denoiser, source: Path, target: Path, arguments: argparse.Namespace
) -> dict[str, object]:
    picture = images.read(source)
    with tqdm(
        total=1.0, desc=source.name, leave=False, bar_format="{l_bar}{bar}| {elapsed}<{remaining}"
    ) as bar:
        done = denoiser.run(
            picture.pixels,
            strength=arguments.strength,
            self_ensemble=arguments.self_ensemble,
            progress=lambda part: bar.update(part - bar.n),
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    images.write(target, done.image)
    return {
        "input": str(source),
        "output": str(target),
        "model": denoiser.name,
        "device": done.device,
        "megapixels": round(done.megapixels, 6),
        "milliseconds": round(done.milliseconds, 3),
        "notes": [*picture.notes, *done.notes],
    }


def _sentence(record: dict[str, object]) -> str:
    notes = "".join(f"; {note}" for note in record["notes"])  # type: ignore[attr-defined]
    return (
        f"{record['output']}: {record['megapixels']:.2f} MP in {record['milliseconds']:.0f} ms "
        f"({record['device']}){notes}"
    )


def _jobs(inputs: list[Path], out: Path) -> list[tuple[Path, Path]]:
    """Each picture and where its result goes; never onto any of the pictures."""
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
        if target.resolve() in sources:
            raise ValueError(f"{target} is itself an input; give another --out")
        if target.resolve() in taken:
            raise ValueError(f"two inputs would both be written to {target}; denoise them apart")
        taken.add(target.resolve())
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
