"""What a training run is, as plain data: names and numbers, checked when they are put together."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from n2n.losses import LOG_L2_FLOORS_255, LOSSES
from n2n.models.initialization import INITIALIZATIONS
from n2n.noise import parse
from n2n.optimizers import OPTIMIZERS

# A second draw of the noise, the clean reference, or what a trained network makes of the input.
Targets = Literal["noisy", "clean", "teacher"]


@dataclass(frozen=True)
class TrainConfig:
    """All that a run is, but for its photos. `asdict` of it is stored in checkpoints and cards."""

    model: str = "fast"
    model_kwargs: dict[str, Any] = field(default_factory=dict)
    noise: str = "gaussian:0-55"  # name:level, or name:low-high for a blind range
    loss: str = "log-l2"
    floor_255: float = LOG_L2_FLOORS_255[0]  # m of log-l2 at the beginning
    optimizer: str = "adamw"
    rate: float = 3e-3
    batch: int = 16
    crop_px: int = 96
    steps: int | None = None  # whichever of steps and seconds ends first; neither: until stopped
    seconds: float | None = None
    warmup_steps: int = 100
    unit_gradient: bool = True  # for adaptive optimizers: each step's gradient at norm 1
    decay: float = 0.2  # the last part of the run, over which the rate falls to zero
    average: float = 0.9995  # of the weights, per step
    initialization: str = "default"
    equivariant: bool = False  # kernels tied: the network commutes with flips and quarter turns
    targets: Targets = "noisy"
    teacher: str | None = None  # a shipped model or a weight file, for targets="teacher"
    frozen: int | None = None  # fresh noise at every visit; n: the same n batches for ever
    exposure: float = 0.05  # share of images that are drawn, flat or smooth, also white and black
    grey: float = 0.1  # share of images in grey, with one noise for all channels
    file_step: bool = True  # half of the inputs clipped and rounded, as files are
    plain_steps: int = 0  # the first so many know none of these three: they can be learnt late
    seed: int = 0

    def __post_init__(self) -> None:
        """Names and ranges, each in one line."""
        _known(self.loss, LOSSES, "loss")
        _known(self.optimizer, OPTIMIZERS, "optimizer")
        _known(self.initialization, INITIALIZATIONS, "initialization")
        _known(self.targets, get_args(Targets), "targets")
        parse(self.noise)
        _named(self.model_kwargs)
        _positive(self.rate, "learning rate")
        _positive(self.floor_255, "floor of log-l2")
        if not (0 <= self.decay < 1 and 0 <= self.average < 1):
            raise ValueError(
                f"decay and average must be in [0, 1); got {self.decay}, {self.average}"
            )
        if not (0 <= self.exposure <= 1 and 0 <= self.grey <= 1):
            raise ValueError(
                "exposure and grey are shares of the images, 0 to 1; got "
                f"{self.exposure}, {self.grey}"
            )
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"a run takes at least one step, got {self.steps}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"a run takes more than 0 seconds, got {self.seconds}")
        if self.warmup_steps < 0:
            raise ValueError(f"a warm-up takes 0 steps or more, got {self.warmup_steps}")
        if self.plain_steps < 0:
            raise ValueError(f"plain steps are 0 or more, got {self.plain_steps}")
        if (self.targets == "teacher") != (self.teacher is not None):
            raise ValueError(
                'a teacher and targets="teacher" go together; got '
                f"teacher {self.teacher!r} and targets {self.targets!r}"
            )

    @property
    def saved_part(self) -> float:
        """The part of the run, 0 to 1, that checkpoints are written of.

        From the last one the run may go on longer than first planned, so it is from before the rate
        has fallen; or, where it falls for most of the run, from before the last three tenths.
        """
        return 1 - min(self.decay, 0.3)


def _known(value: str, names: Iterable[str], what: str) -> None:
    if value not in names:
        raise ValueError(f"unknown {what} {value!r}; choose one of {', '.join(names)}")


def _positive(value: float, what: str) -> None:
    if not 0 < value < math.inf:
        raise ValueError(f"the {what} must be positive, got {value}")


def _named(arguments: object) -> None:
    if not isinstance(arguments, dict):
        raise ValueError(f"a network takes names and values, got {arguments!r}")
