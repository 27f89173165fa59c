"""Every tab, both themes, wide and narrow: axe finds nothing serious, nothing scrolls sideways."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.conftest import Server
from tests.ui.page import NARROW, WIDE, Page
from tests.ui.train_page import TrainTab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def still(browser: Browser, server: Server) -> Iterator[Page]:
    page = Page(browser, server.url, WIDE)
    page.hold_still()
    yield page
    page.context.close()
    assert page.complaints == []
    assert page.strangers == []


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_tab_is_accessible_wide_and_narrow(still: Page, theme: str) -> None:
    names = still.page.get_by_role("tablist").first.get_by_role("tab").all_inner_texts()
    assert {"Denoise", "Train", "How it works"} <= set(names)
    paint(still, theme)
    found = []
    for name in names:
        still.page.get_by_role("tab", name=name, exact=True).click()
        if name == "How it works":
            still.page.get_by_alt_text("noisy picture, the input").wait_for()
        found += flaws(still, f"{name}, {theme}")
    assert found == []


def test_a_run_that_ended_is_accessible_wide_and_narrow(still: Page) -> None:
    tab = TrainTab(still.page)
    tab.make_small(20)
    tab.run()
    still.page.get_by_role("button", name="Try it in Denoise").wait_for()
    found = []
    for theme in ("light", "dark"):
        paint(still, theme)
        found += flaws(still, f"Train, ended, {theme}")
    assert found == []


def paint(page: Page, theme: str) -> None:
    """As Gradio does where the address asks for a theme."""
    page.page.evaluate("dark => document.body.classList.toggle('dark', dark)", theme == "dark")


def flaws(page: Page, state: str) -> list[tuple[str, ...]]:
    """What is wrong in a state of the page, at both widths; it is left wide."""
    found: list[tuple[str, ...]] = []
    for size in (NARROW, WIDE):
        page.page.set_viewport_size(size)
        page.page.wait_for_timeout(300)
        found += [(state, f"{size['width']} px", *flaw) for flaw in page.flaws()]
    return found
