"""Stop ends a visitor's own streams, and their last word is the last."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from n2n.ui.handlers import stopping
from n2n.ui.handlers.stopping import COMPARING, DENOISING, stop, until_stopped

MINE, THEIRS = ("me", DENOISING), ("you", DENOISING)


class Words:
    """A stream that counts for ever, and knows whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False

    def stream(self) -> Iterator[int]:
        try:
            yield from range(1_000_000)
        finally:
            self.is_closed = True


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    yield
    assert stopping._streams == {}


def test_the_last_word_comes_instead_of_the_next_one() -> None:
    words = Words()
    heard = until_stopped(MINE, words.stream(), lambda: -1)
    assert [next(heard), next(heard)] == [0, 1]
    stop(MINE)
    assert next(heard) == -1
    assert words.is_closed, "the work goes on while the page shows the last word"
    assert list(heard) == []


def test_others_and_other_work_go_on() -> None:
    mine, theirs, table = (
        until_stopped(key, Words().stream(), lambda: -1)
        for key in (MINE, THEIRS, ("me", COMPARING))
    )
    for heard in (mine, theirs, table):
        next(heard)
    stop(MINE)
    assert [next(mine), next(theirs), next(table)] == [-1, 1, 1]
    theirs.close()
    table.close()


def test_all_of_a_visitors_streams_end() -> None:
    first, second = (until_stopped(MINE, Words().stream(), lambda: -1) for _ in range(2))
    next(first)
    next(second)
    stop(MINE)
    assert [*first, *second] == [-1, -1]


def test_what_came_to_its_end_says_nothing_more() -> None:
    heard = until_stopped(MINE, iter([1, 2]), lambda: -1)
    assert [next(heard), next(heard)] == [1, 2]
    stop(MINE)
    assert list(heard) == []
    stop(MINE)  # nothing streams, nothing happens


def test_a_stop_is_for_what_streams_now() -> None:
    stop(MINE)
    assert list(until_stopped(MINE, iter([1]), lambda: -1)) == [1]


def test_a_closed_page_closes_the_stream() -> None:
    words = Words()
    heard = until_stopped(MINE, words.stream(), lambda: -1)
    next(heard)
    heard.close()
    assert words.is_closed


def test_a_failure_passes_and_leaves_nothing() -> None:
    def failing() -> Iterator[int]:
        yield 1
        raise ValueError("no picture")

    with pytest.raises(ValueError, match="no picture"):
        list(until_stopped(MINE, failing(), lambda: -1))
