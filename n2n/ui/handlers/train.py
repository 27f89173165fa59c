"""The Train tab: begin a run, watch it, stop it, take its model away. A run is its page's alone."""

import io
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from n2n import TrainConfig, figures
from n2n.history import History
from n2n.saved import Saved
from n2n.ui.handlers import own, photos
from n2n.ui.handlers.runs import announce, here, new_run, own_runs, runs
from n2n.ui.handlers.train_form import Form, config_of
from n2n.ui.handlers.train_view import Seen, Update, of_files, of_view
from n2n.ui.handlers.visible_run import SPEEDS, Order, VisibleRun
from n2n.ui.limits import limits

DEVICE_SHARE = 2  # by hand or in slow motion a run may hold the device for so many longest runs


def order(visitor: str, mine: object, form: Form, speed: str) -> Order:
    """What a form asks for; the page's earlier runs do not matter.

    Raises:
        ValueError: training is off here, or the form asks for what cannot be.
    """
    check_allowed()
    config = config_of(form)
    return _order(config, photos.chosen(visitor, form.photos), speed)


def continuation(visitor: str, mine: object, form: Form, speed: str) -> Order:
    """What goes on from the newest run's checkpoint.

    A run that the server was stopped under gets what it had left; one that has ended, the duration
    that the form says, on top.

    Raises:
        ValueError: there is no checkpoint, or the photos of the run are not here any more.
    """
    check_allowed()
    run = next(iter(own_runs(mine)), "")
    files = runs().files(run)
    if not files.checkpoint.is_file():
        raise ValueError("this run left no checkpoint to go on from; start a new one")
    saved, facts = Saved.read(files.checkpoint), files.facts()
    config = _longer(saved, form) if facts.get("ended") else saved.config
    taken = photos.chosen(visitor, str(facts.get("photos", photos.BUILT_IN)))
    return replace(_order(config, taken, speed), resume=files.checkpoint)


def begin(mine: object, order: Order, minutes_west: float | None) -> list[str]:
    """Queue a run; an earlier one of the same page that still goes on is stopped.

    Args:
        mine: the ids that the page's browser remembers.
        order: the run.
        minutes_west: of Greenwich, where the page is, so that "14:05" is its own clock's.

    Returns:
        The ids to remember, the new one first.

    Raises:
        ValueError: too many runs wait.
    """
    known, run = own_runs(mine), new_run()
    announce(run, order, _title(minutes_west))
    runs().begin(run, order, instead_of=known[:1])
    return [run, *known]


def inline(run: str, order: Order, minutes_west: float | None) -> Iterator[Update]:
    """A run without a thread, as updates; closing this stops it softly."""
    announce(run, order, _title(minutes_west))
    seen = Seen()
    for view, work in here(run, order):
        update = of_view(seen, run, runs().files(run), view, work)
        if update is not None:
            seen = update.seen
            yield update


def look(mine: object, seen: Seen) -> Update | None:
    """What is new of the newest run; None where nothing is."""
    run = next(iter(own_runs(mine)), "")
    view, files = runs().view(run), runs().files(run)
    if view is None:
        update = of_files(run, files)
        return None if update.seen == seen else update
    return of_view(seen, run, files, view, runs().work(run))


def stop(mine: object) -> None:
    """Stop the newest run, or take it out of the queue."""
    for run in own_runs(mine)[:1]:
        runs().stop(run)


def wait_for_end(mine: object, seconds: float = 5.0) -> None:
    """Wait until a run that was stopped `inline` has left its files."""
    end = time.monotonic() + seconds
    for run in own_runs(mine)[:1]:
        while not runs().files(run).facts().get("ended") and time.monotonic() < end:
            time.sleep(0.1)


def press(mine: object) -> None:
    """Take one step by hand."""
    work = _work(mine)
    if work is not None:
        work.press()


def set_speed(mine: object, speed: str) -> None:
    """Full speed, slow motion, or by hand; a run that goes on follows at once."""
    if speed not in SPEEDS:
        raise ValueError(f"unknown speed {speed!r}; choose one of {', '.join(SPEEDS)}")
    work = _work(mine)
    if work is not None:
        work.speed = speed


def model(mine: object) -> str:
    """The name of the newest run's model, for the Denoise tab.

    Raises:
        ValueError: it is not kept here (any more).
    """
    name = own.name(next(iter(own_runs(mine)), ""))
    own.weights(name)
    return name


def download(mine: object, which: str) -> tuple[bytes, str]:
    """The newest run's "model", "history" or "plot" as a file, and a name for it.

    Raises:
        ValueError: it is not kept here (any more).
    """
    files = runs().files(next(iter(own_runs(mine)), ""))
    path = {"model": files.weights}.get(which, files.history)
    if not path.is_file():
        raise ValueError("this run's files are not kept here any more; train it again")
    if which == "plot":
        buffer = io.BytesIO()
        references = files.facts().get("references", {})
        rows = History.read_csv(path).rows
        figures.learning_curves(rows, references).savefig(buffer, format="png", dpi=120)
        return buffer.getvalue(), "run.png"
    return path.read_bytes(), f"run{path.suffix}"


def check_allowed() -> None:
    """Refuse where the owner does not allow training.

    Raises:
        ValueError: so it is.
    """
    if not limits().training:
        raise ValueError("training is switched off on this server; run the app yourself to train")


def _order(config: TrainConfig, taken: photos.PhotoSet, speed: str) -> Order:
    if speed not in SPEEDS:
        raise ValueError(f"unknown speed {speed!r}; choose one of {', '.join(SPEEDS)}")
    seconds = DEVICE_SHARE * limits().longest_run
    return Order(config, taken, speed=speed, device_seconds=seconds)


def _longer(saved: Saved, form: Form) -> TrainConfig:
    """The same run with the form's duration on top of what it has used."""
    asked = config_of(form)
    used, steps = float(saved.state["elapsed"]), int(saved.state["step"])
    seconds = used + (asked.seconds or limits().longest_run)
    more = steps + asked.steps if asked.steps is not None else None
    return replace(saved.config, seconds=seconds, steps=more)


def _work(mine: object) -> VisibleRun | None:
    return next((runs().work(run) for run in own_runs(mine)[:1]), None)


def _title(minutes_west: float | None) -> str:
    now = datetime.now(UTC) - timedelta(minutes=minutes_west or 0)
    return f"my run of {now:%H:%M}"
