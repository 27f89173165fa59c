"""How fast this machine trains: measured on the spot at first, later from the runs themselves."""

import time
from dataclasses import dataclass
from functools import cache, lru_cache

import torch
from torch import nn

from n2n import TrainConfig, parse_noise, shipped
from n2n.devices import Placement, place
from n2n.models import kmacs_per_pixel, model_spec
from n2n.noise import LevelRange
from n2n.optimizers import HYBRID_LBFGS_STEPS, LBFGS_INNER_ITERATIONS

TRIAL_PX = 32  # the side of the pictures that a network is timed on
TRIAL_MACS = 4e9  # about what a trial may cost, forward
OVERHEAD = 1.2  # optimizer, data, validation: beside the network's own work

_step_seconds: dict[tuple[str, str, str, int], float] = {}  # what the last runs took


@dataclass(frozen=True)
class Cost:
    """What a step of a run costs here: seconds for each of its steps but the first `slow_steps`."""

    step_seconds: float
    slow_steps: float = 0.0
    slow_seconds: float = 0.0

    def seconds(self, steps: float) -> float:
        """How long so many steps will take."""
        slow = min(steps, self.slow_steps)
        return slow * self.slow_seconds + (steps - slow) * self.step_seconds

    def steps(self, seconds: float) -> int:
        """How many steps fit."""
        slow = self.slow_steps * self.slow_seconds
        if seconds < slow:
            return max(1, int(seconds / self.slow_seconds))
        return max(1, int(self.slow_steps + (seconds - slow) / self.step_seconds))


def cost(config: TrainConfig) -> Cost:
    """What a step of this run will cost."""
    one = pass_seconds(config)
    inner = LBFGS_INNER_ITERATIONS * one  # at most so many evaluations of the loss
    if config.optimizer == "lbfgs":
        return Cost(inner)
    if config.optimizer == "hybrid":
        return Cost(one, HYBRID_LBFGS_STEPS, inner)
    return Cost(one)


def gigamacs(config: TrainConfig) -> float:
    """Billion multiply-accumulates of one forward and backward pass, which costs three forward."""
    return 3 * source_pixels(config) * kmacs(config.model) / 1e6


def source_pixels(config: TrainConfig) -> int:
    """Pixels that the network sees in a step; point sampling leaves one of each block."""
    noise = parse_noise(config.noise)
    noise = noise.middle if isinstance(noise, LevelRange) else noise
    side = max(1, config.crop_px // int(getattr(noise, "block_px", 1)))
    return config.batch * side * side


def pass_seconds(config: TrainConfig) -> float:
    """Of one forward and backward pass over a batch, with all that comes with it."""
    known = _step_seconds.get(_key(config))
    if known is not None:
        return known
    minute = int(time.monotonic() / 60)  # a machine that was busy then may not be now
    fixed, per_pixel = _trial(config.model, _batchnorm(config), minute)
    return OVERHEAD * (fixed + per_pixel * source_pixels(config))


def remember(config: TrainConfig, steps_per_second: float) -> None:
    """A run has shown how fast it is; one of LBFGS says nothing of a single pass."""
    if config.optimizer not in ("lbfgs", "hybrid") and steps_per_second > 0:
        _step_seconds[_key(config)] = 1 / steps_per_second


def _key(config: TrainConfig) -> tuple[str, str, str, int]:
    return config.model, _batchnorm(config), config.optimizer, source_pixels(config)


def _batchnorm(config: TrainConfig) -> str:
    return str(config.model_kwargs.get("batchnorm", ""))


@cache
def kmacs(model: str) -> float:
    """Thousand multiply-accumulates per pixel: from the card, or counted."""
    known = shipped.card(model).get("kmacs_per_pixel")
    if isinstance(known, int | float):
        return float(known)
    return kmacs_per_pixel(model_spec(model).build())


@lru_cache(maxsize=16)
def _trial(model: str, batchnorm: str, minute: int) -> tuple[float, float]:
    """Seconds of a pass, forward and backward: those of any batch, and those of each pixel."""
    placement = place()
    kwargs = {"batchnorm": batchnorm} if batchnorm else {}
    network = model_spec(model, **kwargs).build().to(placement.device)
    large = int(min(16, max(3, TRIAL_MACS / 1000 / kmacs(model) / TRIAL_PX**2)))
    few, many = (_pass(network, placement, batch) for batch in (1, large))
    per_pixel = max(many - few, 0.1 * many) / ((large - 1) * TRIAL_PX**2)
    return max(few - per_pixel * TRIAL_PX**2, 0.0), per_pixel


def _pass(network: nn.Module, placement: Placement, batch: int) -> float:
    """Seconds of a forward and backward pass over small pictures: the quickest of three."""
    picture = torch.zeros(batch, 3, TRIAL_PX, TRIAL_PX, device=placement.device)
    taken = []
    for _ in range(3):  # the first prepares what the others use
        start = time.perf_counter()
        with torch.autocast(
            placement.device.type, torch.bfloat16, enabled=placement.dtype == torch.bfloat16
        ):
            estimate = network(picture)
        estimate.float().square().mean().backward()
        if placement.device.type == "cuda":
            torch.cuda.synchronize()
        taken.append(time.perf_counter() - start)
    return min(taken)
