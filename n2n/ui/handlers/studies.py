"""The Studies tab: cards of what is stored, and live runs over it. A run is its page's alone."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from n2n.jobs import OVER, State, View
from n2n.studies import STUDIES, Event, Record, stored
from n2n.studies.figures import Layout
from n2n.ui.handlers import studies_pictures as pictures
from n2n.ui.handlers import studies_words as words
from n2n.ui.handlers.run_files import Files
from n2n.ui.handlers.runs import here, new_run, own_runs
from n2n.ui.handlers.studies_run import StudyOrder, VisibleStudy, study_runs
from n2n.ui.handlers.train import check_allowed
from n2n.ui.handlers.train_view import ENDED, IDLE, RUNNING, WAITING

DRAW_SECONDS = 1.5  # from one picture of a live run to the next, at least
DRAW_SHARE = 0.1  # of the time, at most: the run itself wants the rest
NARROW_PX = 800  # pages below this get panels below each other


@dataclass(frozen=True)
class Seen:
    """What a page shows already. `due` is when a new picture may be drawn."""

    run: str = ""
    state: str = ""
    events: int = -1
    drawn: int = -1  # the events that the picture shows
    due: float = field(default=0.0, compare=False)


NOTHING = Seen("nothing")  # is shown yet


@dataclass(frozen=True, eq=False)
class Update:
    """What changes on the page; `figure` is HTML, None where it stays as it is."""

    seen: Seen
    phase: str
    line: str
    figure: str | None = None
    has_live: bool = False


def layout_of(width_px: float | None) -> Layout:
    """How the panels lie on a page of this width."""
    return Layout.COLUMN if 0 < (width_px or 0) < NARROW_PX else Layout.ROW


def cards() -> Iterator[dict[str, str]]:
    """Cards by study, as HTML: all of them in words, then each with its picture when drawn."""
    yield {name: words.card(name, pictures.whole(name), "") for name in STUDIES}
    for name in STUDIES:
        picture = pictures.of_stored(name, Layout.FIRST)
        if picture:
            yield {name: words.card(name, pictures.whole(name), picture)}


def going(mine: object) -> str:
    """The study of which a page's run goes on or waits; empty where none does."""
    for run in own_runs(mine):
        view = study_runs().view(run)
        if view is not None and view.state not in OVER:
            return str(study_runs().files(run).facts().get("study", ""))
    return ""


def begin(mine: object, name: str) -> list[str]:
    """Queue a live run; an earlier one of the same page that still goes on is stopped.

    Args:
        mine: the ids that the page's browser remembers.
        name: of the study.

    Returns:
        The ids to remember, the new one first.

    Raises:
        ValueError: no such study, too many runs wait, or the owner does not allow training.
    """
    order, known, run = order_of(name), own_runs(mine), new_run()
    files = announce(run, name)
    try:
        study_runs().begin(run, order, instead_of=known)
    except ValueError:
        files.delete()
        raise
    return own_runs([run, *known])


def order_of(name: str) -> StudyOrder:
    """What to run.

    Raises:
        ValueError: no such study, or the owner does not allow training.
    """
    check_allowed()
    _check(name)
    return StudyOrder(name, words.longest_seconds())


def announce(run: str, name: str) -> Files:
    """Write down which study a run is of, so that a later server can say so."""
    files = study_runs().files(run)
    files.tell(study=name)
    return files


def inline(run: str, name: str, layout: Layout) -> Iterator[Update]:
    """A live run without a thread, as updates; closing this stops it."""
    order, files, seen = order_of(name), announce(run, name), Seen()
    for view, work in here(run, order):
        update = _of_view(seen, run, files, view, work, layout)
        if update is not None:
            seen = update.seen
            yield update


def look(mine: object, name: str, seen: Seen, layout: Layout) -> Update | None:
    """What is new of the page's newest run of a study; None where nothing is."""
    run = _newest(mine, name)
    view, files = study_runs().view(run), study_runs().files(run)
    if view is not None:
        return _of_view(seen, run, files, view, study_runs().work(run), layout)
    new = Seen(run, "kept")
    if new == seen:
        return None
    record = stored.to_look_at(files.record) if run else Record()
    figure = pictures.of_live(name, record, layout) if record.rows else _stored(name, layout)
    line = words.kept(name, record, files.facts())
    return Update(new, ENDED if record.rows else IDLE, line, figure, bool(record.rows))


def stop(mine: object) -> None:
    """Stop the page's run, or take it out of the queue."""
    for run in own_runs(mine):
        study_runs().stop(run)


def download(mine: object, name: str, which: str) -> tuple[bytes, str]:
    """A study's "figure", its "stored" data or the page's "live" data as a file, and its name.

    Raises:
        ValueError: it is not there (any more).
    """
    _check(name)
    files = study_runs().files(_newest(mine, name))
    if which == "figure":
        return pictures.png(name, stored.to_look_at(files.record)), f"{name}.png"
    path = stored.path_of(name) if which == "stored" else files.record
    if not path.is_file():
        raise ValueError("these data are not kept here (any more); run the study again")
    return path.read_bytes(), f"{name}.jsonl" if which == "stored" else f"{name}.quick.jsonl"


def _check(name: str) -> None:
    if name not in STUDIES:
        raise ValueError(f"unknown study {name!r:.40}; choose one of {', '.join(STUDIES)}")


def _of_view(
    seen: Seen,
    run: str,
    files: Files,
    view: View[Event],
    work: VisibleStudy | None,
    layout: Layout,
) -> Update | None:
    """What is new of a run that this process knows."""
    over, known = view.state in OVER, files.facts()
    name, record = str(known.get("study", "")), work.record if work is not None else Record()
    drawn = seen.drawn if seen.run == run else -1
    new = Seen(run, str(view.state), view.events, drawn, seen.due)
    if over and new == seen:
        return None
    phase = ENDED if over else WAITING if view.state is State.WAITING else RUNNING
    line = (
        words.ending(name, view, record, known)
        if over
        else words.state(view, words.longest_seconds())
    )
    update = Update(new, phase, line, has_live=bool(record.rows))
    if seen.run == run and (view.events == drawn or not (over or time.monotonic() >= seen.due)):
        return update
    return _drawn(update, name, record, layout)


def _drawn(update: Update, name: str, record: Record, layout: Layout) -> Update:
    """With a new picture, and not soon another."""
    begun = time.monotonic()
    figure = pictures.of_live(name, record, layout) if record.rows else _stored(name, layout)
    end = time.monotonic()
    due = end + max(DRAW_SECONDS, (end - begun) / DRAW_SHARE)
    seen = replace(update.seen, drawn=update.seen.events, due=due)
    return replace(update, seen=seen, figure=figure)


def _stored(name: str, layout: Layout) -> str:
    return pictures.of_stored(name, layout) if name else ""


def _newest(mine: object, name: str) -> str:
    """The page's newest run of a study; empty where it has none."""
    for run in own_runs(mine):
        if study_runs().files(run).facts().get("study") == name:
            return run
    return ""
