"""`/train` over the network: a stream of plain values, a weight file, one line for errors."""

from __future__ import annotations

import itertools
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.noise import create_noise
from n2n.ui.handlers.pictures import add_noise
from tests.conftest import Server

SECONDS = 3.0
PATIENCE_S = 60  # with a loaded machine
MODEL = next(iter(n2n.shipped_models()), "best")


@pytest.fixture
def files(tmp_path: Path) -> list[Any]:
    names = ("astronaut", "rocket", "retina")
    for name in names:
        images.write(tmp_path / f"{name}.png", sample(name)[:200, :200])
    return [handle_file(tmp_path / f"{name}.png") for name in names]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small.png"
    images.write(path, sample("chelsea")[:64, :64])
    return path


def events(job: Any) -> Iterator[tuple[float, dict[str, Any], str | None]]:  # noqa: ANN401
    """Each event of a call with the time it came at."""
    for event, path in job:
        yield time.monotonic(), event, path


def test_a_model_comes_out_that_denoises(server: Server, client: Client, files: list[Any]) -> None:
    kept = server.uploads.parent / "runs"
    before = set(kept.glob("*.safetensors"))  # of pages that other tests opened
    job = client.submit(files, "gaussian", 25, "small", SECONDS, "noisy", api_name="/train")
    found = list(events(job))
    begun = [(at, event) for at, event, _ in found if event["state"] == "running"]
    assert max(after - at for (at, _), (after, _) in itertools.pairwise(begun)) < 2
    steps = [event["step"] for _, event in begun]
    assert steps == sorted(steps)
    _, last, path = found[-1]
    assert last["state"] == "done"
    assert last["step"] > 0
    assert last["loss"] is not None
    assert last["psnr_db"] > 10
    assert set(last["references"]) == {"noisy input", MODEL}
    assert all(path is None for _, _, path in found[:-1])
    clean = sample("chelsea")[:128, :128]
    estimate = n2n.load(str(path))(add_noise(clean, create_noise("gaussian", 25), 0))
    assert estimate.shape == clean.shape
    assert estimate.dtype == np.uint8
    assert set(kept.glob("*.safetensors")) <= before  # all is handed out


def test_a_second_client_denoises_meanwhile(
    client: Client, server: Server, files: list[Any], small: Path
) -> None:
    job = client.submit(files, "gaussian", 25, "small", 20, "noisy", api_name="/train")
    _until(job, lambda event: event["step"] > 0)
    other = Client(server.url, verbose=False)
    start = time.monotonic()
    path, _ = other.predict(handle_file(small), MODEL, api_name="/denoise")
    assert time.monotonic() - start < PATIENCE_S / 2
    np.testing.assert_array_equal(
        images.read(path).pixels, n2n.load(MODEL)(images.read(small).pixels)
    )
    assert not job.done()
    job.cancel()


def test_a_cancelled_run_leaves_the_device_to_the_next(
    client: Client, server: Server, files: list[Any]
) -> None:
    other = Client(server.url, verbose=False)  # Gradio cancels all calls of a client at once
    first = client.submit(files, "gaussian", 25, "small", 60, "noisy", api_name="/train")
    _until(first, lambda event: event["step"] > 0)
    second = other.submit(files, "gaussian", 25, "small", 1, "clean", api_name="/train")
    _until(second, lambda event: event["state"] == "waiting" and event["place"] == 1)
    first.cancel()
    assert second.result(PATIENCE_S)[0]["state"] == "done"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        (("fog", 25, "small", 1, "noisy"), "unknown noise"),
        (("gaussian", 256, "small", 1, "noisy"), "between 0 and 255"),
        (("gaussian", "25", "small", 1, "noisy"), "level must be a number"),
        (("gaussian", 25, "worst", 1, "noisy"), "unknown model"),
        (("gaussian", 25, "run:x", 1, "noisy"), "unknown model"),
        (("gaussian", 25, "small", 0, "noisy"), "seconds must be above 0"),
        (("gaussian", 25, "small", 1e9, "noisy"), "at most 300"),
        (("gaussian", 25, "small", None, "noisy"), "seconds must be a number"),
        (("gaussian", 25, "small", 1, "teacher"), "unknown targets"),
    ],
)
def test_wrong_values_get_one_line(
    client: Client, files: list[Any], values: tuple[Any, ...], said: str
) -> None:
    assert said in _refused(client, files, *values).lower()


def test_wrong_photos_get_one_line(client: Client, files: list[Any], tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(99))
    values = ("gaussian", 25, "small", 1, "noisy")
    assert "broken.png" in _refused(client, [*files, handle_file(broken)], *values)
    assert "send a list of picture files" in _refused(client, [], *values)


@pytest.mark.parametrize("mark", [{}, {"meta": {"_type": "gradio.FileData"}}])
def test_a_path_that_a_client_names_is_never_opened(
    server: Server, tmp_path: Path, mark: dict[str, Any]
) -> None:
    images.write(tmp_path / "private.png", sample("chelsea"))
    picture = {"path": str(tmp_path / "private.png"), **mark}
    assert "event: complete" not in _raw(server, [[picture], "gaussian", 25, "small", 1, "noisy"])


def _raw(server: Server, data: list[Any]) -> str:
    """What a hand-made call is answered."""

    headers = {"Content-Type": "application/json"}
    address = f"{server.url}gradio_api/call/train"
    body = json.dumps({"data": data}).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body, headers)) as reply:
            event = json.load(reply)["event_id"]
        with urllib.request.urlopen(f"{address}/{event}", timeout=20) as reply:
            return reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.read().decode()


def _refused(client: Client, *values: Any) -> str:  # noqa: ANN401
    with pytest.raises(AppError) as caught:
        client.submit(*values, api_name="/train").result(PATIENCE_S)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def _until(job: Any, fact: Any) -> None:  # noqa: ANN401
    end = time.monotonic() + PATIENCE_S
    while not any(fact(event) for event, _ in job.outputs()):
        assert time.monotonic() < end, job.outputs()[-1:]
        assert not job.done(), job.exception()
        time.sleep(0.05)
