"""Every optimizer learns, obeys its rate, and goes on from its state as if never stopped."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from n2n.optimizers import HYBRID_LBFGS_STEPS, OPTIMIZERS, Hybrid, KernelMuon, create_optimizer
from tests.tiny import one_thread, random_picture, refused  # noqa: F401  a fixture

# A rate that suits each on the toy below. L-BFGS without a line search wants a small one: its
# curvature mixes the batches of several steps, and at 0.5 it diverges.
RATES = {
    "sgd": 0.3,
    "momentum": 0.05,
    "nesterov": 0.05,
    "adam": 0.01,
    "adamw": 0.01,
    "muon": 0.01,
    "lbfgs": 0.1,
    "hybrid": 0.1,
}
every_optimizer = pytest.mark.parametrize("name", OPTIMIZERS)


def toy(seed: int = 0) -> nn.Module:
    """Three small convolutions with biases: work for both halves of Muon."""
    rng = torch.Generator().manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 6, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(6, 3, 3, padding=1),
    )
    with torch.no_grad():
        for weight in model.parameters():
            weight.copy_(torch.randn(weight.shape, generator=rng) * 0.2)
    return model


def closure_of(
    model: nn.Module, optimizer: torch.optim.Optimizer, step: int = 0
) -> Callable[[], Tensor]:
    """Learn to blur a picture; each step has another one."""
    source = random_picture(4, 3, 12, 12, seed=step)
    target = nn.functional.avg_pool2d(source, 3, stride=1, padding=1)

    def closure() -> Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = (model(source) - target).square().mean()
        loss.backward()
        return loss

    return closure


def steps(model: nn.Module, optimizer: torch.optim.Optimizer, start: int, stop: int) -> list[float]:
    """Take some steps; returns their losses."""
    closures = (closure_of(model, optimizer, step) for step in range(start, stop))
    return [optimizer.step(closure).item() for closure in closures]


def test_every_optimizer_has_a_rate() -> None:
    assert RATES.keys() == OPTIMIZERS.keys()


@every_optimizer
def test_the_loss_falls(name: str) -> None:
    model = toy()
    count = 8 if name == "lbfgs" else 30  # L-BFGS takes 20 inner iterations a step
    losses = steps(model, create_optimizer(name, model, RATES[name]), 0, count)
    assert max(losses[-3:]) < 0.4 * losses[0]


@every_optimizer
def test_gradients_are_of_this_step_alone(name: str) -> None:
    """`zero_grad` reaches all that backward fills: else gradients pile up."""
    model = toy()
    optimizer = create_optimizer(name, model, 0.0)
    closure = closure_of(model, optimizer)
    closure()
    first = [weight.grad.clone() for weight in model.parameters() if weight.grad is not None]
    closure()
    assert len(first) == len(list(model.parameters()))
    for before, weight in zip(first, model.parameters(), strict=True):
        assert weight.grad is not None
        assert torch.equal(before, weight.grad)


@every_optimizer
def test_every_parameter_moves(name: str) -> None:
    model = toy()
    before = [weight.detach().clone() for weight in model.parameters()]
    steps(model, create_optimizer(name, model, RATES[name]), 0, 1)
    for old, new in zip(before, model.parameters(), strict=True):
        assert not torch.equal(old, new)


@every_optimizer
def test_the_rate_of_the_groups_is_obeyed(name: str) -> None:
    """What `train` sets reaches every part: at rate 0 nothing moves, in either phase."""
    model = toy()
    optimizer = create_optimizer(name, model, RATES[name])
    steps(model, optimizer, 0, 2)
    before = [weight.detach().clone() for weight in model.parameters()]
    for group in optimizer.param_groups:
        group["lr"] = 0.0
    steps(model, optimizer, 2, 2 + HYBRID_LBFGS_STEPS)
    for old, new in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, new)


@every_optimizer
@pytest.mark.parametrize("stop", [2, HYBRID_LBFGS_STEPS + 1])
def test_state_dict_goes_on_bit_for_bit(name: str, stop: int) -> None:
    model = toy()
    optimizer = create_optimizer(name, model, RATES[name])
    steps(model, optimizer, 0, stop)
    again = copy.deepcopy(model)
    resumed = create_optimizer(name, again, RATES[name])
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(model, optimizer, stop, stop + 2) == steps(again, resumed, stop, stop + 2)
    for one, other in zip(model.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, other)


def test_unknown_names_are_refused() -> None:
    with refused("unknown optimizer 'lion'", ", ".join(OPTIMIZERS)):
        create_optimizer("lion", toy(), 0.1)


# ---- Muon ----


def test_muon_takes_the_hidden_kernels_and_adamw_the_rest() -> None:
    model = toy()
    optimizer = create_optimizer("muon", model, 0.01)
    kernels, others = (part.param_groups[0]["params"] for part in optimizer.parts)
    assert kernels == [model[2].weight]
    assert {id(weight) for weight in others} == {
        id(weight) for weight in model.parameters() if weight is not model[2].weight
    }


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (40, 8, 2, 2)], ids=["wide", "tall"])
def test_a_kernels_step_is_muons_step_of_its_matrix(
    shape: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch's, kept from bf16 (see `orthogonal`); kernels of two shapes in one optimizer."""
    monkeypatch.setattr(torch.Tensor, "bfloat16", lambda matrix: matrix)
    shapes = [shape, (6, 6, 3, 3), shape]
    kernels = [nn.Parameter(random_picture(*s, seed=i) - 0.5) for i, s in enumerate(shapes)]
    matrices = [nn.Parameter(kernel.detach().flatten(1).clone()) for kernel in kernels]
    ours = KernelMuon(kernels, lr=0.1)
    pytorchs = torch.optim.Muon(matrices, 0.1, weight_decay=0.0, adjust_lr_fn="match_rms_adamw")
    for step in range(3):
        for i, (kernel, matrix) in enumerate(zip(kernels, matrices, strict=True)):
            kernel.grad = random_picture(*kernel.shape, seed=9 * step + i) - 0.5
            matrix.grad = kernel.grad.flatten(1).clone()
        ours.step()
        pytorchs.step()
    for kernel, matrix in zip(kernels, matrices, strict=True):
        torch.testing.assert_close(kernel.detach().flatten(1), matrix.detach(), rtol=0, atol=1e-6)


