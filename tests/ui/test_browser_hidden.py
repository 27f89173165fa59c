"""A tab in the background for two minutes, as browsers treat it; a full queue; a server killed.

The tab waits while other tests run: the first test here hides it, those marked `last` come back.
"""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from n2n.ui.events import NETWORK_API
from tests.conftest import NARROW, Server, running_app
from tests.ui.page import WIDE, Page
from tests.ui.strain import fill_the_queue, large_picture
from tests.ui.train_page import ENDED, UNDER_WAY, TrainTab

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = pytest.mark.browser
HIDDEN_S = 120
AT_ONCE = NETWORK_API["concurrency_limit"]

SHOW = """state => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state == "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


class HiddenTab:
    """A page with a run under way, out of sight and frozen until `come_back`."""

    def __init__(self, page: Page) -> None:
        self.page, self.tab = page, TrainTab(page.page)
        self.tab.make_small(100_000)
        page.page.get_by_role("radio", name="Slow motion").check()  # the machine has other tests
        self.tab.start.click()
        self.tab.wait_for(UNDER_WAY)
        self.step, self.since = self.tab.step(), time.monotonic()
        self._lifecycle = page.context.new_cdp_session(page.page)
        self._show("hidden", "frozen")

    def come_back(self) -> None:
        self._show("visible", "active")

    def _show(self, state: str, life: str) -> None:
        if life == "frozen":
            self.page.page.evaluate(SHOW, state)
        self._lifecycle.send("Page.setWebLifecycleState", {"state": life})
        if life == "active":
            self.page.page.evaluate(SHOW, state)


@pytest.fixture(scope="session")
def hidden(browser: Browser, narrow: Server) -> Iterator[HiddenTab]:
    page = Page(browser, narrow.url, WIDE)
    yield HiddenTab(page)
    page.context.close()
    assert page.complaints == []
    assert page.strangers == []


def test_a_tab_is_hidden(hidden: HiddenTab) -> None:
    assert hidden.step >= 1


@pytest.mark.slow
@pytest.mark.last
def test_a_tab_hidden_for_two_minutes_shows_where_its_run_is_now(hidden: HiddenTab) -> None:
    time.sleep(max(0.0, hidden.since + HIDDEN_S - time.monotonic()))
    hidden.come_back()
    gone = time.monotonic() - hidden.since
    hidden.page.page.wait_for_timeout(2000)
    after = hidden.tab.step()
    assert after > hidden.step + gone / 3  # a step in 0.7 s and what it takes
    hidden.tab.wait_for_more(after)


@pytest.mark.last
def test_a_run_is_watched_while_the_queue_is_full(
    hidden: HiddenTab, narrow: Server, tmp_path: Path
) -> None:
    """Looks at a run do not stand in the queue; what does is refused in a line."""
    hidden.come_back()
    said = fill_the_queue(narrow, large_picture(tmp_path))
    assert said[:AT_ONCE] == [""] * AT_ONCE
    assert "queue is full" in said[-1].lower()
    hidden.tab.wait_for_more(hidden.tab.step())
    assert hidden.page.page.get_by_test_id("toast-body").count() == 0


@pytest.mark.last
def test_a_killed_servers_run_goes_on_in_the_next_one(hidden: HiddenTab, narrow: Server) -> None:
    hidden.come_back()
    page, step = hidden.page.page, hidden.tab.step()
    page.goto("about:blank")
    os.kill(narrow.process_id, signal.SIGKILL)
    folder, port = narrow.log.parent, int(narrow.url.rstrip("/").rpartition(":")[2])
    with running_app(folder, port, **NARROW):
        page.goto(narrow.url)
        hidden.page.wait_for_result()
        tab = TrainTab(page)
        said = tab.wait_for(re.compile("^The server was restarted during my run of"))
        kept = int(re.search(r"from step (\d+)", said)[1])
        assert 0 < kept <= step + 5
        page.get_by_role("button", name="Go on").click()
        assert tab.step() >= kept
        tab.stop.click()
        tab.wait_for(ENDED)
        page.goto("about:blank")
