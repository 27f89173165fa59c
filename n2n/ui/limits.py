"""What the owner of a server allows: read once from the environment, all in one place."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache

PREFIX = "N2N_"
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
    """

    max_megapixels: float = 16.0
    max_file_megabytes: float = 120.0
    seed_megapixels: float = 0.3
    session_megabytes: float = 1024.0
    session_minutes: float = 15.0
    queue: int = 16

    @property
    def file_minutes(self) -> float:
        """How long a file stays that was uploaded or shown: as its picture, but until fetched."""
        return max(self.session_minutes, FETCH_MINUTES)

    def __post_init__(self) -> None:
        """Nothing may be zero, negative or NaN."""
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                value = getattr(self, field.name)
                raise ValueError(f"{_variable(field.name)} must be greater than 0, got {value}")

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> "Limits":
        """Read the variables that are set.

        Raises:
            ValueError: one of them is no number, or not positive.
        """
        values = {}
        for field in fields(cls):
            text = environment.get(_variable(field.name), "").strip()
            if not text:
                continue
            try:
                values[field.name] = type(field.default)(float(text))  # type: ignore[misc]
            except (ValueError, OverflowError):
                message = f"{_variable(field.name)} must be a number, got {text!r}"
                raise ValueError(message) from None
        return cls(**values)


@cache
def limits() -> Limits:
    """The limits of this process."""
    return Limits.from_environment(os.environ)


def _variable(field: str) -> str:
    return PREFIX + field.upper()
