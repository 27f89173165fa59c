"""The view Samples in Chromium: nothing is drawn before it is asked for."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from n2n import images
from n2n.data.samples import sample
from tests.ui.page import DONE_MS, Page

pytestmark = pytest.mark.browser


def test_samples_are_drawn_when_asked_for(visit: Callable[..., Page], tmp_path: Path) -> None:
    path = tmp_path / "small.png"  # a moment's work even where other tests run
    images.write(path, sample("astronaut")[60:156, 180:276])
    visited = visit()
    page = visited.page
    page.get_by_role("radio", name=re.compile("fast")).check()
    page.get_by_role("tab", name="Samples").click()
    visited.upload(path)
    page.get_by_text("4 samples of 96 × 96 px, 13 passes of fast each").wait_for(timeout=DONE_MS)
    assert not page.get_by_text("Sample 1").is_visible()
    page.get_by_role("button", name="Draw 4 samples").click()
    page.get_by_role("button", name="Draw another").wait_for(timeout=DONE_MS)
    labels = page.get_by_text(re.compile(r"(Sample \d|Denoised|Mean of 4), [\d.]+ dB"))
    labels = labels.filter(visible=True)
    labels.nth(5).wait_for(timeout=DONE_MS)  # the pictures come one after the other
    values = [float(re.findall(r"[\d.]+(?= dB)", text)[0]) for text in labels.all_inner_texts()]
    assert len(values) == 6
    *samples, denoised, mean = values
    assert max(samples) < mean < denoised
    page.get_by_role("button", name="Few photons").click()
    page.get_by_text("Samples need white Gaussian noise, this is Poisson").wait_for(timeout=DONE_MS)
    assert not page.get_by_role("button", name="Draw another").is_visible()
    assert not page.get_by_text("Sample 1").is_visible()
