"""The web app as its visitors wait for it: start, a click on Denoise, the sliders, bytes sent."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median

from n2n import images
from n2n.benchmark.inference import noisy_photo
from n2n.benchmark.measured import QUICK_RUNS, RUNS, Measured, medians
from n2n.benchmark.page import Answer, Visitor
from n2n.denoiser import load

# What app.py does, wherever the package lies.
PROGRAM = "from n2n.ui import build_app, launch_options; build_app().launch(**launch_options())"
UPLOAD, BUTTON, STRENGTH = "Upload, drop or paste a picture", "denoise", "Strength (%)"
SEED, DETAIL, ACROSS = "Seed", "Detail", "Across (%)"
START, STOP = "train-start", "train-stop"
READY_SECONDS, START_SECONDS = 8.0, 120.0
MOST_MEGABYTES, CLICK_SECONDS, LOOK_SECONDS = 1.5, 0.25, 0.2
BESIDE_RUNS, TIMES_SLOWER = 10, 3.0  # what a run of 30 seconds, the page's own, leaves time for


def measure(quick: bool) -> Iterator[Measured]:
    """All of it, on a server of its own."""
    runs, side = (QUICK_RUNS, 64) if quick else (RUNS, 512)
    picture = noisy_photo(side, side)
    network = medians({"": lambda: load("best")(picture)}, runs)[""]
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (url, ready):
        yield Measured("page answers", ready, "s", at_most=READY_SECONDS, note="after its start")
        visitor = Visitor(url)
        visitor.open()
        file = Path(name) / "picture.png"
        images.write(file, picture)
        visitor.upload(UPLOAD, file)
        what = f"{side} × {side}"
        yield from _click(visitor, what, network, runs)
        yield from _look(visitor, what, runs)
        yield from _beside_a_run(visitor, what, min(runs, BESIDE_RUNS))


def _click(visitor: Visitor, what: str, network: float, runs: int) -> Iterator[Measured]:
    """From the click to the denoised picture, but for the network; of a new noise every time."""

    def click(run: int) -> Answer:
        visitor.change(SEED, run, follow=False)
        return visitor.click(BUTTON, follow=False)

    seconds, megabytes = _timed(click, runs)
    yield Measured(
        f"click to denoised picture without the network, {what}", seconds - network, "s", runs,
        at_most=CLICK_SECONDS, note=f"{seconds:.3f} s of which the network {network:.3f}",
    )  # fmt: skip
    yield Measured("sent for it", megabytes, "MB", runs, at_most=MOST_MEGABYTES)


def _look(visitor: Visitor, what: str, runs: int) -> Iterator[Measured]:
    """The strength slider over the whole picture; the place of the detail."""
    changes: dict[str, Callable[[int], Answer]] = {
        "strength": lambda run: visitor.change(STRENGTH, 50 + run),
        "detail": lambda run: visitor.change(ACROSS, 30 + run),
    }
    for name, change in changes.items():
        if name == "detail":
            visitor.click(DETAIL, "select")
        seconds, megabytes = _timed(change, runs)
        yield Measured(f"{name}, {what}", seconds, "s", runs, at_most=LOOK_SECONDS)
        yield Measured("sent for it", megabytes, "MB", runs, at_most=MOST_MEGABYTES)


def _beside_a_run(visitor: Visitor, what: str, runs: int) -> Iterator[Measured]:
    """A click while another visitor trains, as the Train tab proposes, against one before it."""

    def click(run: int) -> Answer:
        return visitor.click(BUTTON, follow=False)

    alone, _ = _timed(click, runs)
    trainer = Visitor(visitor.url)
    trainer.open()
    trainer.click(START, follow=False)
    _wait_for_steps(trainer)
    beside, _ = _timed(click, runs)
    if not _steps(trainer):
        raise RuntimeError("the run ended before the clicks beside it were done")
    trainer.click(STOP, follow=False)
    yield Measured(
        f"click to denoised picture beside a training run, {what}, times as long", beside / alone,
        "×", runs, at_most=TIMES_SLOWER, note=f"{beside:.3f} against {alone:.3f} s",
    )  # fmt: skip


def _wait_for_steps(trainer: Visitor) -> None:
    until = time.perf_counter() + START_SECONDS
    while not _steps(trainer):
        if time.perf_counter() > until:
            raise RuntimeError(f"the run took no step within {START_SECONDS:.0f} s")
        time.sleep(0.2)


def _steps(trainer: Visitor) -> bool:
    """Whether the page says that steps are being taken; an answer may leave what it shows."""
    trainer.tick()
    shown = trainer.values.values()
    return any(isinstance(value, str) and "steps a second" in value for value in shown)


def _timed(change: Callable[[int], Answer], runs: int) -> tuple[float, float]:
    """Median seconds, and the most megabytes that were sent."""
    change(0)
    answers = [change(run) for run in range(1, runs + 1)]
    return median(a.seconds for a in answers), max(a.sent_bytes for a in answers) / 1e6


@contextmanager
def served(folder: Path) -> Iterator[tuple[str, float]]:
    """A server of the app in a process of its own: its address, the seconds until it answered."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    settings = {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(folder),
    }
    url, start = f"http://127.0.0.1:{port}", time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], cwd=Path(__file__).parents[2], env=os.environ | settings,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        _wait(url, process, start + START_SECONDS)
        yield url, time.perf_counter() - start
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: "subprocess.Popen[bytes]", until: float) -> None:
    while time.perf_counter() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the app did not start: it ended with code {process.returncode}")
        try:
            with urllib.request.urlopen(url, timeout=5) as answer:
                answer.read()
                return
        except OSError:
            time.sleep(0.05)
    raise RuntimeError(f"the app did not answer within {START_SECONDS:.0f} s")
