"""What the Train tab shows of a run, whether this process knows it or only its files do."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from n2n.history import History, Row
from n2n.jobs import OVER, State, View
from n2n.live import Event
from n2n.saved import Saved
from n2n.ui.handlers import curves, train_words
from n2n.ui.handlers.curves import Curves
from n2n.ui.handlers.models import duration
from n2n.ui.handlers.pictures import Pixels
from n2n.ui.handlers.quality import psnr_db
from n2n.ui.handlers.run_files import Files
from n2n.ui.handlers.visible_run import VisibleRun

IDLE, WAITING, RUNNING, ENDED = "idle", "waiting", "running", "ended"
CONTINUE, GO_ON = "Continue training", "Go on"


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture and its caption."""

    pixels: Pixels
    caption: str


@dataclass(frozen=True)
class Seen:
    """What a page shows already, so that nothing is sent twice."""

    run: str = ""
    phase: str = ""
    events: int = -1
    has_pictures: bool = False  # the noisy and the clean one, which stay as they are


@dataclass(frozen=True, eq=False)
class Update:
    """What changes on the page; None leaves a part as it is.

    `go_on` is what stands on the button that continues a run; empty where there is nothing to
    continue. `has_model`: whether there is a model to use and to download.
    """

    seen: Seen
    phase: str | None = None
    line: str | None = None
    loss: Curves | None = None
    psnr: Curves | None = None
    noisy: Picture | None = None
    now: Picture | None = None
    clean: Picture | None = None
    go_on: str | None = None
    has_model: bool | None = None


def of_view(
    seen: Seen, run: str, files: Files, view: View[Event], work: VisibleRun | None
) -> Update | None:
    """What is new of a run since a page has `seen` it; None where nothing is."""
    over = view.state in OVER
    phase = ENDED if over else WAITING if view.state is State.WAITING else RUNNING
    had_pictures = seen.has_pictures and seen.run == run
    new = Seen(run, str(view.state), view.events, had_pictures)
    if new == seen and phase != WAITING:
        return None
    rows = [] if work is None else work.rows
    if over:
        line = train_words.ending(view.state, view.error, files.facts())
    else:
        line = train_words.state(view, rows, work)
    update = Update(
        new,
        phase,
        line,
        go_on=_button(files) if over else "",
        has_model=over and files.weights.is_file(),
    )
    if work is None or not rows:
        return update
    update = _with_rows(update, work, rows)
    return update if had_pictures else _with_pictures(update, work)


def _with_rows(update: Update, work: VisibleRun, rows: Sequence[Row]) -> Update:
    update = replace(update, loss=curves.loss(rows), psnr=curves.psnr(rows, work.references))
    estimate = work.estimate
    if estimate is None:
        return update
    return replace(update, now=Picture(estimate, f"Now: {psnr_db(estimate, work.clean):.1f} dB"))


def _with_pictures(update: Update, work: VisibleRun) -> Update:
    before = psnr_db(work.noisy, work.clean)
    return replace(
        update,
        seen=replace(update.seen, has_pictures=True),
        noisy=Picture(work.noisy, f"Noisy: {before:.1f} dB"),
        clean=Picture(work.clean, f"Clean: {work.watched_name}"),
    )


def of_files(run: str, files: Files) -> Update:
    """What is known of a run that only its files remember, if they do."""
    facts = files.facts() if run else {}
    seen = Seen(run, "kept" if facts else "nothing")
    if not facts:
        return Update(seen, IDLE, train_words.INVITATION, go_on="", has_model=False)
    line = train_words.ending(State.DONE, None, facts)
    if not facts.get("ended"):
        if not files.checkpoint.is_file():
            lost = f"The server was restarted before {facts['title']} had a checkpoint."
            return Update(seen, IDLE, lost, go_on="", has_model=False)
        try:
            saved = Saved.read(files.checkpoint)
        except ValueError as error:
            return Update(seen, IDLE, f"{error}.", go_on="", has_model=False)
        line = train_words.interrupted(facts, int(saved.state["step"]), _left(saved))
    update = Update(seen, ENDED, line, go_on=_button(files), has_model=files.weights.is_file())
    if files.history.is_file():
        rows = History.read_csv(files.history).rows
        update = replace(
            update,
            loss=curves.loss(rows),
            psnr=curves.psnr(rows, facts.get("references", {})),
        )
    return update


def _button(files: Files) -> str:
    if not files.checkpoint.is_file():
        return ""
    return CONTINUE if files.facts().get("ended") else GO_ON


def _left(saved: Saved) -> str:
    parts = []
    if saved.config.seconds is not None:
        parts.append(duration(max(saved.config.seconds - float(saved.state["elapsed"]), 0)))
    if saved.config.steps is not None:
        parts.append(f"{saved.config.steps - int(saved.state['step'])} steps")
    return " or ".join(parts)
