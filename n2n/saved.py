"""A checkpoint, read once for both: the settings of its run, and the state to go on from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2n.checkpoints import load_state
from n2n.config import TrainConfig


@dataclass(frozen=True, eq=False)
class Saved:
    """Where it was, the settings of its run, and all that `Run.save` wrote."""

    path: Path
    config: TrainConfig
    state: dict[str, Any]

    @classmethod
    def read(cls, path: Path) -> "Saved":
        """Read a checkpoint; settings that came later than it have their defaults.

        Raises:
            ValueError: the file is no checkpoint, or one of another version.
        """
        state = load_state(path)
        try:
            return cls(path, TrainConfig(**state["config"]), state)
        except (KeyError, TypeError) as error:
            raise other_version(path.name) from error

    def require_network(self, config: TrainConfig) -> None:
        """Refuse, with a ValueError, a run of another network or optimizer."""
        was = self.config
        if (was.model, was.model_kwargs, was.optimizer) != (
            config.model,
            config.model_kwargs,
            config.optimizer,
        ):
            raise ValueError(
                f"{self.path.name} is a run of {was.model} with {was.optimizer}, not of "
                f"{config.model} with {config.optimizer}"
            )


def other_version(name: str) -> ValueError:
    """What to raise for a checkpoint whose content does not fit."""
    return ValueError(f"{name} was written by another version; train anew")
