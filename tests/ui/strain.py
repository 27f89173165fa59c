"""Calls that fill a server's queue."""

from __future__ import annotations

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file

import n2n
from n2n import images
from n2n.data.samples import sample
from tests.conftest import Server

MODEL = next(iter(n2n.shipped_models()), "best")


def large_picture(folder: Path) -> Path:
    """A second of work, or more."""
    path = folder / "large.png"
    images.write(path, np.tile(sample("astronaut"), (3, 3, 1)))
    return path


def fill_the_queue(server: Server, picture: Path) -> list[str]:
    """Have a picture denoised until that is refused; what was said to each call."""
    path, said = _upload(server, picture), [""]
    while not said[-1]:
        assert len(said) < 30, "the queue has no end"
        said.append(_call(server, path))
    return said[1:]


def _upload(server: Server, file: Path) -> str:
    found = Client(server.url, verbose=False).predict(handle_file(file), api_name="/add_noise")
    target = server.uploads / "large.png"
    target.write_bytes(Path(found).read_bytes())
    return str(target)


def _call(server: Server, path: str) -> str:
    """Start a call without waiting for it; what was said against it."""
    picture = {"path": path, "meta": {"_type": "gradio.FileData"}}
    body = json.dumps({"data": [picture, MODEL, 1]}).encode()
    headers = {"Content-Type": "application/json"}
    address = f"{server.url}gradio_api/call/denoise"
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=20):
            time.sleep(0.3)  # the queue hands it on
            return ""
    except urllib.error.HTTPError as error:
        return error.read().decode()
