"""Figures of the Studies tab as HTML: those of stored records are drawn once, when first seen."""

import base64
import threading
from functools import lru_cache
from html import escape

from n2n.studies import STUDIES, Record, figures, stored
from n2n.studies.figures import Layout
from n2n.studies.record import stored_name

DPI, CSS_DPI = 144, 96  # of the picture, and of the page that shows it
_drawing = threading.Lock()  # Matplotlib has fonts that all threads share

Stamp = tuple[int, int]  # of a file: when it was written, how large it is


def whole(name: str) -> Record | None:
    """The stored record of a study; None where it is not there, or not complete."""
    stamp = _stamp(name)
    return None if stamp is None else _whole(name, stamp)


def of_stored(name: str, layout: Layout) -> str:
    """The figure of the stored record; empty where there is none."""
    stamp = _stamp(name)
    if stamp is None or _whole(name, stamp) is None:
        return ""
    with _drawing:
        return _of_stored(name, stamp, layout)


def of_live(name: str, live: Record, layout: Layout) -> str:
    """The figure of a live record over the stored one, which may be missing."""
    with _drawing:
        return _html(name, _over(name, live), layout)


def png(name: str, live: Record) -> bytes:
    """The same with its title, as a file."""
    with _drawing:
        return figures.png(STUDIES[name].figure(_over(name, live)), DPI)


def _over(name: str, live: Record) -> Record:
    return stored.over(whole(name) or Record(), live)


def _stamp(name: str) -> Stamp | None:
    try:
        found = stored.path_of(name).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=2 * len(STUDIES))
def _whole(name: str, stamp: Stamp) -> Record | None:
    record = stored.stored(name)
    return record if stored.is_whole(STUDIES[name], record) else None


@lru_cache(maxsize=len(Layout) * len(STUDIES))
def _of_stored(name: str, stamp: Stamp, layout: Layout) -> str:
    return _html(name, _whole(name, stamp) or Record(), layout)


def _html(name: str, record: Record, layout: Layout) -> str:
    if not record.rows:
        return ""
    study = STUDIES[name]
    figure = study.figure(record, layout, titled=False)
    data = base64.b64encode(figures.png(figure, DPI)).decode()
    width, height = (round(CSS_DPI * inches) for inches in figure.get_size_inches())
    names = ", ".join(dict.fromkeys(map(stored_name, record.names())))
    alt = escape(f"{study.title}: curves of {names}", quote=True)
    return f'<img src="data:image/png;base64,{data}" alt="{alt}" width="{width}" height="{height}">'
