"""Which device, precision and memory format to compute on: decided once, with the reason."""

import os
from dataclasses import dataclass
from functools import cache

import torch

# Maps of tens of megabytes come and go with every layer: by pages of 2 MB instead of 4 kB the
# system hands them out in a fraction of the time. PyTorch asks once, before its first tensor.
os.environ.setdefault("THP_MEM_ALLOC_ENABLE", "1")

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class Placement:
    """Where and how a network runs. `reason` says why, in words for a person."""

    device: torch.device
    dtype: torch.dtype
    reason: str

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


@cache
def place(device: str = "auto", dtype: str = "auto") -> Placement:
    """Choose where and how to compute.

    Args:
        device: "auto" (a GPU where there is one), "cpu", "cuda" (or "cuda:1") or "mps".
        dtype: "auto" (bf16 where the device has units for it, else fp32), "fp32" or "bf16".

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
        fast = kind == "cpu" and _cpu_has_bf16_units()
    reason = "has bf16 units" if fast else "has no bf16 units, so fp32"
    return Placement(torch.device(name), torch.bfloat16 if fast else torch.float32, reason)


def _cpu_has_bf16_units() -> bool:
    """AMX or AVX-512 BF16. Without them bf16 is emulated and far slower than fp32.

    The probes are private in PyTorch; a release without them means fp32, which is always right.
    """
    probes = ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    return any(getattr(torch.cpu, probe, lambda: False)() for probe in probes)


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
