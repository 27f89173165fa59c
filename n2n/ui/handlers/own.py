"""Models that visitors trained here. Whoever knows a run's unguessable id may use its model."""

from pathlib import Path
from typing import Any

from n2n import shipped
from n2n.ui.handlers.run_files import run_files

PREFIX = "run:"  # of the name under which the page and programs ask for one


def name(run: str) -> str:
    """What to call the model of a run where a model's name is asked for."""
    return PREFIX + run


def is_own(model: str) -> bool:
    """Whether it is a visitor's, not a shipped one."""
    return model.startswith(PREFIX)


def is_there(run: str) -> bool:
    """Whether the run has left a model, and it is still kept."""
    return bool(run) and run_files().of(run).weights.is_file()


def weights(model: str) -> Path:
    """The file of a visitor's model.

    Raises:
        ValueError: it is not kept here (any more).
    """
    path = run_files().of(model.removeprefix(PREFIX)).weights
    if not path.is_file():
        raise ValueError("this run's model is not kept here any more; train it again")
    return path


def card(model: str) -> dict[str, Any]:
    """What is known of a model, shipped or a visitor's; empty where nothing is."""
    if is_own(model):
        return run_files().of(model.removeprefix(PREFIX)).facts()
    return shipped.card(model)


def title(model: str) -> str:
    """What people call it: never the id."""
    return str(card(model).get("title", "my run")) if is_own(model) else model
