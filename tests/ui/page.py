"""A page of the app in Chromium, as a visitor uses it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from n2n import images

if TYPE_CHECKING:
    from playwright.sync_api import Browser, ConsoleMessage

STILL = "* { animation: none !important; transition: none !important }"
SERIOUS = ("serious", "critical")
WIDE, NARROW = {"width": 1440, "height": 900}, {"width": 375, "height": 800}
DONE_MS = 60_000  # patience with a loaded machine, not a goal
NUMBERS = re.compile(r"([\d.]+) → ([\d.]+) dB")
SSIM = re.compile(r"^\d\.\d+ → \d\.\d+$")  # comes last


# What Gradio's own client says of its upload stream, and of the library that draws its plots.
GRADIOS_OWN = ("Method not implemented.", "WARN The input spec uses Vega-Lite")


class Page:
    """A page of the app in a context of its own, and what went wrong on it."""

    def __init__(
        self, browser: Browser, url: str, size: dict[str, int], theme: str = "light"
    ) -> None:
        self.context = browser.new_context(viewport=size, accept_downloads=True)
        self.page = self.context.new_page()
        self.complaints, self.strangers = [], []
        self.page.on("console", self._heard)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))
        self.page.on("request", lambda request: self._asked(request.url, url))
        self.page.goto(f"{url}?__theme={theme}")
        self.wait_for_result()

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not message.text.startswith(GRADIOS_OWN):
            self.complaints.append(message.text)

    def _asked(self, address: str, own: str) -> None:
        if not address.startswith((own, "data:", "blob:")):
            self.strangers.append(address)

    def wait_for_result(self) -> None:
        self.page.locator(".numbers dd").filter(has_text=SSIM).wait_for(timeout=DONE_MS)

    def hold_still(self) -> None:
        """Without movement, so that nothing is judged on its way."""
        self.page.add_style_tag(content=STILL)

    def flaws(self) -> list[tuple[str, str]]:
        """What of the page scrolls sideways, and what axe finds serious."""
        axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")
        found = []
        excess = self.page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if excess > 0:
            found.append(("scrolls sideways", f"{excess} px too wide"))
        for one in axe.Axe().run(self.page).response["violations"]:
            if one["impact"] in SERIOUS:
                found += [(one["id"], node["html"][:200]) for node in one["nodes"]]
        return found

    def numbers(self) -> str:
        return self.page.locator(".numbers").inner_text()

    def psnr(self) -> tuple[float, ...]:
        return tuple(float(value) for value in NUMBERS.search(self.numbers()).groups())

    def download(self, which: str, folder: Path) -> np.ndarray:
        with self.page.expect_download(timeout=DONE_MS) as caught:
            self.page.get_by_role("button", name=f"Download {which} PNG").click()
        path = Path(folder) / caught.value.suggested_filename
        caught.value.save_as(path)
        return images.read(path).pixels

    def upload(self, path: Path) -> None:
        self.page.set_input_files("input[type=file] >> nth=0", path)

    def set_level(self, value: float) -> None:
        box = self.page.get_by_label("number input for σ (8-bit units)")
        box.fill(str(value))
        box.press("Enter")
