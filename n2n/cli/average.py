"""`python -m n2n average`: the mean of trained networks as one, with a card of what led to it."""

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from torch import Tensor

from n2n import shipped
from n2n.checkpoints import load_weights, save_weights
from n2n.cli import cards, settings
from n2n.cli.common import DONE, command, require_weights_name, say

JOINED = ("photos", "device", "processor")  # of all cards; the settings are those of the first


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Options of the command."""
    parser.add_argument(
        "inputs",
        nargs="+",
        type=Path,
        metavar="WEIGHTS",
        help=".safetensors files of one network; the card takes the settings of the first",
    )
    parser.add_argument(
        "--shares",
        nargs="+",
        type=float,
        metavar="SHARE",
        help="how much of each goes into the mean, such as 0.7 0.3 (default: of all as much)",
    )
    parser.add_argument(
        "--out", required=True, type=Path, help="the .safetensors file to write, beside its card"
    )
    parser.add_argument(
        "--recipe",
        choices=list(settings.NAMED),
        help="whose purpose and known failures the card tells (default: none)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Write the mean, and its card.

    The mean of what a run began with and what it came to, or of runs that began alike, is often
    better than each (Wortsman et al. 2022, https://arxiv.org/abs/2203.05482). Of what led to
    several of them the card counts once what is among them.
    """
    files, out = arguments.inputs, arguments.out
    require_weights_name(out)
    shares = _shares(arguments)
    led = [shipped.card_beside(file) for file in files]
    (network, spec), *others = [load_weights(file) for file in files]
    for file, (_, other) in zip(files[1:], others, strict=True):
        if other != spec:
            raise ValueError(
                f"a mean is of weights of one network, {file.name} is a {other.architecture} of "
                f"{other.kwargs}, but {files[0].name} a {spec.architecture} of {spec.kwargs}"
            )
    states = [network.state_dict(), *(other.state_dict() for other, _ in others)]
    network.load_state_dict(
        {name: _mean([state[name] for state in states], shares) for name in states[0]}
    )
    save_weights(out, network, spec)
    total = cards.seen(led)
    card = {
        **cards.of_network(out, network, spec, arguments.recipe),
        **_told(led),
        **total,
        "commands": [*total["commands"], command()],
    }
    cards.write(out, card)
    say(f"the mean of {len(files)} files: {out}")
    return DONE


def _told(led: Sequence[cards.Card]) -> cards.Card:
    """What the cards tell of the training, the settings being those of the first."""
    first = led[0]
    told: cards.Card = {name: first[name] for name in ("training", "grown_from") if name in first}
    by_clock = first.get("training", {}).get("seconds") is not None
    if by_clock and len(first.get("commands", [])) == 1:  # the totals will not tell its steps
        told["training"] = first["training"] | {"steps": first["steps"], "seconds": None}
    for name in JOINED:
        parts = [part for card in led if name in card for part in card[name].split("; ")]
        if parts:
            told[name] = "; ".join(dict.fromkeys(parts))
    if all("photo_licences" in card for card in led):
        told["photo_licences"] = {
            folder: licence for card in led for folder, licence in card["photo_licences"].items()
        }
    return told


def _shares(arguments: argparse.Namespace) -> list[float]:
    count = len(arguments.inputs)
    shares: list[float] = arguments.shares or [1.0] * count
    if len(shares) != count or not all(0 < share < math.inf for share in shares):
        raise ValueError(f"--shares wants a number above 0 for each of {count} files, got {shares}")
    return [share / sum(shares) for share in shares]


def _mean(tensors: Sequence[Tensor], shares: Sequence[float]) -> Tensor:
    """Of counts, which batch normalisation keeps, the first."""
    first = tensors[0]
    if not first.is_floating_point():
        return first
    return sum(share * tensor for share, tensor in zip(shares, tensors, strict=True))  # type: ignore[return-value]
