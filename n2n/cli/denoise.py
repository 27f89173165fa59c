"""`python -m n2n denoise`: files and folders in, files of the same names out."""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

from tqdm import tqdm

from n2n import images
from n2n.cli.common import DONE, FAILED, add_device_arguments, say, stoppable
from n2n.data.photos import PHOTO_SUFFIXES, photo_files
from n2n.denoiser import Denoiser, load
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
    """Denoise every input; a picture that cannot be read is named, the others go on."""
    denoiser = load(arguments.model, device=arguments.device, dtype=arguments.dtype)
    jobs = list(_jobs(arguments.inputs, arguments.out))
    failures = 0
    with stoppable() as stop:
        for source, target in tqdm(jobs, desc="denoise", unit="picture", disable=len(jobs) < 2):
            if stop:
                say("stopped")
                return FAILED
            try:
                record = _one(denoiser, source, target, arguments)
            except (ValueError, OSError) as error:
                say(f"{source.name}: {error}")
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


def _jobs(inputs: list[Path], out: Path) -> Iterator[tuple[Path, Path]]:
    """Each picture and where its result goes; never onto the picture itself."""
    to_file = (
        len(inputs) == 1
        and inputs[0].is_file()
        and out.suffix.lower() in PHOTO_SUFFIXES
        and not out.is_dir()
    )
    taken: set[Path] = set()
    for given in inputs:
        if not given.exists():
            raise ValueError(f"there is no file or folder {given}")
        for source in photo_files(given) if given.is_dir() else [given]:
            inside = source.relative_to(given) if given.is_dir() else Path(source.name)
            target = out if to_file else out / _writable(inside)
            if target.resolve() == source.resolve():
                raise ValueError(f"{target} is the input itself; give another --out")
            if target.resolve() in taken:
                raise ValueError(
                    f"two inputs would both be written to {target}; denoise them apart"
                )
            taken.add(target.resolve())
            yield source, target


def _writable(name: Path) -> Path:
    """The same name; an input without a picture's suffix comes back as PNG."""
    return name if name.suffix.lower() in PHOTO_SUFFIXES else name.with_name(name.name + ".png")
