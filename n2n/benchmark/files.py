"""Through the command line: a large photo, a huge one, a folder of small ones; time and memory."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from n2n import images
from n2n.benchmark.inference import noisy_photo, seconds_per_megapixel
from n2n.benchmark.measured import QUICK_RUNS, RUNS, Measured

# The command itself; then, on the last line, its seconds and its peak memory.
PROGRAM = """
import sys, time
from n2n.__main__ import main
from n2n.benchmark.measured import peak_megabytes
start = time.perf_counter()
code = main(sys.argv[1:])
print(time.perf_counter() - start, peak_megabytes())
sys.exit(code)
"""
MOST_MEGABYTES = 1200.0
SLACK = 1.25  # over the seconds per megapixel of a picture in memory
FOLDER, APART = 100, 3  # small pictures together; processes of one picture each, for comparison


@dataclass(frozen=True)
class Child:
    """How a command ran in a process of its own: `seconds` of it, `wall` with Python's start."""

    seconds: float
    wall: float
    peak_megabytes: float
    records: tuple[dict[str, object], ...]


def child(*words: str | Path) -> Child:
    """Run a command of ours in a process of its own.

    Raises:
        RuntimeError: it failed; in its words.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, words)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    wall = time.perf_counter() - start
    if done.returncode:
        raise RuntimeError(f"n2n {words[0]} failed: {(done.stderr.splitlines() or ['?'])[-1]}")
    *records, last = done.stdout.splitlines()
    seconds, peak = map(float, last.split())
    return Child(seconds, wall, peak, tuple(json.loads(record) for record in records))


def measure(quick: bool) -> Iterator[Measured]:
    """All of it. Quick: the same roads at a thousandth of the size."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        yield from _large(folder, *((120, 160) if quick else (3000, 4000)), quick)
        if not quick:
            yield from _huge(folder, 10_000, 10_000)
        yield from _small(folder, 4 if quick else FOLDER, 1 if quick else APART)


def _large(folder: Path, height: int, width: int, quick: bool) -> Iterator[Measured]:
    """A photo of 12 MP: its time against what a megapixel in memory takes, its memory."""
    photo, megapixels = folder / "large.jpg", height * width / 1e6
    images.write(photo, noisy_photo(height, width))
    decode, encode = _decode_and_encode(photo)
    side = 128 if quick else 1024
    each = seconds_per_megapixel(side, QUICK_RUNS if quick else RUNS)
    done = child("denoise", photo, "--out", folder / "large.out.jpg", "--device", "cpu", "--json")
    name = f"{megapixels:.3g} MP through the command line"
    yield Measured("best, seconds per megapixel", each, "s", QUICK_RUNS if quick else RUNS)
    yield Measured(f"{name}, decode", decode, "s")
    yield Measured(f"{name}, encode", encode, "s")
    yield Measured(
        name, done.seconds, "s",
        at_most=SLACK * megapixels * each + decode + encode,
        note=f"and {done.wall - done.seconds:.1f} s for Python and PyTorch to start",
    )  # fmt: skip
    yield Measured(f"{name}, peak memory", done.peak_megabytes, "MB", at_most=MOST_MEGABYTES)


def _huge(folder: Path, height: int, width: int) -> Iterator[Measured]:
    """100 MP: memory beyond the decoded picture and its result."""
    photo, tile = folder / "huge.jpg", noisy_photo(1000, 1000)
    images.write(photo, np.tile(tile, (height // 1000, width // 1000, 1)))
    done = child("denoise", photo, "--out", folder / "huge.out.jpg", "--device", "cpu", "--json")
    both = 2 * 3 * height * width / 2**20
    name = f"{height * width / 1e6:.3g} MP through the command line"
    yield Measured(name, done.seconds, "s")
    yield Measured(
        f"{name}, peak memory beyond picture and result", done.peak_megabytes - both, "MB",
        at_most=MOST_MEGABYTES, note=f"{done.peak_megabytes:.0f} MB in all",
    )  # fmt: skip
    photo.unlink()


def _small(folder: Path, count: int, apart: int) -> Iterator[Measured]:
    """A folder of small pictures against one process for each of them."""
    inner, side = folder / "small", 128
    inner.mkdir()
    for index in range(count):
        images.write(inner / f"{index:03}.png", noisy_photo(side, side))
    together = child("denoise", inner, "--out", folder / "out", "--device", "cpu", "--json")
    if len(together.records) != count:
        raise RuntimeError(f"{count} pictures went in, {len(together.records)} came out")
    each = [
        child("denoise", inner / f"{index:03}.png", "--out", folder / f"out-{index}.png", "--json")
        for index in range(apart)
    ]
    one = sum(done.wall for done in each) / apart
    yield Measured(f"{count} pictures of {side} × {side} in one folder", together.wall, "s")
    yield Measured(
        "one process per picture, times as long", one * count / together.wall, "×",
        runs=apart, at_least=3.0,
        note=f"{one:.2f} s each, from {apart} of them",
    )  # fmt: skip


def _decode_and_encode(photo: Path) -> tuple[float, float]:
    start = time.perf_counter()
    pixels = images.read(photo).pixels
    middle = time.perf_counter()
    images.write(photo.with_name("again.jpg"), pixels)
    return middle - start, time.perf_counter() - middle
