"""One training run from its description: network, data, optimizer, average, checkpoint, result."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from n2n import images
from n2n.checkpoints import load_state, save_state, save_weights
from n2n.data import NoisyPairs, Photos
from n2n.data.pairs import Targets
from n2n.devices import Placement, place
from n2n.losses import LOSSES
from n2n.metrics import psnr_mean_db
from n2n.models import model_spec
from n2n.models.initialization import INITIALIZATIONS
from n2n.noise import LevelRange, Noise, parse
from n2n.optimizers import ADAPTIVE, OPTIMIZERS, create_optimizer
from n2n.randomness import keyed_rng, seeded_initialization
from n2n.training import (
    Budget,
    Schedule,
    Step,
    Validation,
    averaged,
    averaged_model,
    checkpointed,
    guarded,
    train,
    validated,
)

VALIDATION_SIDE_PX = 256
CHECKPOINT_SECONDS = 300.0


@dataclass(frozen=True)
class TrainConfig:
    """All that a run is, but for its photos. `asdict` of it is stored in checkpoints and cards."""

    model: str = "fast"
    model_kwargs: dict[str, Any] = field(default_factory=dict)
    noise: str = "gaussian:0-55"  # name:level, or name:low-high for a blind range
    loss: str = "log-l2"
    optimizer: str = "adamw"
    rate: float = 3e-3
    batch: int = 16
    crop_px: int = 96
    steps: int | None = None  # whichever of steps and seconds ends first; neither: until stopped
    seconds: float | None = None
    warmup_steps: int = 100
    unit_gradient: bool = True  # for adaptive optimizers: each step's gradient at norm 1
    decay: float = 0.2  # the last part of the run, over which the rate falls to zero
    average: float = 0.9995  # of the weights, per step
    initialization: str = "default"
    targets: Targets = "noisy"
    frozen: int | None = None  # fresh noise at every visit; n: the same n batches for ever
    exposure: float = 0.1  # share of images made to have pure white and black parts
    file_step: bool = True  # half of the inputs clipped and rounded, as files are
    seed: int = 0

    def __post_init__(self) -> None:
        """Names and ranges, each in one line."""
        for value, known, what in (
            (self.loss, LOSSES, "loss"),
            (self.optimizer, OPTIMIZERS, "optimizer"),
            (self.initialization, INITIALIZATIONS, "initialization"),
        ):
            if value not in known:
                raise ValueError(f"unknown {what} {value!r}; choose one of {', '.join(known)}")
        parse(self.noise)
        if not (0 < self.rate < math.inf and 0 <= self.decay < 1 and 0 <= self.average < 1):
            raise ValueError(
                "the learning rate must be positive, decay and average in [0, 1); got "
                f"{self.rate}, {self.decay}, {self.average}"
            )
        if self.steps is not None and self.steps < 1:
            raise ValueError(f"a run takes at least one step, got {self.steps}")
        if self.seconds is not None and not self.seconds > 0:
            raise ValueError(f"a run takes more than 0 seconds, got {self.seconds}")


class Run:
    """A run that can be stepped, stopped, saved and resumed.

    Args:
        config: what to do.
        photos: clean photos to train on, uint8 (H, W[, 3]).
        held_out: other photos, for validation.
        placement: where to compute; by default the best device of this machine.
    """

    def __init__(
        self,
        config: TrainConfig,
        photos: Sequence[np.ndarray],
        held_out: Sequence[np.ndarray],
        placement: Placement | None = None,
    ) -> None:
        self.config, self.placement = config, placement or place()
        self.spec = model_spec(config.model, **config.model_kwargs)
        with seeded_initialization(config.seed):
            model = self.spec.build()
            INITIALIZATIONS[config.initialization](model)
        self.model = model.to(self.placement.device)
        self.average = averaged_model(self.model, config.average)
        self.optimizer = create_optimizer(
            config.optimizer,
            self.model,
            config.rate,
            unit_gradient=config.unit_gradient and config.optimizer in ADAPTIVE,
        )
        self.noise = parse(config.noise)
        self.pairs = NoisyPairs(
            Photos(photos, self.placement.device),
            self.noise,
            config.batch,
            config.crop_px,
            seed=config.seed,
            targets=config.targets,
            frozen=config.frozen,
            file_step=config.file_step,
            exposure=config.exposure,
        )
        whole = torch.empty(config.batch, 1, config.crop_px, config.crop_px)
        self.batch_pixels = self.validation_noise.reference(whole).numel()
        self.held_out = [_validation_crop(photo).to(self.placement.device) for photo in held_out]
        self.start, self.pixels = 0, 0
        self.budget = Budget(config.steps, config.seconds)

    @property
    def validation_noise(self) -> Noise:
        """The noise of validation; of a range, its middle."""
        return self.noise.middle if isinstance(self.noise, LevelRange) else self.noise

    @property
    def gigapixels(self) -> float:
        """Noisy source pixels seen so far, in billions, over all parts of the run."""
        return self.pixels / 1e9

    @property
    def result(self) -> nn.Module:
        """The network to use: the averaged weights."""
        module: nn.Module = self.average.module
        return module

    def steps(
        self, checkpoint: Path | None = None, validate_seconds: float = 10.0
    ) -> Iterator[Step]:
        """Train, yielding every step; validates and writes checkpoints now and then."""
        config = self.config
        steps = train(
            self.model,
            self.pairs(self.start),
            self.optimizer,
            LOSSES[config.loss],
            schedule=Schedule(config.rate, self.budget, config.warmup_steps, config.decay),
            start=self.start,
            autocast=self.autocast(),
        )
        steps = averaged(steps, self.average, self.model)
        steps = self._counted(steps)
        steps = guarded(steps)
        if self.held_out:
            steps = validated(steps, self.validate, validate_seconds)
        if checkpoint is not None:
            steps = checkpointed(
                steps, lambda _: self.save(checkpoint), CHECKPOINT_SECONDS, config.decay
            )
        return steps

    def autocast(self) -> torch.autocast:
        """Mixed precision where the device has the units: fp32 weights, bf16 convolutions."""
        dtype = self.placement.dtype
        return torch.autocast(
            self.placement.device.type, torch.bfloat16, enabled=dtype == torch.bfloat16
        )

    def _counted(self, steps: Iterator[Step]) -> Iterator[Step]:
        for step in steps:
            self.start = step.index + 1
            self.pixels += self.batch_pixels
            yield step

    @torch.inference_mode()
    def validate(self) -> Validation:
        """The averaged network on the held-out photos, at one fixed draw of the noise."""
        noise, network = self.validation_noise, self.result.eval()
        losses, scores = [], []
        for index, clean in enumerate(self.held_out):
            source, target = (self._validation_draw(noise, clean, index, view) for view in (0, 1))
            with self.autocast():
                estimate = network(source).float()
            losses.append(float(LOSSES[self.config.loss](estimate, target, 0.0)))
            rounded = images.file_step(estimate)
            scores.append(psnr_mean_db(rounded, images.file_step(noise.reference(clean))))
        return Validation(float(np.mean(losses)), float(np.mean(scores)))

    def _validation_draw(self, noise: Noise, clean: Tensor, index: int, view: int) -> Tensor:
        rng = keyed_rng("validation", index, view, device=clean.device)
        return noise(clean, rng).contiguous(memory_format=torch.channels_last)

    def save(self, path: Path) -> None:
        """Write the whole state: weights, optimizer, average, step, time used, pixels seen."""
        if not all(bool(torch.isfinite(weight).all()) for weight in self.model.parameters()):
            return  # keep the last good one
        save_state(
            path,
            {
                "config": asdict(self.config),
                "model": self.model.state_dict(),
                "average": self.average.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.start,
                "elapsed": self.budget.elapsed,
                "pixels": self.pixels,
            },
        )

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint of the same network and optimizer; batches follow the step.

        Raises:
            ValueError: the file is no checkpoint, or one of another run or another version.
        """
        state = load_state(path)
        try:
            self._restore(state, path.name)
        except (KeyError, TypeError, RuntimeError) as error:
            raise ValueError(f"{path.name} was written by another version; train anew") from error

    def _restore(self, state: dict[str, Any], name: str) -> None:
        was = TrainConfig(**state["config"])
        if (was.model, was.model_kwargs, was.optimizer) != (
            self.config.model,
            self.config.model_kwargs,
            self.config.optimizer,
        ):
            raise ValueError(
                f"{name} is a run of {was.model} with {was.optimizer}, not of "
                f"{self.config.model} with {self.config.optimizer}"
            )
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.start, self.pixels = state["step"], state["pixels"]
        self.budget = Budget(self.config.steps, self.config.seconds, state["elapsed"])

    def save_weights(self, path: Path) -> None:
        """Write the result as a weight file at half precision."""
        save_weights(path, self.result, self.spec)


def config_of(checkpoint: Path) -> TrainConfig:
    """The settings of a run that was saved.

    Raises:
        ValueError: the file is no checkpoint, or one of another version.
    """
    try:
        return TrainConfig(**load_state(checkpoint)["config"])
    except (KeyError, TypeError) as error:
        message = f"{checkpoint.name} was written by another version; train anew"
        raise ValueError(message) from error


def _validation_crop(photo: np.ndarray) -> Tensor:
    """The middle of a photo, at most 256 × 256: float (1, 3, h, w)."""
    image = images.to_tensor(photo)
    top, left = ((size - VALIDATION_SIDE_PX) // 2 for size in image.shape[-2:])
    rows = slice(max(top, 0), max(top, 0) + VALIDATION_SIDE_PX)
    columns = slice(max(left, 0), max(left, 0) + VALIDATION_SIDE_PX)
    return image[..., rows, columns]
