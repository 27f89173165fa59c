"""How fast this machine trains: measured on the spot at first, later from the runs themselves."""

import time
from dataclasses import dataclass
from functools import cache, lru_cache

import torch

from n2n import TrainConfig, parse_noise, shipped
from n2n.devices import place
from n2n.models import kmacs_per_pixel, model_spec
from n2n.noise import LevelRange
from n2n.optimizers import HYBRID_LBFGS_STEPS, LBFGS_INNER_ITERATIONS

TRIAL_PX = 32  # the side of the pictures that a network is timed on
TRIAL_MACS = 4e9  # about what a trial may cost, forward
OVERHEAD = 1.2  # optimizer, data, validation: beside the network's own work

_seconds_per_pixel: dict[tuple[str, str, str], float] = {}  # what the last runs took


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
    one = source_pixels(config) * seconds_per_pixel(config)
    inner = LBFGS_INNER_ITERATIONS * one  # at most so many evaluations of the loss
    if config.optimizer == "lbfgs":
        return Cost(inner)
    if config.optimizer == "hybrid":
        return Cost(one, HYBRID_LBFGS_STEPS, inner)
    return Cost(one)


def source_pixels(config: TrainConfig) -> int:
    """Pixels that the network sees in a step; point sampling leaves one of each block."""
    noise = parse_noise(config.noise)
    noise = noise.middle if isinstance(noise, LevelRange) else noise
    side = max(1, config.crop_px // int(getattr(noise, "block_px", 1)))
    return config.batch * side * side


def seconds_per_pixel(config: TrainConfig) -> float:
    """Of one forward and backward pass, with all that comes with it."""
    known = _seconds_per_pixel.get(_key(config))
    if known is not None:
        return known
    minute = int(time.monotonic() / 60)  # a machine that was busy then may not be now
    return OVERHEAD * _trial(*_key(config)[:2], minute)


def remember(config: TrainConfig, steps_per_second: float) -> None:
    """A run has shown how fast it is; one of LBFGS says nothing of a single pass."""
    if config.optimizer not in ("lbfgs", "hybrid") and steps_per_second > 0:
        _seconds_per_pixel[_key(config)] = 1 / steps_per_second / source_pixels(config)


def _key(config: TrainConfig) -> tuple[str, str, str]:
    return config.model, str(config.model_kwargs.get("batchnorm", "")), config.optimizer


@cache
def kmacs(model: str) -> float:
    """Thousand multiply-accumulates per pixel: from the card, or counted on no pixels at all."""
    known = shipped.card(model).get("kmacs_per_pixel")
    if isinstance(known, int | float):
        return float(known)
    with torch.device("meta"):
        return kmacs_per_pixel(model_spec(model).build())


@lru_cache(maxsize=16)
def _trial(model: str, batchnorm: str, minute: int) -> float:
    """Seconds per pixel of the network, forward and backward, on a small batch."""
    placement = place()
    kwargs = {"batchnorm": batchnorm} if batchnorm else {}
    network = model_spec(model, **kwargs).build().to(placement.device)
    batch = int(min(16, max(2, TRIAL_MACS / 1000 / kmacs(model) / TRIAL_PX**2)))
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
    return min(taken) / (batch * TRIAL_PX**2)
