"""Many calls at once: cancelled ones leave nothing behind, and one too many is told so."""

import json
import time
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.utils import Status

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.ui import launch_options
from n2n.ui.events import NETWORK_API
from tests.conftest import Server, running_app

MODEL = next(iter(n2n.shipped_models()), "best")
BEGUN = Status.PROCESSING, Status.ITERATING
AT_ONCE = NETWORK_API["concurrency_limit"]


@pytest.fixture
def large(tmp_path: Path) -> Path:
    """A second of work, or more."""
    path = tmp_path / "large.png"
    images.write(path, np.tile(sample("astronaut"), (3, 3, 1)))
    return path


def test_cancelled_calls_leave_the_server_answering(client: Client, large: Path) -> None:
    """More of them than the server has threads."""
    file = handle_file(large)
    for _ in range(launch_options()["max_threads"] // AT_ONCE + 1):
        jobs = [client.submit(file, MODEL, api_name="/denoise") for _ in range(AT_ONCE)]
        end = time.monotonic() + 20
        while not any(job.status().code in BEGUN for job in jobs):
            assert time.monotonic() < end, "no call has begun"
            time.sleep(0.05)
        for job in jobs:
            job.cancel()
    small = np.ascontiguousarray(sample("chelsea")[:64, :64])
    images.write(large, small)
    job = client.submit(handle_file(large), MODEL, api_name="/denoise")
    path, _ = job.result(20)
    np.testing.assert_array_equal(images.read(path).pixels, n2n.load(MODEL)(small))


def test_one_call_too_many_is_told_so(tmp_path: Path, large: Path) -> None:
    folder = tmp_path / "server"
    folder.mkdir()
    with running_app(folder, N2N_QUEUE="1") as server:
        path = _upload(server, large)
        said = [_call(server, path) for _ in range(AT_ONCE + 3)]
    assert said[:AT_ONCE] == [""] * AT_ONCE
    assert "queue is full" in said[-1].lower()


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
