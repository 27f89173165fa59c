"""Speed and memory, each number beside its target and its references, all measured in one run.

Chips differ by a factor of six, so every target is a ratio to what this machine has just shown.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace

from n2n.benchmark import app, files, inference, training
from n2n.benchmark.measured import Machine, Measured, machine

__all__ = ["PARTS", "Machine", "Measured", "machine", "measure"]

# What there is to measure: each takes `quick` and yields as it goes.
PARTS: dict[str, Callable[[bool], Iterator[Measured]]] = {
    "inference": inference.measure,
    "files": files.measure,
    "app": app.measure,
    "training": training.measure,
}


def measure(part: str, *, quick: bool = False) -> Iterator[Measured]:
    """The numbers of one of `PARTS` as they come; quick ones, of small sizes, have no target."""
    for measured in PARTS[part](quick):
        yield replace(measured, at_most=None, at_least=None) if quick else measured
