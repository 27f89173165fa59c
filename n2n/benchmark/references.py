"""What the networks are measured against, in the same run: this machine's convolutions, and others.

Weights are random: they do not change the time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from n2n.benchmark.measured import Measured, medians

MEMORY = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}
CHANNELS = 128
Work = Callable[[], object]


@dataclass(frozen=True)
class Rate:
    """This machine's rate for 3×3 convolutions of 128 to 128 channels, where it is highest."""

    flops: float
    how: str
    work: Work  # does one of them again
    work_flops: float

    def measured(self, runs: int) -> Measured:
        """As a line of its own."""
        name = "r: 3×3 convolutions, 128 to 128 channels"
        return Measured(name, self.flops / 1e9, "GFLOP/s", runs, note=self.how)


def settings() -> list[tuple[torch.dtype, str]]:
    """Precisions and memory formats worth trying on this machine."""
    return [
        (torch.float32, "contiguous"),
        (torch.float32, "channels last"),
        (torch.bfloat16, "channels last"),
    ]


def convolution_rate(runs: int, sides: tuple[int, ...] = (64, 128, 256)) -> Rate:
    """The highest rate over precisions, memory formats and map sizes."""
    works, flops = {}, {}
    for dtype, memory in settings():
        for side in sides:
            how = f"{_name(dtype)}, {memory}, {side} × {side}"
            convolution = nn.Conv2d(CHANNELS, CHANNELS, 3, padding=1, bias=False)
            works[how] = forward(convolution, (CHANNELS, side, side), dtype, memory)
            flops[how] = 2.0 * 9 * CHANNELS**2 * side**2
    seconds = medians(works, runs)
    best = max(works, key=lambda how: flops[how] / seconds[how])
    return Rate(flops[best] / seconds[best], best, works[best], flops[best])


def forward(
    network: nn.Module, shape: tuple[int, int, int], dtype: torch.dtype, memory: str
) -> Work:
    """A pass through a network on one random (C, H, W), as a work to be timed."""
    placed = network.to(dtype=dtype, memory_format=MEMORY[memory]).eval()  # type: ignore[call-overload]
    image: Tensor = torch.zeros(1, *shape, dtype=dtype).contiguous(memory_format=MEMORY[memory])

    def work() -> None:
        with torch.inference_mode():
            placed(image)

    return work


def dncnn() -> nn.Sequential:
    """20 layers of 64 channels (Zhang et al. 2017), its normalisation folded in as for use."""
    return _chain(3, *[64] * 19, 3)


def ffdnet() -> nn.Sequential:
    """12 layers of 96 channels at half resolution: FFDNet for colour (Zhang et al. 2018).

    It sees 2×2 pixels of three colours and the noise level.
    """
    return _chain(15, *[96] * 11, 12)


def dncnn_plain(side: int) -> Work:
    """As its users run it: fp32, contiguous."""
    return forward(dncnn(), (3, side, side), torch.float32, "contiguous")


def ffdnet_plain(side: int) -> Work:
    """As its users run it: fp32, contiguous."""
    return forward(ffdnet(), (15, side // 2, side // 2), torch.float32, "contiguous")


def best_settings(
    make: Callable[[], nn.Module], channels: int, side: int, runs: int
) -> tuple[Work, str]:
    """How a network is fastest on (channels, side, side): precision, memory format, tile size.

    Tiles without the halo they would need: a favour to the reference.
    """
    works: dict[str, Work] = {}
    for dtype, memory in settings():
        for parts in (1, 2, 4):
            tile = side // parts
            one = forward(make(), (channels, tile, tile), dtype, memory)
            works[f"{_name(dtype)}, {memory}, {parts**2} tiles"] = _repeated(one, parts**2)
    seconds = medians(works, runs)
    best = min(seconds, key=lambda how: seconds[how])
    return works[best], best


def _repeated(work: Work, times: int) -> Work:
    def repeated() -> None:
        for _ in range(times):
            work()

    return repeated


def _chain(*channels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for fan_in, fan_out in pairwise(channels):
        layers += [nn.Conv2d(fan_in, fan_out, 3, padding=1), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers[:-1])


def _name(dtype: torch.dtype) -> str:
    return {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
