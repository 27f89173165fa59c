"""A denoiser that changes nothing, a clean store, and a program that calls the server."""

from collections.abc import Iterator

import pytest
from gradio_client import Client

from n2n.ui.handlers import network
from n2n.ui.handlers.store import store
from tests.conftest import Server
from tests.ui.visitor import VISITOR, Spy


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
