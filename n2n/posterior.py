"""Samples from p(x | y): sharp pictures that the noisy one leaves possible, by the denoiser alone.

The least-squares estimate f(y) is the mean of all that could be there, hence its blur. A picture
with white Gaussian noise of level σ is the state of a diffusion at σ, so the reverse diffusion,
started from y itself, draws from p(x | y): no likelihood term, no other network, and no clean
picture, since f was trained on noisy targets (after Kadkhodaie and Simoncelli 2021,
https://arxiv.org/abs/2007.13640; Kawar, Vaksman, Elad 2021, https://arxiv.org/abs/2101.09552).
Steps are of second order, for no further pass: DPM-Solver++ 2M in its stochastic form (Lu et al.
2022, https://arxiv.org/abs/2211.01095).

A sample is one of many, not the best guess: its expected squared error is twice that of f(y).
"""

import itertools
import math
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from n2n.randomness import keyed_rng

LAST_SIGMA_255 = 1.5  # where the walk ends: below it there is nothing left to decide
STEPS = 20
Progress = Callable[[float], None]


def samples(
    denoise: Callable[[Tensor], Tensor],
    noisy: Tensor,
    sigma_255: float,
    count: int,
    *,
    seed: int = 0,
    steps: int = STEPS,
    progress: Progress | None = None,
) -> Iterator[Tensor]:
    """Draw `count` samples, one after the other, each in `steps` + 1 passes.

    Args:
        denoise: a blind denoiser of white Gaussian noise, good down to σ of 1 or 2.
        noisy: float (B, 3, H, W), in [0, 1] for clean pictures, with white noise, unclipped.
        sigma_255: its level in 8-bit units, known or estimated (see `n2n.noise_level`).
        count: how many.
        seed: names the sequence: its sample n is always the same.
        steps: levels of noise on the way down.
        progress: gets the part done, 0 to 1, after every pass; raising in it stops the work.

    Yields:
        float (B, 3, H, W), unclipped.

    Raises:
        ValueError: σ is too small, or not a number; or nothing is asked for.
    """
    levels = noise_levels(sigma_255, steps)
    if count < 1:
        raise ValueError(f"ask for at least one sample, got {count}")
    passes = itertools.count(1)

    def counted(picture: Tensor) -> Tensor:
        estimate = denoise(picture)
        if progress is not None:
            progress(next(passes) / (count * (steps + 1)))
        return estimate

    for index in range(count):
        yield _walk(counted, noisy, levels, (seed, index))


def noise_levels(sigma_255: float, steps: int = STEPS) -> list[float]:
    """The levels of a walk in [0, 1] units: `steps` + 1 of them, geometric, from σ to 1.5/255."""
    if not LAST_SIGMA_255 < sigma_255 < math.inf:
        raise ValueError(
            f"samples need noise of σ above {LAST_SIGMA_255} (8-bit units), got {sigma_255}; with "
            "less, the denoised picture is all there is"
        )
    if steps < 1:
        raise ValueError(f"a walk takes at least one step, got {steps}")
    ratio = LAST_SIGMA_255 / sigma_255
    return [sigma_255 / 255 * ratio ** (step / steps) for step in range(steps + 1)]


def mean_and_spread(drawn: Iterable[Tensor]) -> tuple[Tensor, Tensor]:
    """The mean of samples, which approaches f(y), and their standard deviation: where they differ.

    Args:
        drawn: at least two, (B, 3, H, W); kept one at a time (Welford 1962).
    """
    count = 0
    for sample in drawn:
        count += 1
        if count == 1:
            mean, squares = sample.clone(), torch.zeros_like(sample)
            continue
        difference = sample - mean
        mean += difference / count
        squares += difference * (sample - mean)
    if count < 2:
        raise ValueError(f"a spread needs at least two samples, got {count}")
    return mean, (squares / (count - 1)).sqrt()


def _walk(
    denoise: Callable[[Tensor], Tensor], noisy: Tensor, levels: list[float], key: tuple[int, int]
) -> Tensor:
    """One sample.

    From level s to t < s, with q = (t/s)²: x ← x + (1 - q)(d - x) + t·√(1 - q)·ε. If x is a clean
    picture with noise of level s, and d that picture, the new x is one with noise of level t. For d
    stands f(x), moved on by half of what it moved by in the last step: f learns as the noise falls,
    and a first-order step, d = f(x), would leave out what it learns on the way. Twenty such steps
    miss 7 % of the spread of samples at σ 25, these 1 %.
    """
    state, before = noisy, None
    for step, (level, below) in enumerate(itertools.pairwise(levels)):
        kept = (below / level) ** 2
        rng = keyed_rng(*key, "posterior", step, device=noisy.device)
        fresh = torch.randn(noisy.shape, generator=rng, device=noisy.device, dtype=noisy.dtype)
        estimate = denoise(state)
        ahead = estimate if before is None else estimate + (estimate - before) / 2
        before = estimate
        state = state + (1 - kept) * (ahead - state) + below * math.sqrt(1 - kept) * fresh
    return denoise(state)
