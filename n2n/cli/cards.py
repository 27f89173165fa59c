"""Cards of weights: what a file is and how it came about, as JSON beside it."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from torch import nn

from n2n.checkpoints import sha256
from n2n.cli import settings
from n2n.models import ModelSpec, kmacs_per_pixel, parameter_count

TOTALS = ("steps", "gigapixels", "seconds")
Card = dict[str, Any]


def seen(cards: Sequence[Card]) -> Card:
    """Totals and commands of the weights that others began with, or are the mean of.

    What led to others counts once, if it is among them.
    """
    distinct = {tuple(card.get("commands", [])): card for card in cards}
    own: dict[tuple[str, ...], list[float]] = {}  # of each what none of the others has
    for led in sorted(distinct, key=len):
        before = [own[other] for other in own if set(other) < set(led)]
        totals = (distinct[led].get(name, 0) for name in TOTALS)
        own[led] = [total - sum(part) for total, *part in zip(totals, *before, strict=True)]
    return {
        **{
            name: round(sum(all_of), 3)
            for name, all_of in zip(TOTALS, zip(*own.values(), strict=True), strict=True)
        },
        "commands": list(dict.fromkeys(line for led in distinct for line in led)),
    }


def of_network(weights: Path, model: nn.Module, spec: ModelSpec, recipe: str | None) -> Card:
    """What the file says of itself, and what a recipe's words are for it."""
    known = settings.NAMED.get(recipe or "")
    words = (
        {"purpose": known.purpose, "known_failures": list(known.known_failures)} if known else {}
    )
    return {
        "name": weights.stem,
        **spec._asdict(),
        "parameters": parameter_count(model),
        "kmacs_per_pixel": round(kmacs_per_pixel(model), 2),
        "sha256": sha256(weights),
        **words,
    }


def write(weights: Path, card: Card) -> None:
    """Beside the weights."""
    weights.with_suffix(".json").write_text(json.dumps(card, indent=1) + "\n")
