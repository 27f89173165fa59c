"""A denoiser that changes nothing, and a store without yesterday's pictures."""

from collections.abc import Iterator

import pytest

from n2n.ui.handlers import network
from n2n.ui.handlers.store import store
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
