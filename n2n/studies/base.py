"""What a study is: curves to measure, the rows they give, and the question that they answer."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, NamedTuple

import torch
from matplotlib.figure import Figure

from n2n.devices import Placement
from n2n.studies.figures import Layout
from n2n.studies.record import Record, Row
from n2n.studies.sources import Source

QUICK_SECONDS = 60.0


@dataclass(frozen=True)
class Curve:
    """One training of a study: the report's own settings, but for what differs.

    Args:
        name: what the legend calls it.
        seed: names first weights, order and draws.
        network: "seed" (the report's), or another of `studies.networks`.
        network_kwargs: its arguments.
        initialization: one of `studies.networks.INITIALIZATIONS`.
        optimizer: one of OPTIMIZERS.
        rate: learning rate.
        equivariant: kernels tied in 8 orientations (see `n2n.models.equivariance`).
        lbfgs_steps: of the hybrid.
        decay: last part of the training over which the rate falls to zero.
        loss: one of LOSSES.
        pairs: "course" for fixed pairs of its files, "fresh" for new windows and noise at every
            step, "frozen" for the first `samples` of those, repeated.
        targets: "noisy", "clean" (not with "course"), or "same" as the input.
        noise: of "fresh" and "frozen".
        samples: pairs in an epoch.
        batch: pairs in a step.
        epochs: how often all are seen.
        most_steps: an end before that; None for none.
        side_px: side of the pictures; below 32 a part of each.
        flips: mirror pairs at random.
        swap: either picture of a pair may be the source.
        windows: held-out pictures to validate on at the end; the first 100 on the way.
        validate_every: steps from one validation on the way to the next; 0 for none.
        exact: fp32 throughout; else bf16 where the device is faster in it, but for LBFGS.
    """

    name: str
    seed: int = 0
    network: str = "seed"
    network_kwargs: Mapping[str, Any] = field(default_factory=dict)
    initialization: str = "default"
    equivariant: bool = False
    optimizer: str = "momentum"
    rate: float = 0.05
    lbfgs_steps: int = 5
    decay: float = 0.0
    loss: str = "l2"
    pairs: Literal["course", "fresh", "frozen"] = "course"
    targets: Literal["noisy", "clean", "same"] = "noisy"
    noise: str = "point-sampling:10"
    samples: int = 1000
    batch: int = 100
    epochs: int = 20
    most_steps: int | None = None
    side_px: int = 32
    flips: bool = False
    swap: bool = False
    windows: int = 1000
    validate_every: int = 0
    exact: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Mini-batches in an epoch."""
        return -(-self.samples // self.batch)

    @property
    def steps(self) -> int:
        """Mini-batches in all."""
        whole = self.epochs * self.steps_per_epoch
        return whole if self.most_steps is None else min(whole, self.most_steps)

    @property
    def pictures(self) -> int:
        """Different ones that are trained on."""
        return self.steps * self.batch if self.pairs == "fresh" else self.samples

    @property
    def settings(self) -> dict[str, Any]:
        """All of it, for the record."""
        return asdict(self)

    def is_of(self, settings: Mapping[str, Any]) -> bool:
        """Whether a record's settings are these; what it does not know yet counts as usual."""
        return {**asdict(Curve(self.name)), **settings} == self.settings


# Whether the curve's share of the time is used. It raises where the curve is to be left at once, so
# it is asked within long steps, too.
Enough = Callable[[], bool]
# The steps of one curve. A row whose loss is no finite number is its last; so is the one after
# which there was enough, and it holds all that the last row of a whole curve would.
Measure = Callable[[Curve, Source, Placement, Enough], Iterator[Row]]


def never() -> bool:
    """There is all the time that a curve may need."""
    return False


def training(curves: Sequence[Curve]) -> str:
    """The setting of curves that are trained, where they agree or from the least to the most."""

    def span(values: Sequence[float], unit: str = "", kind: str = ",") -> str:
        ends = dict.fromkeys((min(values), max(values)))
        many = "s" if unit and max(values) != 1 else ""
        return " to ".join(f"{end:{kind}}" for end in ends) + unit + many

    side = span([curve.side_px for curve in curves])
    count = len({curve.seed for curve in curves})
    repeated = [curve.epochs for curve in curves if curve.pairs != "fresh"]
    parts = [
        f"{span([curve.pictures for curve in curves], ' picture')} of {side} × {side} px",
        f"batch {span([curve.batch for curve in curves])}",
        *([span(repeated, " epoch")] if repeated else []),
        span([curve.steps for curve in curves], " step"),
        f"rate {span([curve.rate for curve in curves], kind='g')}",
        *([f"{count} seeds"] if count > 1 else []),
    ]
    return ", ".join(parts)


@dataclass(frozen=True)
class Study:
    """A question, the curves that answer it, and how to show them.

    Args:
        name: as the command line has it.
        title: of its figure; names the report's where there is one.
        question: one sentence.
        reported: the report's setting and what it found.
        differs: what is done otherwise here, and why.
        curves: the curves at full (False) and quick (True) settings, in the order to run.
        measure: how a curve is measured.
        draw: the figure of a record.
        answer: one sentence, from a record that is complete.
        budget_seconds: its share of the eight hours that all studies may take on two cores.
        setting: curves in words, as one clause.
    """

    name: str
    title: str
    question: str
    reported: str
    differs: str
    curves: Callable[[bool], list[Curve]]
    measure: Measure
    draw: Callable[[Record, str, Layout], Figure]
    answer: Callable[[Record], str]
    budget_seconds: float
    setting: Callable[[Sequence[Curve]], str] = training

    def seconds(self, quick: bool) -> float:
        """The budget of a run of all curves."""
        return QUICK_SECONDS if quick else self.budget_seconds

    def figure(self, record: Record, layout: Layout = Layout.ROW, *, titled: bool = True) -> Figure:
        """The picture of a record, complete or not."""
        return self.draw(record, self.title if titled else "", layout)


class Quick(NamedTuple):
    """Small enough to watch: parts of the pictures, few of them."""

    samples: int = 100
    batch: int = 10
    epochs: int = 3
    side_px: int = 16
    windows: int = 50


def seeds(quick: bool) -> tuple[int, ...]:
    """Three where the chip has matrix units (AMX, or a GPU), to see their spread; else one."""
    amx = getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)()
    return (0, 1, 2) if (amx or torch.cuda.is_available()) and not quick else (0,)
