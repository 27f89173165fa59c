"""Tied kernels: the network commutes with flips and quarter turns, whatever it learns."""

import copy
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from n2n.checkpoints import save_weights
from n2n.models import ARCHITECTURES, ModelSpec
from n2n.models.equivariance import Ties, is_tied, tie
from n2n.models.growing import grow
from n2n.models.initialization import INITIALIZATIONS
from n2n.optimizers import ADAPTIVE
from n2n.randomness import seeded_initialization
from tests.tiny import one_thread, random_picture, refused  # noqa: F401  a fixture
from tests.toy_runs import CONFIG, run_of

SMALL = {"widths": [8, 16, 8], "blocks": 1, "middle": 1}
TOY = replace(CONFIG, model="small", model_kwargs=SMALL, optimizer="muon", equivariant=True)
every_kind = pytest.mark.parametrize("name", ["residual-unet", "full-resolution-unet"])


def trained(name: str, **kwargs: object) -> nn.Module:
    """As if trained, and not tied: every weight is far from zero."""
    network = ARCHITECTURES[name](**SMALL | kwargs)
    with seeded_initialization(1):
        for weight in network.parameters():
            nn.init.normal_(weight, std=0.1)
    return network


def orientations(picture: Tensor) -> list[Tensor]:
    """All 8 of a square picture, by quarter turns."""
    both = (picture, picture.flip(-1))
    return [torch.rot90(each, turns, (-2, -1)) for each in both for turns in range(4)]


def strays(network: nn.Module, picture: Tensor) -> float:
    """How far apart "turned, then denoised" and "denoised, then turned" are, at most."""
    with torch.no_grad():
        after = orientations(network(picture))
        before = [network(each) for each in orientations(picture)]
    return max(float((a - b).abs().max()) for a, b in zip(after, before, strict=True))


def clipped_picture() -> Tensor:
    """Some of it is exactly 1, which residual U-Nets see apart."""
    return (1.3 * random_picture(2, 3, 32, 32)).clamp_max(1)


@every_kind
def test_a_tied_network_commutes_with_flips_and_turns(name: str) -> None:
    network = trained(name)
    assert strays(network, clipped_picture()) > 0.01
    assert not is_tied(network)
    tie(network)
    assert strays(network, clipped_picture()) < 1e-5
    assert is_tied(network)


@every_kind
def test_its_gradient_is_the_mean_over_all_orientations(name: str) -> None:
    """Of what an ordinary network with its weights would have of each."""
    network = trained(name)
    tie(network)
    plain = ARCHITECTURES[name](**SMALL)
    plain.load_state_dict(network.state_dict())
    source, target = clipped_picture(), random_picture(2, 3, 32, 32, seed=5)
    loss = (network(source) - target).square().mean()
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    Ties(network)(gradients)
    for turned in zip(orientations(source), orientations(target), strict=True):
        ((plain(turned[0]) - turned[1]).square().mean() / 8).backward()
    for tied, mean in zip(gradients, plain.parameters(), strict=True):
        torch.testing.assert_close(tied, mean.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("name", ["default", "default-positive", "xavier"])
def test_first_weights_keep_their_size(name: str) -> None:
    with seeded_initialization(0):
        free = ARCHITECTURES["residual-unet"]([32, 32], blocks=1, middle=1)
        INITIALIZATIONS[name](free)
    tied = copy.deepcopy(free)
    tie(tied)
    for layer, weight in free.named_parameters():
        ratio = tied.get_parameter(layer).detach().norm() / weight.detach().norm()
        assert float(ratio) == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("optimizer", ["muon", "adamw", "momentum", "lbfgs", "hybrid"])
def test_training_keeps_it_so(optimizer: str) -> None:
    scaled = optimizer in ADAPTIVE
    run = run_of(replace(TOY, optimizer=optimizer, steps=6, unit_gradient=scaled))
    before = copy.deepcopy(run.model.state_dict())
    list(run.steps())
    assert is_tied(run.model)
    assert is_tied(run.result)
    assert strays(run.result, clipped_picture()) < 1e-4
    assert not torch.equal(before["stem.weight"], run.model.state_dict()["stem.weight"])


def test_what_is_grown_is_tied() -> None:
    small, large = trained("residual-unet"), trained("residual-unet", widths=[16, 32, 24], blocks=2)
    for network in (small, large):
        tie(network)
    grow(small, large)
    assert is_tied(large)
    assert strays(large, clipped_picture()) < 1e-4


def test_ties_are_kept_or_dropped_by_a_run_that_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "a.checkpoint"
    for began in (True, False):
        list(run_of(replace(TOY, equivariant=began, steps=2)).steps(path))
        for goes_on in (True, False):
            run = run_of(replace(TOY, equivariant=goes_on, steps=4))
            if goes_on and not began:
                with refused("a.checkpoint is no equivariant run"):
                    run.resume(path)
                continue
            run.resume(path)
            list(run.steps())
            assert is_tied(run.model) == goes_on


def test_what_cannot_be_equivariant_is_refused(tmp_path: Path) -> None:
    with refused("multiples of 8", "12"):
        run_of(replace(TOY, model_kwargs=SMALL | {"widths": [8, 12]}))
    with refused("residual U-Nets", "Autoencoder"):
        run_of(replace(TOY, model="seed", model_kwargs={}))
    path = tmp_path / "plain.safetensors"
    save_weights(path, trained("residual-unet"), ModelSpec("residual-unet", SMALL))
    run = run_of(TOY)
    with refused("plain.safetensors is none", "--no-equivariant"):
        run.start_from(path)
    odd = trained("residual-unet", widths=[8, 12, 8])
    assert not is_tied(odd)
    save_weights(path, odd, ModelSpec("residual-unet", SMALL | {"widths": [8, 12, 8]}))
    with refused("plain.safetensors is none"):
        run.start_from(path)
    assert is_tied(run.model)
