"""Denoising a picture in memory: shares of the machine's rate, and beside other networks."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch

from n2n import images
from n2n.benchmark import references
from n2n.benchmark.measured import QUICK_RUNS, RUNS, Measured, has_amx, medians
from n2n.benchmark.references import Work
from n2n.checkpoints import load_weights
from n2n.data.samples import sample
from n2n.denoiser import Denoiser, load
from n2n.models import kmacs_per_pixel
from n2n.models.padding import amid_border
from n2n.noise import create_noise
from n2n.randomness import keyed_rng
from n2n.shipped import weights_path

FEW = 3  # runs of what takes seconds
SMALL_PX = (64, 256)


@dataclass(frozen=True)
class Targets:
    """What a model must reach: a share of r, and times the FFDNet-shaped network's at its best."""

    share_percent: float
    times_ffdnet: float


def targets(name: str) -> Targets:
    """They depend on whether the chip has matrix units."""
    amx = {"best": Targets(55, 1.0), "fast": Targets(35, 0.25)}
    other = {"best": Targets(75, 0.6), "fast": Targets(50, 0.18)}
    return (amx if has_amx() else other)[name]


def noisy_photo(height: int, width: int) -> np.ndarray:
    """A photo of any size with noise of σ 25 as a file has it, clipped white included."""
    clean = sample("coffee")
    times = (-(-height // clean.shape[0]), -(-width // clean.shape[1]), 1)
    tiled = np.tile(clean, times)[:height, :width]
    noisy = create_noise("gaussian", 25)(images.to_tensor(tiled), keyed_rng("benchmark"))
    return images.to_uint8(noisy)


def measure(quick: bool) -> Iterator[Measured]:
    """All of it, the references first."""
    runs, side = (QUICK_RUNS, 128) if quick else (RUNS, 1024)
    rate = references.convolution_rate(runs, (64,) if quick else (64, 128, 256))
    yield rate.measured(runs)
    picture = noisy_photo(side, side)
    megapixels = side**2 / 1e6
    ffdnet, how = references.best_settings(references.ffdnet, 15, side // 2, 1)
    denoisers = {name: load(name, device="cpu") for name in ("best", "fast")}
    works: dict[str, Work] = {"r": rate.work, "ffdnet": ffdnet}
    works |= {name: _call(denoiser, picture) for name, denoiser in denoisers.items()}
    seconds = medians(works, runs)
    where = f"{side} × {side}"
    yield _milliseconds(f"FFDNet-shaped, at its best, {where}", seconds["ffdnet"], runs, how)
    # What ran beside it counts for the rate as well: it took turns with the networks.
    flops = max(rate.flops, rate.work_flops / seconds["r"])
    for name, denoiser in denoisers.items():
        yield _milliseconds(f"{name}, {where}", seconds[name], runs, denoiser.placement.label)
        yield from _shares(name, denoiser, seconds, flops, (megapixels, runs))
    yield from _others(side, quick)
    yield from _against_plain(denoisers, picture, quick)


def _shares(
    name: str, denoiser: Denoiser, seconds: dict[str, float], flops: float, size: tuple[float, int]
) -> Iterator[Measured]:
    megapixels, runs = size
    goal = targets(name)
    kmacs = kmacs_per_pixel(denoiser.spec.build())
    reached = 2e3 * kmacs * 1e6 * megapixels / seconds[name]
    share, times = 100 * reached / flops, seconds[name] / seconds["ffdnet"]
    yield Measured(
        f"{name}, share of r", share, "%", runs, at_least=goal.share_percent,
        note=f"{kmacs:.1f} kMAC/px",
    )  # fmt: skip
    yield Measured(
        f"{name}, times FFDNet-shaped at its best", times, "×", runs, at_most=goal.times_ffdnet
    )


def _others(side: int, quick: bool) -> Iterator[Measured]:
    """The references as their users run them."""
    runs = 1 if quick else FEW
    works = {"DnCNN": references.dncnn_plain(side), "FFDNet": references.ffdnet_plain(side)}
    seconds = medians(works, runs)
    for name, taken in seconds.items():
        label = f"{name}-shaped, fp32 contiguous, {side} × {side}"
        yield _milliseconds(label, taken, runs, "as its users run it")
    if not quick:
        work, how = references.best_settings(references.dncnn, 3, side, 1)
        taken = medians({"": work}, FEW)[""]
        yield _milliseconds(f"DnCNN-shaped, at its best, {side} × {side}", taken, FEW, how)


def _against_plain(
    denoisers: dict[str, Denoiser], picture: np.ndarray, quick: bool
) -> Iterator[Measured]:
    """Never slower than the plain fp32 call, small pictures included."""
    sizes = {side: picture[:side, :side].copy() for side in SMALL_PX if side < len(picture)}
    for name, denoiser in denoisers.items():
        for side, one in {**sizes, len(picture): picture}.items():
            runs = QUICK_RUNS if quick else FEW if side > max(SMALL_PX) else RUNS
            works = {"ours": _call(denoiser, one), "plain": plain_call(name, one)}
            seconds = medians(works, runs)
            yield Measured(
                f"{name}, {side} × {side}, times the plain fp32 call",
                seconds["ours"] / seconds["plain"], "×", runs, at_most=1.0,
                note=f"{1000 * seconds['ours']:.1f} against {1000 * seconds['plain']:.1f} ms",
            )  # fmt: skip


def plain_call(name: str, picture: np.ndarray) -> Work:
    """The network as PyTorch runs it if nobody thinks of speed: fp32, whole, conversions too.

    Amid the mirrored border, too: both do the same.
    """
    model = load_weights(weights_path(name))[0].eval()

    def work() -> None:
        with torch.inference_mode():
            images.to_uint8(amid_border(model, images.to_tensor(picture)))

    return work


def _call(denoiser: Denoiser, picture: np.ndarray) -> Callable[[], object]:
    return lambda: denoiser(picture)


def _milliseconds(name: str, seconds: float, runs: int, note: str) -> Measured:
    return Measured(name, 1000 * seconds, "ms", runs, note=note)


def seconds_per_megapixel(side: int, runs: int) -> float:
    """Of `best`, warm, on side × side."""
    picture = noisy_photo(side, side)
    taken = medians({"best": _call(load("best", device="cpu"), picture)}, runs)["best"]
    return taken / (side**2 / 1e6)
