"""Losses: values by hand, and the statistic of the targets that each one picks."""

import math

import pytest
import torch

from n2n.losses import LOSSES, annealed_l0, create_loss, l1, l2, log_l2
from tests.tiny import one_thread, random_picture  # noqa: F401  a fixture

ESTIMATE = torch.tensor([[0.0, 0.5], [1.0, 0.25]])[:, None, None, :]  # two images of two pixels
TARGET = torch.tensor([[0.5, 0.5], [0.0, 0.0]])[:, None, None, :]
FLOOR = (25 / 255) ** 2
BY_HAND = {
    "l2": (0.25 + 0 + 1 + 0.0625) / 4,
    "l1": (0.5 + 0 + 1 + 0.25) / 4,
    "l0": (0.25 + 0 + 1 + 0.0625) / 4,  # γ = 2 at the start of a run
    "log-l2": (math.log(0.125 + FLOOR) + math.log(0.53125 + FLOOR)) / 2,
}
AT_EQUALITY = {"l2": 0.0, "l1": 0.0, "l0": 0.0, "log-l2": math.log(FLOOR)}


def test_every_loss_is_tested() -> None:
    assert BY_HAND.keys() == AT_EQUALITY.keys() == LOSSES.keys()


@pytest.mark.parametrize("name", LOSSES)
def test_value_by_hand(name: str) -> None:
    assert float(LOSSES[name](ESTIMATE, TARGET, 0.0)) == pytest.approx(BY_HAND[name])


@pytest.mark.parametrize("name", LOSSES)
def test_least_at_equality(name: str) -> None:
    picture = random_picture(2, 3, 8, 8)
    least = float(LOSSES[name](picture, picture, 0.0))
    assert least == pytest.approx(AT_EQUALITY[name], abs=1e-7)
    assert float(LOSSES[name](picture + 0.01, picture, 0.0)) > least


@pytest.mark.parametrize("name", ["l2", "l1"])
def test_progress_changes_nothing(name: str) -> None:
    early, late = (LOSSES[name](ESTIMATE, TARGET, progress) for progress in (0.0, 0.9))
    assert torch.equal(early, late)


@pytest.mark.parametrize(("progress", "gamma"), [(0.5, 1.25), (2 / 3, 1.0), (1.0, 0.5)])
def test_l0_anneals(progress: float, gamma: float) -> None:
    expected = sum((gap + 1e-8) ** gamma for gap in (0.5, 0, 1, 0.25)) / 4
    assert float(annealed_l0(ESTIMATE, TARGET, progress)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "progress", "m"),
    [(25, 0.0, 25), (25, 0.5, 15), (25, 1.0, 5), (5, 0.0, 5), (5, 0.5, 5), (11, 0.5, 8)],
)
def test_the_floor_of_log_l2_falls(first: float, progress: float, m: float) -> None:
    expected = sum(math.log(mse + (m / 255) ** 2) for mse in (0.125, 0.53125)) / 2
    loss = create_loss("log-l2", floor_255=first)
    assert float(loss(ESTIMATE, TARGET, progress)) == pytest.approx(expected)


@pytest.mark.parametrize("name", LOSSES)
def test_a_loss_made_by_its_name_alone_is_the_one_listed(name: str) -> None:
    assert create_loss(name)(ESTIMATE, TARGET, 0.3) == LOSSES[name](ESTIMATE, TARGET, 0.3)


# Noisy observations of one pixel: mean 0.4, median 0.3, mode 0.1, all apart.
VOTES = torch.tensor([[0.1, 0.1, 0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9]])
GRID = torch.linspace(0, 1, 101)


@pytest.mark.parametrize(
    ("name", "progress", "statistic"),
    [("l2", 0.0, 0.4), ("log-l2", 0.0, 0.4), ("l1", 0.0, 0.3), ("l0", 0.0, 0.4), ("l0", 1.0, 0.1)],
)
def test_minimiser_over_noisy_targets(name: str, progress: float, statistic: float) -> None:
    values = [float(LOSSES[name](guess.expand_as(VOTES), VOTES, progress)) for guess in GRID]
    best = float(GRID[min(range(len(GRID)), key=values.__getitem__)])
    assert best == pytest.approx(statistic, abs=0.005)


def test_log_l2_is_l2_weighted_by_each_images_error() -> None:
    target = random_picture(3, 3, 8, 8)
    errors = torch.tensor([0.01, 0.1, 0.5])[:, None, None, None]
    estimate = target + errors * random_picture(3, 3, 8, 8, seed=1)
    estimate.requires_grad_()
    (gradient,) = torch.autograd.grad(log_l2(estimate, target), estimate)
    mse = (estimate - target).square().mean((1, 2, 3)).detach()
    weighted = ((estimate - target).square().mean((1, 2, 3)) / (mse + FLOOR)).mean()
    (expected,) = torch.autograd.grad(weighted, estimate)
    torch.testing.assert_close(gradient, expected)


def test_no_loss_clips() -> None:
    """Values outside [0, 1] count in full, on both sides."""
    low, high = torch.full((1, 3, 2, 2), -2.0), torch.full((1, 3, 2, 2), 3.0)
    assert float(l2(low, high)) == 25
    assert float(l1(low, high)) == 5
