"""What the owner of a server allows: read once from the environment, all in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from typing import Any

PREFIX = "N2N_"
SWITCH = {"on": True, "off": False, "1": True, "0": False, "true": True, "false": False}
FETCH_MINUTES = 2  # what a slow line may need for a file that its page has just been told of


@dataclass(frozen=True)
class Limits:
    """Each field is set by N2N_ and its name in capitals, such as N2N_MAX_MEGAPIXELS=24.

    Attributes:
        max_megapixels: largest picture that is accepted, in millions of pixels.
        max_file_megabytes: largest file that may be uploaded.
        seed_megapixels: largest picture that "Compare models" and the API give to a slow model,
            such as seed.
        session_megabytes: memory for the pictures of all visitors; the oldest go first.
        session_minutes: a visitor's pictures are dropped when unused for so long.
        queue: visitors' actions that may wait; one more is answered "busy".
        training: whether visitors may train: on or off.
        train_seconds: the longest run, in seconds of wall clock.
        train_photos: how many photos a visitor may bring to train on.
        train_megapixels: how large they may be together, in millions of pixels.
        waiting_runs: runs that may wait for the device; one more is refused.
        unattended_minutes: a run whose page was not seen for so long is stopped.
        run_minutes: how long a run's model, history and checkpoint are kept after its end.
        run_megabytes: room for these files of all runs; the oldest go first.
        gpu_seconds: the longest run where the GPU is lent by the call (ZeroGPU).
    """

    max_megapixels: float = 16.0
    max_file_megabytes: float = 120.0
    seed_megapixels: float = 0.3
    session_megabytes: float = 1024.0
    session_minutes: float = 15.0
    queue: int = 16
    training: bool = True
    train_seconds: float = 300.0
    train_photos: int = 100
    train_megapixels: float = 64.0
    waiting_runs: int = 4
    unattended_minutes: float = 3.0
    run_minutes: float = 60.0
    run_megabytes: float = 2048.0
    gpu_seconds: float = 45.0

    @property
    def file_minutes(self) -> float:
        """How long a file stays that was uploaded or shown: as its picture, but until fetched."""
        return max(self.session_minutes, FETCH_MINUTES)

    @property
    def longest_run(self) -> float:
        """Seconds of the longest run here."""
        if is_zero_gpu():
            return min(self.train_seconds, self.gpu_seconds)
        return self.train_seconds

    def __post_init__(self) -> None:
        """No number may be zero, negative or NaN."""
        for field in fields(self):
            value = getattr(self, field.name)
            if not isinstance(value, bool) and not value > 0:
                raise ValueError(f"{_variable(field.name)} must be greater than 0, got {value}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Limits":
        """Read the variables that are set.

        Raises:
            ValueError: one of them is no number, or not positive.
        """
        values: dict[str, Any] = {}
        for field in fields(cls):
            text = environment.get(_variable(field.name), "").strip()
            if text:
                values[field.name] = _read(field.name, text, type(field.default))
        return cls(**values)


def _read(name: str, text: str, kind: type[Any]) -> float:
    """A number, or on or off.

    Raises:
        ValueError: it is neither.
    """
    if kind is bool:
        if text.lower() not in SWITCH:
            raise ValueError(f"{_variable(name)} must be on or off, got {text!r}")
        return SWITCH[text.lower()]
    try:
        return kind(float(text))  # type: ignore[no-any-return]
    except (ValueError, OverflowError):
        raise ValueError(f"{_variable(name)} must be a number, got {text!r}") from None


def is_zero_gpu() -> bool:
    """Whether a GPU is lent by the call, to a process of its own: Hugging Face's ZeroGPU."""
    return bool(os.environ.get("SPACES_ZERO_GPU"))


@cache
def limits() -> Limits:
    """The limits of this process."""
    return Limits.from_environment(os.environ)


def _variable(field: str) -> str:
    return PREFIX + field.upper()
