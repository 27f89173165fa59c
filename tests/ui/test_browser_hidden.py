"""A tab in the background for two minutes, as browsers treat it: frozen, no ticks."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.ui.page import Page
from tests.ui.train_page import ENDED, UNDER_WAY, TrainTab

pytestmark = [pytest.mark.browser, pytest.mark.slow]
HIDDEN_S = 120

SHOW = """state => {
  Object.defineProperty(document, "visibilityState", { value: state, configurable: true });
  Object.defineProperty(document, "hidden", { value: state == "hidden", configurable: true });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def test_a_tab_hidden_for_two_minutes_shows_where_its_run_is_now(
    visit: Callable[..., Page],
) -> None:
    page = visit()
    tab = TrainTab(page.page)
    tab.make_small(100_000)
    page.page.get_by_role("radio", name="Slow motion").check()  # the machine has other tests
    tab.start.click()
    tab.wait_for(UNDER_WAY)
    before = tab.step()
    lifecycle = page.context.new_cdp_session(page.page)
    page.page.evaluate(SHOW, "hidden")
    lifecycle.send("Page.setWebLifecycleState", {"state": "frozen"})
    page.page.wait_for_timeout(1000 * HIDDEN_S)
    lifecycle.send("Page.setWebLifecycleState", {"state": "active"})
    page.page.evaluate(SHOW, "visible")
    page.page.wait_for_timeout(3000)
    after = tab.step()
    assert after > before + HIDDEN_S / 3  # a step in 0.7 s and what it takes
    page.page.wait_for_timeout(3000)
    assert tab.step() > after
    tab.stop.click()
    tab.wait_for(ENDED)
