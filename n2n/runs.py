"""One training run from its description: network, data, optimizer, average, checkpoint, result."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from n2n import distributed, shipped, starting
from n2n.acceleration import captured
from n2n.checkpoints import load_weights, save_state, save_weights
from n2n.config import TrainConfig
from n2n.data import NoisyPairs, Photos
from n2n.devices import Placement, place
from n2n.losses import create_loss
from n2n.models import model_spec
from n2n.models.equivariance import Ties
from n2n.models.padding import amid_border
from n2n.noise import LevelRange, Noise, parse
from n2n.optimizers import ADAPTIVE, create_optimizer
from n2n.saved import Saved, other_version
from n2n.schedules import Budget, Landing, Rates, Schedule
from n2n.training import (
    Health,
    Step,
    Validation,
    averaged,
    averaged_model,
    checkpointed,
    guarded,
    recovered,
    taught,
    train,
    usable,
    validated,
    within_memory,
)
from n2n.validation import Validator

__all__ = ["Run", "TrainConfig"]

CHECKPOINT_SECONDS = 300.0
LANDING_SECONDS = 1.5


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
        self.model = starting.drawn(config, self.spec, self.placement)
        distributed.require_shares(config.batch, self.model)
        self.average = averaged_model(self.model, config.average)
        scaled = config.unit_gradient and config.optimizer in ADAPTIVE
        self.optimizer = create_optimizer(
            config.optimizer,
            self.model,
            config.rate,
            unit_gradient=scaled,
            ties=Ties(self.model) if config.equivariant else None,
        )
        self.noise, self.loss = parse(config.noise), create_loss(config.loss, config.floor_255)
        self.pairs = self._pairs(Photos(photos, self.placement.device))
        self.teacher = self._teacher()
        whole = (config.batch, 1, config.crop_px, config.crop_px)
        self.batch_pixels = self.validation_noise.reference(torch.empty(whole)).numel()
        self.validator = Validator(
            held_out, self.validation_noise, self.placement.device, file_step=config.file_step
        )
        self.start, self.pixels = 0, 0
        self.origin: dict[str, Any] = {}  # for the card: commands so far, what --init had seen
        self.rate = self.step_seconds = 0.0  # of the last step
        self.trouble: str | None = None  # what went wrong without ending the run, in one line
        self.health = Health()
        self._set_budget(0.0)

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

    @cached_property
    def baseline_db(self) -> float:
        """PSNR in dB of the noisy held-out pictures themselves, as 8-bit files."""
        return self.validator.noisy_psnr_db()

    def start_from(self, weights: Path) -> None:
        """Begin with the weights of the same network, or of a smaller one; the run warms up.

        Raises:
            ValueError: the file is no weight file, or its network is none that fits into the run's.
        """
        starting.begin_with(weights, self.model, self.config, self.spec)
        self.result.load_state_dict(self.model.state_dict())

    def steps(
        self,
        checkpoint: Path | None = None,
        validate_seconds: float = 10.0,
        *,
        validate: Callable[[], Validation] | None = None,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> Iterator[Step]:
        """Train, yielding every step; validates and writes checkpoints now and then.

        `validate` replaces the run's own, for a caller who looks at more. Should the run diverge,
        its result is that of the last good validation, and the last checkpoint stays.
        """
        config = self.config
        plan = Schedule(config.rate, self.budget, config.warmup_steps, config.decay)
        self.budget.is_cut_short = False
        steps = guarded(self._trained(plan), self.model)
        if len(self.validator):
            steps = validated(steps, validate or self.validate, validate_seconds)
        steps = recovered(steps, self.average, self.model, self.health)
        if checkpoint is not None:
            save = partial(self._save_or_tell, checkpoint)
            steps = checkpointed(steps, save, checkpoint_seconds, config.saved_part)
        return steps

    def landing(self, seconds: float = LANDING_SECONDS) -> Iterator[Step]:
        """After a stop: a few more steps in which the rate falls from where it is to zero.

        They end within `seconds` of wall clock; there are none where one takes longer than that.
        The checkpoint stays as it is. A run not begun, or at its planned end, needs none.
        """
        if not self.rate or self.budget.progress(self.start) >= 1.0:
            return
        plan = Landing(self.rate, self.budget, seconds, self.step_seconds)
        steps = guarded(self._trained(plan), self.model)
        yield from recovered(steps, self.average, self.model, self.health)

    def follow(self, checkpoint: Path) -> None:
        """In a process that does not lead: do what rank 0 says, until it ends the run."""
        steps = self._trained(distributed.Followed(self.validate))
        distributed.follow(steps, partial(self.save, checkpoint), self.config.saved_part)

    def _trained(self, plan: Rates) -> Iterator[Step]:
        """Steps from where the run stands, averaged and counted."""
        batches = distributed.parts(self.pairs(self.start))
        if self.teacher is not None:
            batches = taught(batches, self.teacher, self.autocast())
        steps = train(
            self._parallel,
            batches,
            self.optimizer,
            distributed.joint(self.loss),
            schedule=distributed.led(plan),
            start=self.start,
            autocast=self.autocast(),
        )
        steps = averaged(within_memory(distributed.watched(steps)), self.average, self.model)
        return self._counted(steps)

    @cached_property
    def _parallel(self) -> nn.Module:
        if self.placement.compiled:
            return captured(self.model, self.pairs.at(self.start)[0], self.autocast())
        return distributed.parallel(self.model)

    def autocast(self) -> torch.autocast:
        """Mixed precision where the device has the units: fp32 weights, bf16 convolutions."""
        is_bf16 = self.placement.dtype == torch.bfloat16
        # Each weight is used once: a cache of them in bf16 gains nothing, and outlives a capture.
        return torch.autocast(
            self.placement.device.type, torch.bfloat16, enabled=is_bf16, cache_enabled=False
        )

    def _counted(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Keep count of steps, pixels and time. Only while somebody steps does the time count."""
        self.budget.go_on()
        try:
            begun = time.monotonic()
            for step in steps:
                self.start, self.rate = step.index + 1, step.rate
                self.pixels += self.batch_pixels
                self.step_seconds = time.monotonic() - begun
                yield step
                begun = time.monotonic()
        finally:
            self.budget.pause()

    def _pairs(self, photos: Photos) -> NoisyPairs:
        config = self.config
        return NoisyPairs(
            photos,
            self.noise,
            config.batch,
            config.crop_px,
            seed=config.seed,
            targets="noisy" if config.targets == "noisy" else "clean",  # a teacher makes its own
            frozen=config.frozen,
            file_step=config.file_step,
            exposure=config.exposure,
            grey=config.grey,
            plain_steps=config.plain_steps,
        )

    def _teacher(self) -> nn.Module | None:
        if self.config.teacher is None:
            return None
        return load_weights(shipped.weights_path(self.config.teacher))[0].to(self.placement.device)

    def _set_budget(self, elapsed: float) -> None:
        self.budget = Budget(self.config.steps, self.config.seconds, elapsed)
        self.budget.pause()  # until somebody steps

    def network(self, noisy: Tensor) -> Tensor:
        """What the averaged network makes of (B, 3, h, w), at the run's precision."""
        with torch.inference_mode(), self.autocast():
            return amid_border(self.result.eval(), noisy).float()

    def validate(self) -> Validation:
        """The averaged network on the held-out photos, at one fixed draw of the noise."""
        return distributed.validated(self.validator, self.network, self.loss)

    def _save_or_tell(self, path: Path, step: int) -> None:
        """A disk that is full ends no run: the older checkpoint stays, and `trouble` says so."""
        try:
            self.save(path)
            self.trouble = None
        except OSError as error:
            reason = error.strerror or str(error).replace(str(path), path.name)
            self.trouble = f"no checkpoint at step {step}, the older one is kept: {reason}"

    def save(self, path: Path) -> None:
        """Write the whole state: weights, optimizer, average, step, time used, pixels seen.

        But not that of a run which is being lost: the last good one stays.
        """
        if self.health.lost_looks or not usable(self.model):
            return
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
                "origin": self.origin,
            },
        )

    def resume(self, checkpoint: Path | Saved) -> None:
        """Go on from a checkpoint of the same network and optimizer; batches follow the step.

        Raises:
            ValueError: the file is no checkpoint, or one of another run or another version.
        """
        saved = Saved.read(checkpoint) if isinstance(checkpoint, Path) else checkpoint
        saved.require_network(self.config)
        try:
            self._restore(saved.state)
        except (KeyError, TypeError, RuntimeError) as error:
            raise other_version(saved.path.name) from error

    def _restore(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.start, self.pixels = state["step"], state["pixels"]
        self.origin = state.get("origin", {})
        self._set_budget(state["elapsed"])

    def save_weights(self, path: Path) -> None:
        """Write the result as a weight file at half precision."""
        save_weights(path, self.result, self.spec)
