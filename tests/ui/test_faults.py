"""Twenty clients at once, uploads cut off or refused: nobody hangs, the server goes on."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import n2n
from n2n import images
from n2n.data.samples import sample
from tests.conftest import Server, memory_megabytes

MODEL = next(iter(n2n.shipped_models()), "best")
CLIENTS = 20
PATIENCE_S = 50


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    images.write(path, sample("chelsea")[:96, :96])
    return path


def test_twenty_clients_get_a_picture_or_busy(narrow: Server, small: Path, tmp_path: Path) -> None:
    expected = n2n.load(MODEL)(sample("chelsea")[:96, :96])
    # Each with a folder of its own: equal pictures would be written to one file by all at once.
    folders = [tmp_path / f"{index}" for index in range(CLIENTS)]
    clients = [Client(narrow.url, verbose=False, download_files=folder) for folder in folders]

    def ask(client: Client) -> str:
        job = client.submit(handle_file(small), MODEL, api_name="/denoise")
        try:
            path, _ = job.result(PATIENCE_S)
        except TimeoutError:
            return "hung"
        except Exception as error:
            said = str(error).lower()
            return "busy" if "queue is full" in said or "busy" in said else said
        np.testing.assert_array_equal(images.read(path).pixels, expected)
        return "picture"

    with ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(ask, clients))
    assert set(answers) <= {"picture", "busy"}, answers
    assert answers.count("picture") >= 6


def test_an_upload_that_is_cut_off_leaves_the_server_fine(narrow: Server, small: Path) -> None:
    before = set(narrow.uploads.rglob("*"))
    for _ in range(5):
        _cut_off(narrow.url)
    client = Client(narrow.url, verbose=False)
    path, _ = client.submit(handle_file(small), MODEL, api_name="/denoise").result(PATIENCE_S)
    assert images.read(path).pixels.shape == (96, 96, 3)
    new = {found for found in narrow.uploads.rglob("*.png") if found not in before}
    assert not any("cut" in found.name for found in new)


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="Linux measures it")
@pytest.mark.parametrize("kind", ["bomb", "garbage"])
def test_a_refused_picture_leaves_nothing_in_memory(
    client: Client, server: Server, tmp_path: Path, kind: str
) -> None:
    """169 megapixels in a small file, and 60 MB that are no picture."""
    path = tmp_path / f"{kind}.png"
    if kind == "bomb":
        Image.new("1", (13_000, 13_000)).save(path)
    else:
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(60_000_000))
    before = memory_megabytes(server.process_id)
    Path(f"/proc/{server.process_id}/clear_refs").write_text("5")  # the peak begins anew
    for _ in range(3):
        with pytest.raises(AppError):
            client.predict(handle_file(path), api_name="/add_noise")
    assert memory_megabytes(server.process_id, "VmHWM") - before < 150
    assert memory_megabytes(server.process_id) - before < 50


def _cut_off(url: str) -> None:
    """Announce ten megabytes, send some, and hang up."""
    where = urlsplit(url)
    head = (
        "POST /gradio_api/upload HTTP/1.1\r\n"
        f"Host: {where.netloc}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 10000000\r\n\r\n"
        '--b\r\nContent-Disposition: form-data; name="files"; filename="cut.png"\r\n'
        "Content-Type: image/png\r\n\r\n"
    )
    with socket.create_connection((where.hostname, where.port), timeout=10) as line:
        line.sendall(head.encode() + bytes(100_000))
        time.sleep(0.2)
