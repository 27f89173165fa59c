"""The Train tab where the GPU is lent by the call: the same events from a generator, no thread."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import Server, running_app
from tests.ui.page import WIDE, Page
from tests.ui.train_page import ENDED, UNDER_WAY, TrainTab

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def lent(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("lent")
    with running_app(folder, SPACES_ZERO_GPU="1", N2N_GPU_SECONDS="20") as found:
        yield found


def test_a_run_inside_one_event(browser: Any, lent: Server) -> None:  # noqa: ANN401
    page = Page(browser, lent.url, WIDE)
    tab = TrainTab(page.page)
    assert "20 s" in page.page.locator("#plan").inner_text()  # the limit of the call
    assert not page.page.get_by_text("Slow motion").is_visible()  # nothing could set it
    tab.make_small(20)
    assert tab.run().startswith("Done after 20 steps")
    tab.fill("Steps", 100_000)
    tab.start.click()
    tab.wait_for(UNDER_WAY)
    tab.stop.click()
    assert tab.wait_for(ENDED)
    tab.start.wait_for()
    page.page.get_by_role("button", name="Try it in Denoise").click()
    page.page.get_by_role("radio", name=re.compile("^my run of")).first.wait_for()
    page.context.close()
    assert page.complaints == []
