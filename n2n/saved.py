"""A checkpoint, read once for both: the settings of its run, and the state to go on from."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from n2n.checkpoints import load_state
from n2n.config import TrainConfig
from n2n.models import model_spec


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
        """Refuse, with a ValueError, a run of another network or optimizer.

        An equivariant network may go on without its ties, another one not with them.
        """
        was = self.config
        specs = [model_spec(each.model, **each.model_kwargs) for each in (was, config)]
        if specs[0] != specs[1] or was.optimizer != config.optimizer:
            raise ValueError(
                f"{self.path.name} is a run of {was.model} {specs[0].kwargs} with "
                f"{was.optimizer}, not of {config.model} {specs[1].kwargs} with {config.optimizer}"
            )
        if config.equivariant and not was.equivariant:
            raise ValueError(f"{self.path.name} is no equivariant run; leave out --equivariant")


def other_version(name: str) -> ValueError:
    """What to raise for a checkpoint whose content does not fit."""
    return ValueError(f"{name} was written by another version; train anew")
