"""The Train tab in Chromium, as a visitor uses it, with runs that take a moment."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.ui.page import DONE_MS

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ENDED = re.compile(r"^(Done|Stopped) after \d+ steps")
UNDER_WAY = re.compile(r"^Step \d+")


class TrainTab:
    """The tab of a page that is open."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.open()

    def open(self) -> None:
        self.page.get_by_role("tab", name="Train", exact=True).click()
        self.start.or_(self.stop).first.wait_for(timeout=DONE_MS)
        self.page.locator("#plan").get_by_text("crops of").wait_for(timeout=DONE_MS)

    @property
    def start(self) -> Locator:
        return self.page.get_by_role("button", name="Start", exact=True)

    @property
    def stop(self) -> Locator:
        return self.page.locator("#train-stop")

    @property
    def line(self) -> Locator:
        return self.page.locator("#train-line p")

    def make_small(self, steps: int = 20) -> None:
        """Runs of a moment: two crops of 16 px a step."""
        if not self.page.get_by_label("Learning rate").is_visible():
            self.page.get_by_role("button", name="Advanced").click()
        self.fill("Batch (crops)", 2)
        self.fill("Crop (px)", 16)
        self.page.get_by_role("radio", name="Steps", exact=True).check()
        self.fill("Steps", steps)
        self.page.locator("#plan").get_by_text(re.compile(f"{steps} steps of 2 crops")).wait_for(
            timeout=DONE_MS
        )

    def fill(self, label: str, value: float) -> None:
        box = self.page.get_by_label(label, exact=False).and_(
            self.page.locator("input[type=number]")
        )
        box.first.fill(str(value))
        box.first.press("Tab")

    def wait_for(self, said: re.Pattern[str], timeout_ms: float = DONE_MS) -> str:
        line = self.line.filter(has_text=said)
        line.wait_for(timeout=timeout_ms)
        return line.inner_text()

    def step(self) -> int:
        return int(re.search(r"Step (\d+)", self.wait_for(UNDER_WAY))[1])

    def wait_for_more(self, step: int) -> None:
        """Wait until a later step is shown."""
        end = time.monotonic() + DONE_MS / 1000
        while self.step() <= step:
            assert time.monotonic() < end, f"nothing but step {step} was shown"
            self.page.wait_for_timeout(100)

    def run(self) -> str:
        """Start, and wait for the end of that run: the line of the one before stands till then."""
        before = self.line.all_inner_texts()
        self.start.click()
        end = time.monotonic() + DONE_MS / 1000
        while self.line.all_inner_texts() == before:
            assert time.monotonic() < end, f"the line stays {before}"
            self.page.wait_for_timeout(20)
        return self.wait_for(ENDED)

    def download(self, button: str, folder: Path) -> Path:
        with self.page.expect_download(timeout=DONE_MS) as caught:
            self.page.get_by_role("button", name=button).click()
        path = folder / caught.value.suggested_filename
        caught.value.save_as(path)
        return path
