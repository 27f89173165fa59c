"""Run a study: the curves that its record lacks, within a budget. A job, or a plain loop."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from math import isfinite

import torch

from n2n.devices import Placement
from n2n.studies.base import Curve, Study
from n2n.studies.record import DIVERGED, DONE, OUT_OF_TIME, Ending, Record, Row
from n2n.studies.sources import Source, options


@dataclass(frozen=True)
class Event:
    """One more row; `progress` of the whole study, 0 to 1, `place` of `count` curves.

    `steps` are those that the curve takes.
    """

    row: Row
    steps: int
    progress: float
    place: int
    count: int


class _InterruptedError(Exception):
    """The curve is to be left where it is."""


class StudyRun:
    """A run of a study, as a job does it (see `n2n.jobs`).

    Every curve may use an equal share of the time that is left, so what the quick ones do not need
    goes to the slow ones, which come last. A curve that was stopped half way is measured anew; with
    `again`, so are those that their share of the time ended.

    Args:
        study: what to run.
        record: what is there already; is added to.
        source: the pictures.
        placement: where to compute.
        quick: small settings.
        budget_seconds: wall clock for all curves; None for the study's own.
        again: whether to measure anew what had no time to end.

    Raises:
        ValueError: no time; or a record of other pictures, which nothing may be added to.
    """

    def __init__(
        self,
        study: Study,
        record: Record,
        source: Source,
        placement: Placement,
        *,
        quick: bool = False,
        budget_seconds: float | None = None,
        again: bool = False,
    ) -> None:
        self.study, self.record, self.source, self.placement = study, record, source, placement
        self.curves = study.curves(quick)
        self.budget = study.seconds(quick) if budget_seconds is None else budget_seconds
        if not self.budget > 0:
            raise ValueError(f"a study takes more than 0 seconds, got {budget_seconds}")
        for ending in filter(self._is_wanted, record.endings.values()):
            if options(ending.data) != options(source.label):
                raise ValueError(
                    f"the record has curves of {ending.data}, not of {source.label}; "
                    "give the same pictures, or another folder"
                )
            if ending.digest and ending.digest != source.digest:
                raise ValueError(
                    f"the record has curves of other pictures than these {source.label}, under "
                    "the same name; give those, or another folder to --out"
                )
        self._is_interrupted, self.again = False, again

    def is_kept(self, ending: Ending) -> bool:
        """Whether an ended curve of the record stands."""
        return self._is_wanted(ending) and not (self.again and ending.end == OUT_OF_TIME)

    def _is_wanted(self, ending: Ending) -> bool:
        """Whether it belongs to this study: seeds that another machine added do."""
        return any(
            curve.name == ending.curve and replace(curve, seed=ending.seed).is_of(ending.settings)
            for curve in self.curves
        )

    def events(self) -> Iterator[Event]:
        """Measure what is missing, yielding every row."""
        self.record.keep(self.is_kept)
        missing = [c for c in self.curves if (c.name, c.seed) not in self.record.endings]
        done = len(self.curves) - len(missing)
        end = time.monotonic() + self.budget
        for place, curve in enumerate(missing):
            share = (end - time.monotonic()) / (len(missing) - place)
            for row in self._measured(curve, time.monotonic() + share):
                part = (done + place + min(row.step / curve.steps, 1)) / len(self.curves)
                yield Event(row, curve.steps, part, done + place + 1, len(self.curves))
            if self._is_interrupted:
                return

    def finish(self) -> Iterator[Event]:
        """A study that was stopped has nothing to bring to an end: its record is kept."""
        return iter(())

    def interrupt(self) -> None:
        """End `events` within the present step, from another thread: for steps that take long."""
        self._is_interrupted = True

    def _measured(self, curve: Curve, deadline: float) -> Iterator[Row]:
        """At least one row, and the ending; no ending where it is interrupted."""
        end, is_late = DONE, False

        def enough() -> bool:
            nonlocal is_late
            if self._is_interrupted:
                raise _InterruptedError
            is_late = time.monotonic() > deadline
            return is_late

        try:
            for row in self.study.measure(curve, self.source, self.placement, enough):
                self.record.add(row)
                yield row
                end = OUT_OF_TIME if row.step < curve.steps else DONE
                if not isfinite(row.values.get("loss", 0.0)):
                    end = DIVERGED
            if end == OUT_OF_TIME and not is_late:
                end = DONE  # there was no more to measure, as with few pictures
        except _InterruptedError:
            return
        self.record.add(
            Ending(
                curve.name,
                curve.seed,
                end,
                curve.settings,
                self.source.label if curve.pairs == "course" else self.source.label_of_cuts,
                self._precision(curve).label,
                self.source.digest,
            )
        )

    def _precision(self, curve: Curve) -> Placement:
        """Where it is measured, and at which precision."""
        is_exact = curve.exact or curve.optimizer == "lbfgs"
        return replace(self.placement, dtype=torch.float32) if is_exact else self.placement
