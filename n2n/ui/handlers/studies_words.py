"""What the Studies tab says: of a study, and of a live run of it."""

from datetime import datetime
from html import escape
from typing import Any

from n2n.jobs import State, View
from n2n.studies import STUDIES, Curve, Event, Record, Study
from n2n.studies.base import QUICK_SECONDS
from n2n.studies.stored import command
from n2n.ui.handlers import words
from n2n.ui.handlers.models import duration
from n2n.ui.handlers.studies_run import usual_seconds
from n2n.ui.limits import limits

NOT_MEASURED = "Not measured yet at the report's settings."
INTRODUCTION = (
    "Each figure and claim of the report that this project starts from, measured again: what it "
    "asked, what comes out here, and what differs. Any of them can be run live, on smaller "
    "pictures and fewer of them."
)


def longest_seconds() -> float:
    """How long a quick run may take here."""
    return min(QUICK_SECONDS, limits().longest_run)


def offer(name: str) -> str:
    """What stands on the button that runs a study."""
    known = usual_seconds(name)
    time = f"up to {duration(longest_seconds())}" if known is None else f"~{duration(known)}"
    return f"Run it live (quick, {time})"


def answer(name: str, record: Record | None) -> str:
    """One sentence, or that there is none yet."""
    return NOT_MEASURED if record is None else STUDIES[name].answer(record)


def unread(name: str) -> str:
    """A card before its record is read, as HTML."""
    study = STUDIES[name]
    return f"<h2>{escape(study.title)}</h2><p class='question'>{escape(study.question)}</p>"


def card(name: str, record: Record | None, picture: str) -> str:
    """A study at a glance, as HTML."""
    return f"{unread(name)}{picture}<p>{escape(answer(name, record))}</p>"


def heading(name: str, record: Record | None) -> str:
    """Title, question and answer of the study that is open, as HTML."""
    return card(name, record, "")


def facts(name: str, record: Record | None) -> str:
    """The report's setting, ours, that of a live run, and what differs, as HTML."""
    study = STUDIES[name]
    rows = {
        "The report": study.reported,
        "Ours": _ours(study, record),
        "Live": f"{words.sentence(study.setting(study.curves(True)))}.",
        "What differs from the report, and why": study.differs,
    }
    parts = (
        f"<div><dt>{escape(term)}</dt><dd>{escape(text)}</dd></div>" for term, text in rows.items()
    )
    return f"<dl>{''.join(parts)}</dl>"


def _ours(study: Study, record: Record | None) -> str:
    if record is None:
        setting = words.sentence(study.setting(study.curves(False)))
        most = duration(study.budget_seconds)
        how = f"The command, which takes at most {most}: {command(study, Record())}"
        return f"{setting}. {NOT_MEASURED} {how}"
    endings = record.endings.values()
    setting = words.sentence(study.setting([Curve(**ending.settings) for ending in endings]))
    data, device = (
        "; ".join(sorted({getattr(e, of) for e in endings})) for of in ("data", "device")
    )
    return f"{setting}; {data}; {device}. The command: {command(study, record)}"


def state(view: View[Event], seconds: float) -> str:
    """Where a live run of at most so many seconds stands, while it goes on."""
    if view.state is State.WAITING:
        return words.queued("machine", view.place)
    if view.state is State.STOPPING:
        return "Stopping."
    event = view.latest
    if event is None:
        return words.PREPARING
    parts = [f"Curve {event.place} of {event.count}, {event.row.curve}"]
    parts.append(f"step {event.row.step} of {event.steps}")
    loss = event.row.values.get("loss")
    if loss is not None:
        parts.append(f"loss {loss:.3g}")
    if view.started is not None:
        used = (datetime.now().astimezone() - view.started).total_seconds()
        parts.append(f"at most {duration(max(1.0, round(seconds - used)))} left")
    return " · ".join(parts)


def ending(name: str, view: View[Event], record: Record, known: dict[str, Any]) -> str:
    """How a live run ended, and what it found."""
    took = duration(known["seconds"]) if "seconds" in known else "a moment"
    if view.state is State.DONE:
        return f"Done in {took}. At the quick setting: {STUDIES[name].answer(record)}"
    if view.state is State.FAILED:
        kept = " What was measured until then is kept." if record.rows else ""
        return f"{words.sentence(view.error or 'the run failed')}.{kept}"
    if not record.rows:
        return "Stopped before anything was measured." if known.get("ended") else "Left the queue."
    return f"Stopped after {took}, with {_extent(name, record)}."


def kept(name: str, record: Record, known: dict[str, Any]) -> str:
    """Of a live run that only its files remember."""
    if not record.rows:
        return ""
    if not known.get("ended"):
        return f"The server was restarted during your live run, with {_extent(name, record)}."
    if len(record.endings) < len(STUDIES[name].curves(True)):
        return f"Your last live run was stopped with {_extent(name, record)}."
    return f"Your last live run, at the quick setting: {STUDIES[name].answer(record)}"


def _extent(name: str, record: Record) -> str:
    count = len(STUDIES[name].curves(True))
    return f"{len(record.endings)} of {count} curves whole"
