"""Stop, as a visitor means it: what streams for them ends at its next word and says so last.

Gradio's own `cancels` closes a stream only after the page has shown what the Stop button answers: a
word that was on its way came last then, and stayed.
"""

import threading
from collections.abc import Callable, Generator, Iterator
from typing import TypeVar

T = TypeVar("T")
Key = tuple[str, str]  # a visitor's id, and what of theirs is stopped
DENOISING, COMPARING, DRAWING = "denoising", "comparing", "drawing"

_lock = threading.Lock()
_streams: dict[Key, set[threading.Event]] = {}


def until_stopped(key: Key, stream: Iterator[T], last: Callable[[], T]) -> Iterator[T]:
    """The words of a stream, or after `stop(key)` the last one, when the stream is closed."""
    stopped = threading.Event()
    with _lock:
        _streams.setdefault(key, set()).add(stopped)
    try:
        for word in stream:
            if stopped.is_set():
                _close(stream)  # the work ends now, not when the page has shown the last word
                yield last()
                return
            yield word
    finally:
        _close(stream)
        with _lock:
            _streams[key].remove(stopped)
            if not _streams[key]:
                del _streams[key]


def stop(key: Key) -> None:
    """End all that streams under this key; nothing does, nothing happens."""
    with _lock:
        for stopped in _streams.get(key, ()):
            stopped.set()


def _close(stream: Iterator[T]) -> None:
    if isinstance(stream, Generator):
        stream.close()
