"""The weights that come with the package, and their cards."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGE = Path(__file__).parent


@cache
def weights_folder() -> Path:
    """Inside the package when it was installed from a wheel, beside it in a checkout."""
    inside, beside = _PACKAGE / "weights", _PACKAGE.parent / "weights"
    return inside if inside.is_dir() else beside


def names() -> list[str]:
    """The shipped models, best first, then by name."""
    found = sorted(path.stem for path in weights_folder().glob("*.safetensors"))
    order = ["best", "fast", "ee559", "seed"]
    return sorted(
        found, key=lambda name: (order.index(name) if name in order else len(order), name)
    )


def weights_path(name: str) -> Path:
    """The file of a shipped model, or `name` itself when it is a path to a .safetensors file.

    Raises:
        ValueError: neither.
    """
    if name.endswith(".safetensors"):
        return Path(name)
    if name not in names():
        raise ValueError(
            f"unknown model {name!r}; choose one of {', '.join(names())}, "
            "or give a path to a .safetensors file"
        )
    return weights_folder() / f"{name}.safetensors"


def card(name: str) -> dict[str, Any]:
    """What is known of a shipped model: data, noise, training, PSNR. Empty if it has no card."""
    return card_beside(weights_folder() / f"{name}.safetensors")


def scores(card: Mapping[str, Any]) -> dict[str, Any]:
    """PSNR by data set and noise, as a card has it: in bf16; in fp32 what was measured so alone."""
    found = dict(card.get("psnr_db", {}))
    for test, db in card.get("psnr_db_fp32", {}).items():
        found.setdefault(test, db)
    return found


def card_beside(weights: Path) -> dict[str, Any]:
    """What is known of any weight file. Empty if it has no card.

    Raises:
        ValueError: the card is damaged.
    """
    path = weights.with_suffix(".json")
    try:
        found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{path} is no card: {error}; mend it, or put it elsewhere") from error
    return found
