"""A denoiser that changes nothing, a clean store, and who calls the server: page and program."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from gradio_client import Client

from n2n.ui.handlers import network
from n2n.ui.handlers.runs import Runs
from n2n.ui.handlers.store import store
from tests.conftest import Server
from tests.ui.page import WIDE, Page
from tests.ui.runs import put_in_place, runs_in
from tests.ui.visitor import VISITOR, Spy

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def identity(monkeypatch: pytest.MonkeyPatch) -> Spy:
    spy = Spy()
    monkeypatch.setattr(network, "load", lambda name: spy)
    monkeypatch.setattr(network, "_ms_per_megapixel", {})
    return spy


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    yield
    store().drop(VISITOR)


@pytest.fixture(scope="module")
def client(server: Server) -> Client:
    return Client(server.url, verbose=False)


@pytest.fixture
def visit(browser: Browser, server: Server) -> Iterator[Callable[..., Page]]:
    """Open the page; in the end nothing may have gone wrong on it."""
    pages = []

    def open_page(size: dict[str, int] = WIDE, theme: str = "light") -> Page:
        pages.append(Page(browser, server.url, size, theme))
        return pages[-1]

    yield open_page
    for page in pages:
        page.context.close()
        assert page.complaints == []
        assert page.strangers == []


@pytest.fixture(scope="session")
def opened(browser: Browser) -> Iterator[list[Page]]:
    """The shared page, if there is one; it goes before its browser does."""
    pages: list[Page] = []
    yield pages
    for page in pages:
        page.context.close()


@pytest.fixture
def page(
    request: pytest.FixtureRequest, opened: list[Page], browser: Browser, server: Server
) -> Iterator[Page]:
    """A wide page that is open already, since opening one takes longest, at the Denoise tab.

    For tests that set what they need, whatever others did on it, and leave the strength at 100 %
    and no run under way. After a failure it is another one.
    """
    if not opened:
        opened.append(Page(browser, server.url, WIDE))
    (found,) = opened
    found.page.get_by_role("tab", name="Denoise", exact=True).click()
    failed = request.session.testsfailed
    yield found
    if request.session.testsfailed > failed or found.complaints or found.strangers:
        opened.clear()
        found.context.close()
    assert found.complaints == []
    assert found.strangers == []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Runs of this test alone, in place of the server's."""
    found = runs_in(tmp_path)
    put_in_place(found, monkeypatch)
    yield found
    found.close()
