"""One server and one browser for the whole suite, each only when a test asks for it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

# Two test processes, the server and its runs share two cores: whoever waits for its other thread
# must sleep, or the cores spend half of their time on waiting. Read when PyTorch is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

from n2n import shipped

ROOT = Path(__file__).parents[1]
NARROW = {"N2N_QUEUE": "2", "N2N_UNATTENDED_MINUTES": "60", "N2N_TRAIN_SECONDS": "1800"}
LIVE = {"server", "narrow", "browser"}
LESS_URGENT = 5  # niceness: a third of a contested core
START_SECONDS = 60  # what a loaded machine may take; the app itself is ready in a few


@dataclass(frozen=True)
class Server:
    """A running app: its address, where uploads lie, and what it wrote to its log."""

    url: str
    uploads: Path
    log: Path
    process_id: int


def memory_megabytes(process_id: int, which: str = "VmRSS") -> float:
    """What a process has in memory (Linux); as VmHWM the most since its peak was reset."""
    status = Path(f"/proc/{process_id}/status").read_text()
    return int(status.partition(f"{which}:")[2].split()[0]) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def is_live(item: pytest.Item) -> bool:
    """Whether it needs the server or the browser, of which there is one."""
    return bool(LIVE & set(getattr(item, "fixturenames", ())))


def pytest_itemcollected(item: pytest.Item) -> None:
    """One of the two processes has the live tests; of the others, a file's stay together.

    So what the tests of a file share is made once.
    """
    item.add_marker(pytest.mark.xdist_group("live" if is_live(item) else item.path.stem))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """The live tests take longest: a process gives way to them once it has another test."""
    if "PYTEST_XDIST_WORKER" in os.environ and not is_live(item) and hasattr(os, "nice"):
        os.nice(max(0, LESS_URGENT - os.nice(0)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The live tests first, as they take longest.

    What a test of minutes waits for goes on while others run.
    """
    items.sort(key=lambda item: (not is_live(item), item.get_closest_marker("last") is not None))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server of the whole suite; the tests ask more of it at once than one visitor."""
    with running_app(tmp_path_factory.mktemp("server"), N2N_QUEUE="64") as found:
        yield found


@pytest.fixture(scope="session")
def narrow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Another, where few may wait, and runs may last, seen or not."""
    with running_app(tmp_path_factory.mktemp("narrow"), **NARROW) as found:
        yield found


@contextmanager
def running_app(folder: Path, port: int | None = None, **settings: str) -> Iterator[Server]:
    """`python app.py`, as the owner of a machine would start it."""
    assert shipped.names(), "there are no weights to run the app with"
    uploads, log = folder / "uploads", folder / "log.txt"
    uploads.mkdir(exist_ok=True)
    port = port or free_port()
    environment = os.environ | {
        "GRADIO_SERVER_NAME": "127.0.0.1",
        "GRADIO_SERVER_PORT": str(port),
        "GRADIO_TEMP_DIR": str(uploads),
        "N2N_RUNS_FOLDER": str(folder / "runs"),
        **settings,
    }
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "app.py"], cwd=ROOT, env=environment, stdout=output, stderr=output
        )
    try:
        url = f"http://127.0.0.1:{port}/"
        _wait(url, process, log)
        yield Server(url, uploads, log, process.pid)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.2)
    raise AssertionError(f"the app did not start: {log.read_text()}")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Headless Chromium, where there is one. N2N_REQUIRE_CHROMIUM makes its absence a failure."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        message = "there is no Chromium on this machine: the browser tests did not run"
        if os.environ.get("N2N_REQUIRE_CHROMIUM"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_api.sync_playwright() as playwright:
        found = playwright.chromium.launch(
            executable_path=chromium,
            args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"],
        )
        yield found
        found.close()
