"""Half an hour of mixed use of a server of its own: its memory must stay flat.

`python -m tests.ui.soak 30` prints, once a minute, requests served and the server's memory (Linux).
"""

import itertools
import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from n2n import images
from n2n.benchmark.app import BUTTON, DETAIL, STRENGTH, UPLOAD, served
from n2n.benchmark.page import Visitor
from n2n.data.samples import sample
from tests.conftest import memory_megabytes

SIDES_PX = (64, 300, 512, 1500)
TRAIN_EVERY, BROKEN_EVERY = 6, 4  # rounds
NOISES = (("gaussian", 25), ("poisson", 20), ("text", 0.2), ("correlated-gaussian", 30))


def main(minutes: float) -> None:
    """Use the server in rounds until the time is over; print its memory."""
    os.environ["N2N_SESSION_MINUTES"] = "2"  # what visitors leave behind goes while one watches
    with tempfile.TemporaryDirectory() as name, served(Path(name)) as (url, _):
        client, folder = Client(url, verbose=False, download_files=folder_in(name)), Path(name)
        begun = due = time.monotonic()
        for turn in itertools.count():
            now = time.monotonic()
            if now >= due:
                megabytes = memory_megabytes(child())
                print(f"{(now - begun) / 60:5.1f} min {turn:5} rounds {megabytes:7.0f} MB")
                sys.stdout.flush()
                due += 60
            if now - begun > 60 * minutes:
                return
            use(client, folder, turn)
            visit(url, folder / "visited.png", turn)


def folder_in(name: str) -> str:
    """Where the client keeps what it is sent."""
    folder = Path(name) / "client"
    folder.mkdir()
    return str(folder)


def use(client: Client, folder: Path, turn: int) -> None:
    """One round: noise, denoising, comparing; now and then a broken file, or a short training."""
    side, (noise, level) = SIDES_PX[turn % len(SIDES_PX)], NOISES[turn // 2 % len(NOISES)]
    photo = folder / "photo.png"
    images.write(photo, np.resize(sample("astronaut"), (side, side, 3)))
    noisy = client.predict(handle_file(photo), noise, level, turn, api_name="/add_noise")
    photo.with_name("visited.png").write_bytes(photo.read_bytes())
    model = ("best", "fast")[turn % 2]
    denoised, _ = client.predict(handle_file(noisy), model, 1.0, api_name="/denoise")
    files = [handle_file(path) for path in (noisy, denoised, photo)]
    client.predict(*files, api_name="/compare")
    if turn % BROKEN_EVERY == 0:
        photo.write_bytes(photo.read_bytes()[:999])
        try:
            client.predict(handle_file(photo), "fast", 1.0, api_name="/denoise")
        except AppError:
            pass  # refused in one line, as it should be
        else:
            raise AssertionError("a broken file was denoised")
    if turn % TRAIN_EVERY == 0:
        images.write(photo, sample("coffee"))
        asked = ([handle_file(photo)], "gaussian", 25, "small", 3, "noisy")
        list(client.submit(*asked, api_name="/train"))


def visit(url: str, photo: Path, turn: int) -> None:
    """A page: opened, given a picture, looked at, and left without a word, as tabs are."""
    visitor = Visitor(url)
    visitor.open()
    visitor.upload(UPLOAD, photo)
    visitor.click(BUTTON)
    visitor.change(STRENGTH, turn % 100)
    visitor.click(DETAIL, "select")


def child() -> int:
    """The server: the only child of this process."""
    found = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    return int(found[0])


if __name__ == "__main__":
    main(float(sys.argv[1]))
