"""Training: our loop beside a bare one, and the report's epoch beside its own layers."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from n2n.benchmark.measured import QUICK_RUNS, RUNS, Measured, medians
from n2n.benchmark.references import Work
from n2n.data.samples import training_and_validation
from n2n.devices import Placement, place
from n2n.losses import LOSSES
from n2n.models import create_model
from n2n.optimizers import create_optimizer
from n2n.randomness import keyed_rng
from n2n.recipes import RECIPES
from n2n.runs import Run
from n2n.schedules import Budget, Schedule
from n2n.training import train

Batch = tuple[Tensor, Tensor]
REPORT_PAIRS, REPORT_BATCH, REPORT_PX = 50_000, 100, 32
FEW = 5
LOOP_SHARE, LAYER_SHARE, TIMES_FP32 = 85.0, 40.0, 3.0


def measure(quick: bool) -> Iterator[Measured]:
    """All of it."""
    yield from _loop(quick)
    yield from _report(quick)


def _loop(quick: bool) -> Iterator[Measured]:
    """`train()`, and a whole run of `fast` on a CPU, beside forward, backward and step."""
    runs = QUICK_RUNS if quick else RUNS
    batch, crop_px = (2, 32) if quick else (32, 64)
    config = replace(RECIPES["fast"].config, batch=batch, crop_px=crop_px)
    run = Run(config, *training_and_validation(), place("cpu"))
    batches = [run.pairs.at(step) for step in range(4)]
    works = {
        "bare": bare_step(config.model, batches, config.loss, config.rate, run.autocast()),
        "train()": our_step(config.model, batches, config.loss, config.rate, run.autocast()),
        "run": _stepped(run.steps(validate_seconds=1e9)),
    }
    seconds = medians(works, runs)
    pixels = config.batch * config.crop_px**2 / 1e6
    what = f"fast, {config.batch} × {config.crop_px}², {run.placement.label}"
    yield Measured("bare training loop", pixels / seconds["bare"], "Mpx/s", runs, note=what)
    yield Measured(
        "train(), of the bare loop's speed", 100 * seconds["bare"] / seconds["train()"], "%", runs,
        at_least=LOOP_SHARE,
    )  # fmt: skip
    yield Measured(
        "a whole run, of the bare loop's speed", 100 * seconds["bare"] / seconds["run"], "%", runs,
        note="crops, noise, averaging and looking after it included",
    )  # fmt: skip


def _report(quick: bool) -> Iterator[Measured]:
    """The report's network at its batch: the rate of an epoch, of its layers, and plainly."""
    runs, size = (1, 2) if quick else (FEW, REPORT_BATCH)
    placement = place("cpu")
    rng = keyed_rng("benchmark")
    source, target = torch.rand(2, size, 3, REPORT_PX, REPORT_PX, generator=rng)
    batch = (source.contiguous(memory_format=torch.channels_last), target)  # as a run has them
    autocast = _autocast(placement)
    works = {
        "ours": our_step("seed", [batch], "l2", 0.05, autocast, "momentum"),
        "plain": bare_step("seed", [(source, target)], "l2", 0.05, nullcontext(), "momentum"),
        "layers": layers_alone(create_model("seed"), source, placement.dtype),
    }
    seconds = medians(works, runs)
    steps = REPORT_PAIRS / size
    flops = step_flops(create_model("seed"), batch)
    what = f"{size} × {REPORT_PX}², {flops * steps / 1e12:.0f} TFLOP, {placement.label}"
    yield Measured(
        "the report's epoch of 50,000 pairs", seconds["ours"] * steps, "s", runs, note=what
    )
    yield Measured("its rate", flops / seconds["ours"] / 1e9, "GFLOP/s", runs)
    yield Measured(
        "its rate, of that of its own layers", 100 * seconds["layers"] / seconds["ours"], "%", runs,
        at_least=LAYER_SHARE,
        note=f"{flops / seconds['layers'] / 1e9:.0f} GFLOP/s forward and backward, one by one",
    )  # fmt: skip
    has_units = placement.dtype == torch.bfloat16
    yield Measured(
        "times the plain fp32 loop", seconds["plain"] / seconds["ours"], "×", runs,
        at_least=TIMES_FP32 if has_units else None,
    )  # fmt: skip


def bare_step(
    model: str,
    batches: list[Batch],
    loss: str,
    rate: float,
    autocast: AbstractContextManager[object],
    optimizer: str = "adamw",
) -> Work:
    """Forward, backward, step, and nothing else."""
    network = create_model(model).train()
    step = create_optimizer(optimizer, network, rate)
    endless = itertools.cycle(batches)

    def work() -> None:
        source, target = next(endless)
        step.zero_grad(set_to_none=True)
        with autocast:
            estimate = network(source)
        LOSSES[loss](estimate.float(), target, 0.0).backward()  # type: ignore[no-untyped-call]
        step.step()

    return work


def our_step(
    model: str,
    batches: list[Batch],
    loss: str,
    rate: float,
    autocast: AbstractContextManager[None],
    optimizer: str = "adamw",
) -> Work:
    """One step of `train()` on the same network and batches."""
    network = create_model(model)
    steps = train(
        network,
        itertools.cycle(batches),
        create_optimizer(optimizer, network, rate),
        LOSSES[loss],
        schedule=Schedule(rate, Budget(steps=10**9)),
        autocast=autocast,
    )
    return _stepped(steps)


def layers_alone(model: nn.Module, source: Tensor, dtype: torch.dtype) -> Work:
    """Every convolution forward and backward on a map of its own size, one after the other."""
    maps: list[tuple[nn.Module, Tensor]] = []
    hooks = [
        layer.register_forward_hook(lambda layer, given, _: maps.append((layer, given[0].detach())))
        for layer in model.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    with torch.no_grad():
        model(source)
    for hook in hooks:
        hook.remove()
    placed = [
        (layer.to(dtype), given.to(dtype, memory_format=torch.channels_last).requires_grad_())
        for layer, given in maps
    ]
    first = placed[0][1].requires_grad_(False)  # nobody asks for the picture's gradient

    def work() -> None:
        for layer, given in placed:
            layer.zero_grad(set_to_none=True)
            given.grad = None
            result: Tensor = layer(given)
            result.backward(result.detach())  # type: ignore[no-untyped-call]

    assert not first.requires_grad
    return work


def step_flops(model: nn.Module, batch: Batch) -> float:
    """Floating-point operations of one step, forward and backward."""
    counter = FlopCounterMode(display=False)
    with counter:
        (model(batch[0]) - batch[1]).square().mean().backward()
    return float(counter.get_total_flops())


def _stepped(steps: Iterator[object]) -> Callable[[], object]:
    return lambda: next(steps)


def _autocast(placement: Placement) -> AbstractContextManager[None]:
    return torch.autocast("cpu", torch.bfloat16, enabled=placement.dtype == torch.bfloat16)
