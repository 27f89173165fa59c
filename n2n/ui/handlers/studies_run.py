"""A study that a visitor watches, at its quick setting. What it measures is in its file at once."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from n2n.devices import place
from n2n.studies import STUDIES, Event, Record, Source, StudyRun
from n2n.ui.handlers import network
from n2n.ui.handlers.run_files import Files, run_files
from n2n.ui.handlers.runs import Runs, jobs
from n2n.ui.handlers.visible_run import COURTESY_SECONDS

_seconds: dict[str, float] = {}  # that a whole quick run took here last, by study


@dataclass(frozen=True)
class StudyOrder:
    """Which study to run, for at most how long."""

    name: str
    seconds: float

    def begin(self, files: Files) -> "VisibleStudy":
        """The run, which will leave these files."""
        return VisibleStudy(self, files)


class VisibleStudy:
    """Work for `n2n.jobs`. Other threads read the record, which grows, and hurry it.

    After the end only the record is kept.
    """

    def __init__(self, order: StudyOrder, files: Files) -> None:
        self.order, self.files, self.record = order, files, Record(files.record)
        self._run: StudyRun | None = StudyRun(
            STUDIES[order.name],
            self.record,
            Source(),
            place(),
            quick=True,
            budget_seconds=order.seconds,
        )

    def events(self) -> Iterator[Event]:
        """The run to its end, or until this is closed."""
        run, begun = self._run, time.monotonic()
        assert run is not None
        try:
            for event in run.events():
                yield event
                if network.is_busy():  # somebody's picture is denoised
                    time.sleep(COURTESY_SECONDS)
            if len(self.record.endings) == len(run.curves):
                _seconds[self.order.name] = time.monotonic() - begun
        finally:
            self._run = None
            self.files.tell(ended=True, seconds=round(time.monotonic() - begun, 1))

    def finish(self) -> Iterator[Event]:
        """There is nothing to bring to an end."""
        return iter(())

    def hurry(self) -> None:
        """Leave the present step, which may be one of LBFGS."""
        run = self._run
        if run is not None:
            run.interrupt()


@cache
def study_runs() -> Runs[VisibleStudy]:
    """The studies of this process, in one queue with its training runs."""
    return Runs(jobs(), run_files())


def usual_seconds(name: str) -> float | None:
    """How long a quick run took here last; None where none has come to its end yet."""
    return _seconds.get(name)
