"""What stands between Gradio and the handlers."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import gradio as gr
import numpy as np
from PIL import Image

from n2n import images
from n2n.ui import events
from tests.tiny import photo


def test_a_picture_is_never_fetched_half_written(tmp_path: Path) -> None:
    """Two visitors with equal pictures share a file: one is sent it while the other saves it."""
    widget = gr.Image(format="png")
    widget.GRADIO_CACHE = str(tmp_path)
    picture, ended = photo(64, 96), threading.Event()
    path = Path(widget.postprocess(picture).path)
    whole = path.read_bytes()

    def save() -> None:
        for _ in range(150):
            assert Path(widget.postprocess(picture).path) == path
        ended.set()

    def fetch() -> set[bytes]:
        found = set()
        while not ended.is_set():
            found.add(path.read_bytes())
        return found

    with ThreadPoolExecutor(2) as pool:
        fetched = pool.submit(fetch)
        pool.submit(save).result()
    assert fetched.result() == {whole}
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_a_picture_that_was_pruned_is_written_again(tmp_path: Path) -> None:
    def save() -> Path:
        picture = Image.fromarray(photo(8, 9))
        return Path(events.save_whole(picture, str(tmp_path), format="png"))

    os.utime(save(), (0, 0))
    path = save()
    assert path.stat().st_mtime > 0  # as fresh as a new one
    path.unlink()
    np.testing.assert_array_equal(images.read(save()).pixels, photo(8, 9))
