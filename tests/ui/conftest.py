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
def one_page(browser: Browser, server: Server) -> Iterator[Page]:
    page = Page(browser, server.url, WIDE)
    yield page
    page.context.close()


@pytest.fixture
def page(one_page: Page) -> Iterator[Page]:
    """A page that is open already, since opening one takes longest.

    For tests that do not mind what others did on it, in the order of their files.
    """
    one_page.page.get_by_role("tab", name="Denoise", exact=True).click()
    yield one_page
    assert one_page.complaints == []
    assert one_page.strangers == []


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Runs]:
    """Runs of this test alone, in place of the server's."""
    found = runs_in(tmp_path)
    put_in_place(found, monkeypatch)
    yield found
    found.close()
