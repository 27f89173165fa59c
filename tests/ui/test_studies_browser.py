"""A study run live in Chromium, on a phone's screen: found again, stopped, taken away."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from n2n import images
from n2n.studies import Record, stored
from tests.ui.page import DONE_MS, NARROW, Page

if TYPE_CHECKING:
    from playwright.sync_api import Locator

pytestmark = pytest.mark.browser
UNDER_WAY = re.compile(r"^Curve \d of 7, .* step \d+ of 30")


def line(page: Page, said: re.Pattern[str]) -> Locator:
    found = page.page.locator("#study-line p").filter(has_text=said)
    found.wait_for(timeout=3 * DONE_MS)  # other runs may go first
    return found


def download(page: Page, button: str, folder: Path) -> Path:
    with page.page.expect_download(timeout=DONE_MS) as caught:
        page.page.get_by_role("button", name=button).click()
    path = folder / caught.value.suggested_filename
    caught.value.save_as(path)
    return path


def test_a_study_live(visit: Callable[..., Page], tmp_path: Path) -> None:
    page = visit(NARROW)
    page.hold_still()
    page.page.get_by_role("tab", name="Studies", exact=True).click()
    page.page.get_by_alt_text(re.compile("^One sample, input = target.*20 LBFGS, rate 1")).wait_for(
        timeout=DONE_MS
    )
    assert page.flaws() == []
    page.page.locator("#run-optimizers").click()  # takes a minute: a reload finds it under way
    line(page, UNDER_WAY)
    figure = page.page.locator("#study-figure img")
    figure.wait_for(timeout=DONE_MS)
    early = figure.get_attribute("src")
    page.page.reload()
    page.page.get_by_role("tab", name="Studies", exact=True).click()
    line(page, UNDER_WAY)
    page.page.locator("#study-stop").click()
    line(page, re.compile(r"^Stopped after .* of 7 curves whole"))
    assert figure.get_attribute("src") != early
    page.page.locator("#study-run").wait_for()
    assert page.flaws() == []
    record = Record.read(download(page, "Download live data", tmp_path))
    assert record.rows[0].curve == "SGD"
    assert images.read(download(page, "Download figure", tmp_path)).pixels.shape[1] > 1000
    page.page.get_by_role("button", name="All studies").click()
    page.page.locator("#open-identity").click()
    page.page.get_by_text("What differs from the report, and why").wait_for()
    assert download(page, "Download data", tmp_path).read_bytes() == (
        stored.path_of("identity").read_bytes()
    )
