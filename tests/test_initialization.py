"""The report's initialisations, each by what it says of itself."""

from collections.abc import Iterator

import pytest
import torch
from torch import nn

from n2n.models import create_model
from n2n.models.initialization import INITIALIZATIONS
from n2n.randomness import seeded_initialization
from tests.tiny import one_thread, z_score  # noqa: F401  a fixture


def initialized(name: str) -> nn.Module:
    with seeded_initialization(0):
        model = create_model("seed")
        INITIALIZATIONS[name](model)
    return model


def kernels(model: nn.Module) -> Iterator[nn.Parameter]:
    return (weight for weight in model.parameters() if weight.ndim == 4)


@pytest.fixture(name="original", scope="module")
def original_model() -> nn.Module:
    with seeded_initialization(0):
        return create_model("seed")


def test_every_initialization_is_tested() -> None:
    known = {"default", "default-positive", "xavier", "xavier-positive", "zeros"}
    assert known == INITIALIZATIONS.keys()


@pytest.mark.parametrize("name", INITIALIZATIONS)
def test_all_but_kernels_keep_their_values(name: str, original: nn.Module) -> None:
    for before, after in zip(original.parameters(), initialized(name).parameters(), strict=True):
        assert before.ndim == 4 or torch.equal(before, after)


def test_default_is_pytorchs_own(original: nn.Module) -> None:
    for before, after in zip(kernels(original), kernels(initialized("default")), strict=True):
        assert torch.equal(before, after)


def test_default_positive_cuts_at_zero(original: nn.Module) -> None:
    for before, after in zip(
        kernels(original), kernels(initialized("default-positive")), strict=True
    ):
        assert torch.equal(torch.where(before > 0, before, 0), after)


def test_xavier_has_its_variance() -> None:
    for kernel in kernels(initialized("xavier")):
        fans = 4 * (kernel.shape[0] + kernel.shape[1])  # a 2×2 kernel for each pair of channels
        assert abs(z_score(kernel.detach())) < 4
        assert abs(z_score(kernel.detach().square(), 2 / fans)) < 4


def test_xavier_positive_cuts_at_zero() -> None:
    for kernel in kernels(initialized("xavier-positive")):
        assert float(kernel.detach().min()) == 0
        share = (kernel > 0).float()
        assert abs(z_score(share, 0.5)) < 4


def test_zeros() -> None:
    assert not any(bool(kernel.any()) for kernel in kernels(initialized("zeros")))
