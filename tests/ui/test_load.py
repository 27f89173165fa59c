"""Many calls at once: cancelled ones leave nothing behind."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
from gradio_client import Client, handle_file
from gradio_client.utils import Status

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.ui import launch_options
from n2n.ui.events import NETWORK_API
from tests.ui.strain import MODEL, large_picture

BEGUN = Status.PROCESSING, Status.ITERATING
AT_ONCE = NETWORK_API["concurrency_limit"]


def test_cancelled_calls_leave_the_server_answering(client: Client, tmp_path: Path) -> None:
    """More of them than the server has threads."""
    file = handle_file(large_picture(tmp_path))
    for _ in range(launch_options()["max_threads"] // AT_ONCE + 1):
        jobs = [client.submit(file, MODEL, api_name="/denoise") for _ in range(AT_ONCE)]
        end = time.monotonic() + 20
        while not any(job.status().code in BEGUN for job in jobs):
            assert time.monotonic() < end, "no call has begun"
            time.sleep(0.05)
        for job in jobs:
            job.cancel()
    small, path = np.ascontiguousarray(sample("chelsea")[:64, :64]), tmp_path / "small.png"
    images.write(path, small)
    job = client.submit(handle_file(path), MODEL, api_name="/denoise")
    found, _ = job.result(20)
    np.testing.assert_array_equal(images.read(found).pixels, n2n.load(MODEL)(small))
