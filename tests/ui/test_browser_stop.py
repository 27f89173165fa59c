"""The page under strain: it waits for its turn, stops, and shows a stranger's words as text."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image

import n2n
from n2n import images
from n2n.data.samples import sample
from n2n.devices import place
from tests.picture_files import icc_profile
from tests.ui.page import DONE_MS, Page

pytestmark = pytest.mark.browser
MODEL = next(iter(n2n.shipped_models()), "best")


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large.png"
    images.write(path, np.tile(sample("astronaut"), (5, 5, 1)))
    return path


@pytest.fixture
def busy(client: Client, large: Path) -> Iterator[Callable[[], None]]:
    """Keep the server's network busy until the returned function is called."""
    jobs = [client.submit(handle_file(large), MODEL, api_name="/denoise") for _ in range(3)]
    while not any(job.outputs() for job in jobs):
        assert not all(job.done() for job in jobs)
        time.sleep(0.05)

    def end() -> None:
        for job in jobs:
            job.cancel()

    yield end
    end()


def test_who_waits_for_a_turn_hears_so_and_may_stop(
    visit: Callable[..., Page], request: pytest.FixtureRequest
) -> None:
    page = visit()
    end = request.getfixturevalue("busy")
    start = page.page.get_by_role("button", name="Denoise", exact=True)
    stop = page.page.get_by_role("button", name="Stop", exact=True)
    start.click()
    page.page.get_by_text("Waiting for a turn").wait_for(timeout=DONE_MS)
    stop.click()
    page.page.get_by_text("Stopped.").wait_for(timeout=DONE_MS)
    stop.wait_for(state="hidden")
    end()
    page.set_level(40)
    page.page.get_by_text("PSNR, noisy → denoised").wait_for(state="detached", timeout=DONE_MS)
    page.wait_for_result()


@pytest.mark.skipif("CPU" not in place().label, reason="a GPU is done before one can press Stop")
def test_a_run_is_stopped_and_the_next_one_is_not_held_up(
    visit: Callable[..., Page], client: Client, large: Path, tmp_path: Path
) -> None:
    page = visit()
    page.upload(large)
    page.page.get_by_text("picture: 2560 × 2560 px").wait_for(timeout=DONE_MS)
    page.page.get_by_text(f"Press Denoise to run {MODEL}").wait_for(timeout=DONE_MS)
    page.page.get_by_role("button", name="Denoise", exact=True).click()
    page.page.get_by_text(f"Denoising 6.55 MP with {MODEL}").wait_for(timeout=DONE_MS)
    page.page.get_by_role("button", name="Stop", exact=True).click()
    page.page.get_by_text("Stopped.").wait_for(timeout=DONE_MS)
    small = tmp_path / "small.png"
    images.write(small, sample("chelsea")[:64, :64])
    client.submit(handle_file(small), MODEL, api_name="/denoise").result(20)
    page.page.wait_for_timeout(1000)  # nothing of the stopped run may come after
    assert "→" not in page.numbers()
    assert page.page.get_by_text("Stopped.").is_visible()


def test_words_from_a_file_are_shown_as_text(page: Page, tmp_path: Path) -> None:
    """As HTML, this description of a colour profile would load a stranger's picture."""
    hostile = b"<img src=//t.ex>"
    profile = icc_profile().replace(b"Adobe RGB (1998)", hostile)
    path = tmp_path / "photo.png"
    Image.fromarray(sample("chelsea")).save(path, icc_profile=profile)
    page.upload(path)
    page.page.get_by_text(f"converted from {hostile.decode()} to sRGB").wait_for(timeout=DONE_MS)
    assert page.page.locator("img[src*='t.ex']").count() == 0
    page.wait_for_result()
