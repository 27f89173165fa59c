"""Where to compute is decided by what the machine has; here every kind of machine is played."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from n2n import devices
from n2n.devices import Placement, device_name, use_available_cores
from tests.tiny import refused

ROOT = Path(__file__).parents[1]
Machine = Callable[..., None]
place = devices.place.__wrapped__  # without the memory of this machine


@pytest.fixture(name="machine")
def played_machine(monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """Call it to say what the machine has."""

    def build(
        gpus: int = 0, apple: bool = False, cpu_bf16: bool = False, gpu_bf16: bool = True
    ) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)
        monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda **options: gpu_bf16)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: apple)
        seconds = {torch.float32: 1.0, torch.bfloat16: 0.5 if cpu_bf16 else 2.0}
        monkeypatch.setattr(devices, "_convolution_seconds", seconds.__getitem__)
        devices._bf16_is_faster_here.cache_clear()

    yield build
    devices._bf16_is_faster_here.cache_clear()


@pytest.mark.parametrize(
    ("has", "kind", "dtype"),
    [
        ({}, "cpu", torch.float32),
        ({"cpu_bf16": True}, "cpu", torch.bfloat16),
        ({"gpus": 2, "apple": True}, "cuda", torch.bfloat16),
        ({"gpus": 1, "gpu_bf16": False, "cpu_bf16": True}, "cuda", torch.float32),
        ({"apple": True, "cpu_bf16": True}, "mps", torch.float32),
    ],
    ids=["plain", "new CPU", "GPU", "old GPU", "Apple"],
)
def test_auto_takes_the_best(
    machine: Machine, has: dict[str, Any], kind: str, dtype: torch.dtype
) -> None:
    machine(**has)
    placement = place("auto")
    assert placement.device.type == kind
    assert placement.dtype == dtype
    assert ("no faster" in placement.reason) == (dtype == torch.float32)
    assert place(kind) == placement


def test_a_gpu_may_be_named_by_its_number(machine: Machine) -> None:
    machine(gpus=2)
    assert place("cuda:1").device == torch.device("cuda", 1)
    assert place("cpu").device.type == "cpu"


@pytest.mark.parametrize("name", ["tpu", "", "cuda:2", "cuda:", "cuda:x", "cpu:x", "mps", "CUDA"])
def test_what_is_not_here_is_refused(machine: Machine, name: str) -> None:
    machine(gpus=2)
    with refused(f"device {name!r} is not available here; choose auto or one of cuda, cpu"):
        place(name)


def test_a_cpu_alone_has_no_gpu(machine: Machine) -> None:
    machine()
    with refused("device 'cuda' is not available here; choose auto or one of cpu"):
        place("cuda")


def test_the_clock_decides_between_precisions(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here a convolution in bf16 waits for a moment first, or one in fp32 does."""
    plain, threads = torch.nn.functional.conv2d, torch.get_num_threads()
    for slow, expected in {torch.bfloat16: torch.float32, torch.float32: torch.bfloat16}.items():

        def convolved(
            maps: Tensor, kernels: Tensor, slow: torch.dtype = slow, padding: int = 0
        ) -> Tensor:
            assert torch.get_num_threads() == 1
            if maps.dtype == slow:
                time.sleep(0.2)
            return plain(maps, kernels, padding=padding)

        monkeypatch.setattr(torch.nn.functional, "conv2d", convolved)
        devices._bf16_is_faster_here.cache_clear()
        assert place("cpu").dtype == expected
        assert torch.get_num_threads() == threads
    devices._bf16_is_faster_here.cache_clear()


def test_the_label_says_device_cores_and_precision(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as context:
        context.setattr(torch, "get_num_threads", lambda: 2)
        assert Placement(torch.device("cpu"), torch.bfloat16, "").label == "CPU, 2 cores, bf16"
        context.setattr(torch, "get_num_threads", lambda: 1)
        assert Placement(torch.device("cpu"), torch.bfloat16, "").label == "CPU, 1 core, bf16"
    assert device_name(torch.device("mps")) == "Apple GPU"
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: "A100")
    assert Placement(torch.device("cuda"), torch.float32, "").label == "A100, fp32"


@pytest.fixture(name="threads")
def restored_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
def test_cores_follow_the_space_or_the_affinity(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CPU_CORES", "3")
    assert use_available_cores() == torch.get_num_threads() == 3
    for unsaid in ("", "0", "two", "1.5"):
        monkeypatch.setenv("CPU_CORES", unsaid)
        monkeypatch.setattr(os, "sched_getaffinity", lambda process: {0, 5}, raising=False)
        assert use_available_cores() == torch.get_num_threads() == 2


@pytest.mark.usefixtures("threads")
def test_cores_where_affinity_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CPU_CORES", raising=False)
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    assert use_available_cores() == 2


def test_the_dtype_can_be_chosen() -> None:
    assert place("cpu", "fp32").dtype == torch.float32
    assert place("cpu", "fp32").memory_format == torch.contiguous_format
    assert place("cpu", "bf16").memory_format == torch.channels_last
    assert place("cpu", "bf16").label.endswith("bf16")
    with pytest.raises(ValueError, match="fp32"):
        place("cpu", "int4")


LARGE_PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


@pytest.mark.skipif(
    not LARGE_PAGES.exists() or "[never]" in LARGE_PAGES.read_text(),
    reason="this system has no large pages to give",
)
def test_large_maps_get_large_pages() -> None:
    program = (
        "import n2n, torch\n"
        "kept = torch.ones(64 << 20, dtype=torch.uint8)\n"
        "print(open('/proc/self/smaps_rollup').read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("AnonHugePages")]
    assert int(line.split()[1]) >= 32 << 10  # kB
