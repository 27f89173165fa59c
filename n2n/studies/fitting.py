"""Measure a curve: train its network, and say after every step where it stands."""

import copy
import time
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from math import isfinite
from typing import Protocol

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from n2n import images
from n2n.data import NoisyPairs, Photos
from n2n.data.course import BLOCK_PX, PairBatches, Pairs, unit
from n2n.devices import Placement
from n2n.losses import LOSSES, Loss
from n2n.metrics import psnr_global_db, psnr_mean_db
from n2n.models import equivariance
from n2n.noise import LevelRange, Noise, parse
from n2n.noise.sampling import PointSampling
from n2n.optimizers import ADAPTIVE, Filtered, Hybrid, create_optimizer
from n2n.randomness import seeded_initialization
from n2n.schedules import Budget, Schedule
from n2n.studies.base import Curve, Enough, never
from n2n.studies.networks import build
from n2n.studies.record import Row
from n2n.studies.sources import Source
from n2n.training import Step, train

WINDOWS_ON_THE_WAY = 100
CHUNK = 100  # pictures validated at once

# The values of a row, measured on the network as it stands; told whether it is the last time.
Validate = Callable[[nn.Module, bool], dict[str, float]]


class Batches(Protocol):
    """(source, target) of any step: `PairBatches`, `NoisyPairs`."""

    def __call__(self, start: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Batches without end, from step `start`."""
        ...


class Counted:
    """A loss that counts how often it is asked: once for each forward-backward pass.

    A step of LBFGS has many; before each of them `enough` may end the curve by raising.
    """

    def __init__(self, loss: Loss, enough: Enough = never) -> None:
        self.loss, self.enough, self.passes = loss, enough, 0

    def __call__(self, estimate: Tensor, target: Tensor, progress: float) -> Tensor:
        """The loss."""
        self.enough()
        self.passes += 1
        return self.loss(estimate, target, progress)


def fit(
    curve: Curve,
    source: Source,
    placement: Placement,
    enough: Enough = never,
    model: nn.Module | None = None,
) -> Iterator[Row]:
    """Train, with PSNR (both conventions) of the 8-bit output on held-out windows.

    On the first of them on the way; at the end on those, as the curve goes on, and on all.

    `model` is the network to train; None for a new one, as the curve says.
    """
    windows = held_out(curve, source, placement)

    def validate(model: nn.Module, last: bool) -> dict[str, float]:
        some = Pairs(*(part[:WINDOWS_ON_THE_WAY] for part in windows))
        found = psnr_of(model, some, autocast(placement))
        if last:
            whole = psnr_of(model, windows, autocast(placement))
            found |= {f"final_{name}": value for name, value in whole.items()}
        return found

    return fit_and(curve, source, placement, validate, enough, model)


def fit_and(
    curve: Curve,
    source: Source,
    placement: Placement,
    validate: Validate,
    enough: Enough = never,
    model: nn.Module | None = None,
) -> Iterator[Row]:
    """Train, with `validate` every so many steps and at the end."""
    model = untrained(curve, placement) if model is None else model
    tflop = curve.batch * tflop_of_a_pass(model, curve.side_px)
    loss = Counted(LOSSES[curve.loss], enough)
    seconds, start = 0.0, time.perf_counter()
    for step in steps_of(curve, model, batches_of(curve, source, placement), loss, placement):
        value = float(step.loss)  # waits for the device
        seconds += time.perf_counter() - start
        values = {"loss": value, "tflop": loss.passes * tflop}
        last = step.index + 1 == curve.steps or enough()
        due = curve.validate_every and (step.index + 1) % curve.validate_every == 0
        if isfinite(value) and (last or due):
            values |= validate(model, last)
        yield Row(curve.name, curve.seed, step.index + 1, loss.passes, seconds, values)
        if last or not isfinite(value):
            return
        model.train()
        start = time.perf_counter()


def untrained(curve: Curve, placement: Placement) -> nn.Module:
    """The network of a curve with its first weights, on the device."""
    with seeded_initialization(curve.seed):
        model = build(curve.network, curve.network_kwargs, curve.initialization)
    model = model.to(placement.device)
    if curve.equivariant:
        equivariance.tie(model)
    return model


def steps_of(
    curve: Curve, model: nn.Module, batches: Batches, loss: Loss, placement: Placement
) -> Iterator[Step]:
    """The training of a curve; LBFGS in fp32, since rounding would spoil its curvature."""
    optimizer = optimizer_of(curve, model)
    schedule = Schedule(curve.rate, Budget(curve.steps), decay=curve.decay)
    lbfgs_steps = {"lbfgs": curve.steps, "hybrid": curve.lbfgs_steps}.get(curve.optimizer, 0)
    exact = curve.steps if curve.exact else lbfgs_steps
    first: Iterable[tuple[Tensor, Tensor]] = islice(batches(), exact)
    return chain(
        train(model, first, optimizer, loss, schedule=schedule),
        train(
            model,
            batches(exact),
            optimizer,
            loss,
            schedule=schedule,
            start=exact,
            autocast=autocast(placement),
        ),
    )


def optimizer_of(curve: Curve, model: nn.Module) -> torch.optim.Optimizer:
    """By name; our own network's adaptive ones see gradients of norm 1, as everywhere here."""
    if curve.optimizer == "hybrid":
        hybrid = Hybrid(model.parameters(), curve.rate, curve.lbfgs_steps)
        return Filtered(model, hybrid, [equivariance.Ties(model)]) if curve.equivariant else hybrid
    unit_gradient = curve.network != "seed" and curve.optimizer in ADAPTIVE
    return create_optimizer(
        curve.optimizer,
        model,
        curve.rate,
        unit_gradient=unit_gradient,
        ties=equivariance.Ties(model) if curve.equivariant else None,
    )


def batches_of(curve: Curve, source: Source, placement: Placement) -> Batches:
    """What a curve trains on."""
    if curve.pairs == "course":
        first, second = _part(source.pairs(curve.samples), curve.side_px, placement)
        pairs = Pairs(first, first if curve.targets == "same" else second)
        return PairBatches(pairs, curve.batch, curve.seed, flips=curve.flips, swap=curve.swap)
    noise = noise_of(curve)
    return NoisyPairs(
        Photos(source.photos[0], placement.device),
        noise,
        curve.batch,
        crop_px(curve, noise),
        seed=curve.seed,
        targets="clean" if curve.targets == "clean" else "noisy",
        frozen=curve.steps_per_epoch if curve.pairs == "frozen" else None,
        file_step=False,
    )


def held_out(curve: Curve, source: Source, placement: Placement) -> Pairs:
    """Noisy and clean pictures of the curve's noise; uint8 of the course's, else float."""
    if curve.noise == f"point-sampling:{BLOCK_PX}":
        return _part(source.windows(curve.windows), curve.side_px, placement)
    noise = noise_of(curve)
    photos = Photos(source.photos[1], placement.device)
    draws = NoisyPairs(
        photos, noise, curve.windows, crop_px(curve, noise), targets="clean", file_step=False
    )
    return Pairs(*(255 * part for part in draws.at(0)))


def noise_of(curve: Curve) -> Noise:
    """The noise of a curve, one level of it."""
    noise = parse(curve.noise)
    if isinstance(noise, LevelRange):
        raise ValueError(f"a curve has one level of noise, got {curve.noise!r}")
    return noise


def crop_px(curve: Curve, noise: Noise) -> int:
    """The side to cut from a photo so that pictures have the curve's."""
    return curve.side_px * (noise.block_px if isinstance(noise, PointSampling) else 1)


def autocast(placement: Placement) -> torch.autocast:
    """bf16 convolutions with fp32 weights, where the device is faster in it."""
    bf16 = placement.dtype == torch.bfloat16
    return torch.autocast(placement.device.type, torch.bfloat16, enabled=bf16)


@torch.inference_mode()
def psnr_of(model: nn.Module, windows: Pairs, autocast: torch.autocast) -> dict[str, float]:
    """Both conventions, in evaluation mode, of the 8-bit output."""
    model.eval()
    with autocast:
        parts = [model(unit(chunk)).float() for chunk in torch.split(windows.first, CHUNK)]
    clean = unit(windows.second)
    estimate = torch.cat(parts)
    if not bool(torch.isfinite(estimate).all()):
        return {}
    estimate = images.file_step(estimate)
    return {
        "psnr_a_db": psnr_mean_db(estimate, clean),
        "psnr_b_db": psnr_global_db(estimate, clean),
    }


def tflop_of_a_pass(model: nn.Module, side: int) -> float:
    """Of one picture, forward and backward."""
    own = copy.deepcopy(model)  # BatchNorm would remember the picture
    device = next(own.parameters()).device
    counter = FlopCounterMode(display=False)
    with counter:
        own(torch.zeros(2, 3, side, side, device=device)).sum().backward()
    return float(counter.get_total_flops()) / 2 / 1e12


def _part(pairs: Pairs, side: int, placement: Placement) -> Pairs:
    """The corner of each picture, on the device."""
    return Pairs(*(part[..., :side, :side].to(placement.device) for part in pairs))
