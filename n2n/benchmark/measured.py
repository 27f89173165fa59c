"""A measured number beside its target, and the clock that all measurements share."""

import platform
import re
import resource
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import torch

from n2n.devices import processor

WARM_UP = 2
RUNS, QUICK_RUNS = 20, 3


@dataclass(frozen=True)
class Measured:
    """One number. `runs` says of how many it is the median; None in a target: there is none."""

    name: str
    value: float
    unit: str
    runs: int = 1
    at_most: float | None = None
    at_least: float | None = None
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Whether the target is met; None where there is none."""
        if self.at_most is None and self.at_least is None:
            return None
        return (self.at_most is None or self.value <= self.at_most) and (
            self.at_least is None or self.value >= self.at_least
        )


@dataclass(frozen=True)
class Machine:
    """Where it was measured."""

    chip: str
    threads: int
    matrix_units: bool
    torch: str
    python: str


def machine() -> Machine:
    """This machine."""
    return Machine(
        chip=processor(),
        threads=torch.get_num_threads(),
        matrix_units=has_amx(),
        torch=torch.__version__,
        python=platform.python_version(),
    )


def has_amx() -> bool:
    """Whether the processor has Intel's matrix units: the targets differ."""
    return bool(getattr(torch.cpu, "_is_amx_tile_supported", lambda: False)())


def medians(works: Mapping[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """The median seconds of each work, warm; they take turns, so that they share what disturbs."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for work in works.values():
        for _ in range(min(WARM_UP, runs)):
            work()
    for _ in range(runs):
        for name, work in works.items():
            start = time.perf_counter()
            work()
            taken[name].append(time.perf_counter() - start)
    return {name: median(seconds) for name, seconds in taken.items()}


def peak_megabytes() -> float:
    """The most memory that this process ever held."""
    status = Path("/proc/self/status")
    if status.is_file():  # what `resource` says includes the process that started this one
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text())
        if found:
            return int(found[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1024**2 if sys.platform == "darwin" else 1024)