def test_muons_steps_have_one_size() -> None:
    """An orthogonal 8 × 36 matrix has RMS 1 / √36; scaled, the step has about 0.2 of the rate."""
    kernel = nn.Parameter(torch.zeros(8, 4, 3, 3))
    kernel.grad = random_picture(8, 4, 3, 3) - 0.5
    KernelMuon([kernel], lr=0.1).step()
    assert float(kernel.detach().square().mean().sqrt()) == pytest.approx(0.02, rel=0.15)


def test_muons_steps_are_nearly_orthogonal() -> None:
    """Jordan 2024: all singular values of an update are near one another, in [0.7, 1.2]."""
    kernel = nn.Parameter(torch.zeros(8, 8, 3, 3))
    kernel.grad = random_picture(8, 8, 3, 3) - 0.5
    KernelMuon([kernel], lr=1.0).step()
    values = torch.linalg.svdvals(kernel.detach().reshape(8, 72))
    assert float(values.max() / values.min()) < 1.2 / 0.65


# ---- the report's hybrid ----


def test_hybrid_switches_after_its_steps() -> None:
    model = toy()
    optimizer = Hybrid(model.parameters(), 0.1, lbfgs_steps=3)
    steps(model, optimizer, 0, 3)
    assert not optimizer.momentum.state
    iterations = dict(next(iter(optimizer.lbfgs.state.values())))["n_iter"]
    assert iterations > 3  # several inner ones each
    steps(model, optimizer, 3, 5)
    assert len(optimizer.momentum.state) == len(list(model.parameters()))
    assert next(iter(optimizer.lbfgs.state.values()))["n_iter"] == iterations


def test_hybrid_begins_as_lbfgs_and_ends_as_momentum() -> None:
    model, reference = toy(), toy()
    hybrid = Hybrid(model.parameters(), 0.1, lbfgs_steps=2)
    lbfgs = torch.optim.LBFGS(reference.parameters(), lr=0.1, max_iter=20)
    assert steps(model, hybrid, 0, 2) == steps(reference, lbfgs, 0, 2)
    momentum = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9)
    assert steps(model, hybrid, 2, 5) == steps(reference, momentum, 2, 5)


# ---- gradients of norm 1 ----


def test_a_unit_gradient_makes_steps_of_one_length() -> None:
    model = toy()
    optimizer = create_optimizer("sgd", model, 0.1, unit_gradient=True)
    before = [weight.detach().clone() for weight in model.parameters()]
    for scale in (1e-3, 1.0, 1e3):  # however steep the loss is

        def closure(scale: float = scale) -> Tensor:
            optimizer.zero_grad()
            loss = scale * model(random_picture(2, 3, 8, 8)).square().mean()
            loss.backward()
            return loss

        optimizer.step(closure)
        moved = [
            (weight.detach() - old).flatten()
            for weight, old in zip(model.parameters(), before, strict=True)
        ]
        assert float(torch.cat(moved).norm()) == pytest.approx(0.1, rel=1e-4)
        before = [weight.detach().clone() for weight in model.parameters()]


def test_a_gradient_of_zero_stays_zero() -> None:
    model = toy()
    optimizer = create_optimizer("adamw", model, 0.1, unit_gradient=True)
    before = [weight.detach().clone() for weight in model.parameters()]

    def flat() -> Tensor:
        optimizer.zero_grad()
        loss = 0 * model(random_picture(1, 3, 8, 8)).sum()
        loss.backward()
        return loss

    optimizer.step(flat)
    for old, weight in zip(before, model.parameters(), strict=True):
        assert torch.equal(old, weight)


@pytest.mark.parametrize("name", ["adamw", "muon", "momentum"])
def test_a_unit_gradient_obeys_the_rate_and_goes_on(name: str) -> None:
    model = toy()
    optimizer = create_optimizer(name, model, 0.01, unit_gradient=True)
    steps(model, optimizer, 0, 3)
    again = copy.deepcopy(model)
    resumed = create_optimizer(name, again, 0.01, unit_gradient=True)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(model, optimizer, 3, 6) == steps(again, resumed, 3, 6)
    for group in resumed.param_groups:
        group["lr"] = 0.0
    before = [weight.detach().clone() for weight in again.parameters()]
    steps(again, resumed, 6, 7)
    for old, weight in zip(before, again.parameters(), strict=True):
        assert torch.equal(old, weight)
