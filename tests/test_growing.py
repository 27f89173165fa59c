"""A network grown from a smaller one: the same result at first, and all of it learns."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from n2n.models import ARCHITECTURES
from n2n.models.growing import fits_into, grow
from n2n.randomness import seeded_initialization
from tests.tiny import one_thread, random_picture, randomize, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, run_of

SMALL = {"widths": [4, 6, 8], "blocks": 1, "middle": 1}


def drawn(name: str, **kwargs: object) -> nn.Module:
    """Untrained, always the same."""
    with seeded_initialization(0):
        return ARCHITECTURES[name](**SMALL | kwargs)


def trained(name: str) -> nn.Module:
    """As if trained: every weight is far from zero."""
    network = drawn(name)
    with seeded_initialization(1):
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.1)
    return network


@pytest.mark.parametrize("name", ["residual-unet", "full-resolution-unet"])
@pytest.mark.parametrize("widths", [[4, 6, 8], [8, 12, 16], [5, 6, 9], [4, 9, 8]])
def test_a_wider_network_gives_the_same(name: str, widths: list[int]) -> None:
    small, picture = trained(name), random_picture(2, 3, 32, 40)
    large = drawn(name, widths=widths)
    assert fits_into(small, large)
    grow(small, large)
    torch.testing.assert_close(large(picture), small(picture), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["residual-unet", "full-resolution-unet"])
def test_a_deeper_network_gives_nearly_the_same(name: str) -> None:
    """New blocks are near the identity, as those of an untrained network are."""
    small, picture = trained(name), random_picture(2, 3, 32, 40)
    large = drawn(name, widths=[8, 12, 16], blocks=3, middle=2)
    grow(small, large)
    with torch.inference_mode():
        before, after = small(picture), large(picture)
    off, changed = (after - before).std(), (before - picture).std()
    assert 0 < float(off) < 0.1 * float(changed)


def test_every_new_channel_and_block_learns() -> None:
    """Not all in the first step: what follows zeros gets its gradient in the second."""
    large = drawn("residual-unet", widths=[8, 12, 16], blocks=2, middle=2)
    grow(trained("residual-unet"), large)
    before = {name: weight.detach().clone() for name, weight in large.named_parameters()}
    optimizer = torch.optim.Adam(large.parameters(), 1e-3)
    for seed in range(3):
        optimizer.zero_grad()
        picture = random_picture(2, 3, 32, 32, seed=seed)
        large(picture.where(picture < 0.9, 1.0)).square().mean().backward()  # white is an input
        optimizer.step()
    for name, weight in large.named_parameters():
        moved = (weight - before[name]).abs().amax((2, 3)) > 0
        assert moved.all(), name


@pytest.mark.parametrize(
    "kwargs",
    [{"widths": [4, 6, 7]}, {"widths": [4, 6, 8, 8]}, {"widths": [4, 6]}, {"blocks": 0}],
)
def test_what_does_not_fit(kwargs: dict[str, object]) -> None:
    assert not fits_into(trained("residual-unet"), drawn("residual-unet", **kwargs))


@pytest.mark.parametrize("names", [("residual-unet", "full-resolution-unet"), ("unet", "unet")])
def test_only_residual_networks_of_one_kind_fit(names: tuple[str, str]) -> None:
    small, large = (ARCHITECTURES[name]() if name == "unet" else drawn(name) for name in names)
    assert not fits_into(small, large)


def test_a_run_begins_with_a_smaller_network(tmp_path: Path) -> None:
    path = tmp_path / "small.safetensors"
    small = run_of(replace(CONFIG, model_kwargs=SMALL))
    randomize(small.result).half().float()  # as the file has them
    small.save_weights(path)
    run = run_of(replace(CONFIG, model_kwargs=SMALL | {"widths": [8, 8, 8]}))
    run.start_from(path)
    picture = random_picture(1, 3, 32, 32)
    for network in (run.model, run.result):
        torch.testing.assert_close(network(picture), small.result(picture), rtol=0, atol=1e-3)
    back = run_of(replace(CONFIG, model_kwargs=SMALL | {"widths": [3, 6, 8]}))
    with refused("small.safetensors is a residual-unet of", "the run trains fast"):
        back.start_from(path)
