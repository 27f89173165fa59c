"""Which device, precision and memory format to compute on: decided once, with the reason."""

import os
import platform
import re
import time
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch

# Maps of tens of megabytes come and go with every layer: by pages of 2 MB instead of 4 kB the
# system hands them out in a fraction of the time. PyTorch asks once, before its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """Where and how a network runs. `reason` says why, in words for a person.

    Where `compiled`, a training run has its network compiled first (`n2n.acceleration`): on a CUDA
    device, in the only process of the run, which does nothing else there.
    """

    device: torch.device
    dtype: torch.dtype
    reason: str
    compiled: bool = False

    @property
    def memory_format(self) -> torch.memory_format:
        """How maps lie in memory: a pixel's channels side by side, as units for bf16 want them."""
        bf16 = self.dtype == torch.bfloat16
        return torch.channels_last if bf16 else torch.contiguous_format

    @property
    def label(self) -> str:
        """Such as "CPU, 2 cores, bf16"."""
        name = next(name for name, dtype in DTYPES.items() if dtype == self.dtype)
        return f"{device_name(self.device)}, {name}"


def device_name(device: torch.device) -> str:
    """The device in words: the GPU's name, or the CPU with the cores this process may use."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    cores = torch.get_num_threads()
    return f"CPU, {cores} core{'s' if cores > 1 else ''}"


def processor() -> str:
    """The CPU's name, as its maker has it."""
    known = Path("/proc/cpuinfo")
    if known.is_file():
        found = re.search(r"model name\s*:\s*(.+)", known.read_text())
        if found:
            return found[1].strip()
    return platform.processor() or platform.machine()


@cache
def place(device: str = "auto", dtype: str = "auto") -> Placement:
    """Choose where and how to compute.

    Args:
        device: "auto" (a GPU where there is one), "cpu", "cuda" (or "cuda:1") or "mps".
        dtype: "auto" (bf16 where the device is faster in it, else fp32), "fp32" or "bf16".

    Raises:
        ValueError: no such device on this machine, or no such dtype.
    """
    if dtype not in ("auto", *DTYPES):
        raise ValueError(f"dtype is auto or one of {', '.join(DTYPES)}, got {dtype!r}")
    counts = {  # the best kind first
        "cuda": torch.cuda.device_count() if torch.cuda.is_available() else 0,
        "mps": int(torch.backends.mps.is_available()),
        "cpu": 1,
    }
    kinds = [kind for kind, count in counts.items() if count]
    names = [*kinds, *(f"{kind}:{index}" for kind in kinds for index in range(counts[kind]))]
    name = kinds[0] if device == "auto" else device
    if name not in names:
        raise ValueError(
            f"device {device!r} is not available here; choose auto or one of {', '.join(kinds)}"
        )
    if dtype != "auto":
        return Placement(torch.device(name), DTYPES[dtype], f"was told to use {dtype}")
    kind = name.partition(":")[0]
    if kind == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        fast = kind == "cpu" and _bf16_is_faster_here()
    reason = "is faster in bf16" if fast else "is no faster in bf16, so fp32"
    return Placement(torch.device(name), torch.bfloat16 if fast else torch.float32, reason)


@cache
def _bf16_is_faster_here() -> bool:
    """Whether a convolution on one core of this CPU takes less time in bf16 than in fp32: tried.

    Nothing says so but a clock. With AMX bf16 is several times as fast; with AVX-512 BF16 up to
    twice as fast on AMD's cores, and half as fast on Intel's; without either it is emulated.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # other work on a second core would decide it
    try:
        return _convolution_seconds(torch.bfloat16) < _convolution_seconds(torch.float32)
    finally:
        torch.set_num_threads(threads)


def _convolution_seconds(dtype: torch.dtype, channels: int = 48, px: int = 48) -> float:
    """The least time of a few convolutions, the first of which sets things up. Milliseconds."""
    maps = torch.ones(1, channels, px, px, dtype=dtype)
    maps = maps.contiguous(memory_format=torch.channels_last)
    kernels = torch.ones(channels, channels, 3, 3, dtype=dtype)
    seconds = []
    with torch.inference_mode():
        for _ in range(6):
            start = time.perf_counter()
            torch.nn.functional.conv2d(maps, kernels, padding=1)
            seconds.append(time.perf_counter() - start)
    return min(seconds)


def use_available_cores() -> int:
    """Let PyTorch use the cores that this process may run on, and say how many.

    A container may see more than it owns; a Space states its share in CPU_CORES.
    """
    share = os.environ.get("CPU_CORES", "")
    if share.isdecimal() and int(share) > 0:
        cores = int(share)
    elif hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:  # macOS and Windows
        cores = os.cpu_count() or 1
    torch.set_num_threads(cores)
    return cores
