"""Optimizers by name.

All are stepped through a closure, so LBFGS and the hybrid need no loop of their own.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

# A shorter memory of squared gradients than PyTorch's 0.999: gradients shrink fast at the start.
BETAS = (0.9, 0.99)
LBFGS_INNER_ITERATIONS = 20  # of the report's published code, and PyTorch's default
HYBRID_LBFGS_STEPS = 5

MUON_MOMENTUM = 0.95
# The quintic a·X + b·XXᵀX + c·(XXᵀ)²X draws every singular value of X towards 1; five times do.
QUINTIC, ITERATIONS = (3.4445, -4.7750, 2.0315), 5


# What a step's gradients go through, in place, before the optimizer sees them.
Filter = Callable[[Sequence[Tensor]], None]


class Together(torch.optim.Optimizer):
    """Several optimizers, each with its own parameters, stepped as one.

    The closure runs once, with the first; a Muon step is never taken alone (see `muon`).
    """

    def __init__(self, *parts: torch.optim.Optimizer) -> None:
        self.parts = parts
        super().__init__([{"params": part_params(part)} for part in parts], {})
        # The real groups, so that whoever sets a learning rate reaches them.
        self.param_groups = [group for part in parts for group in part.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients of every part."""
        for part in self.parts:
            part.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step of every part on the gradients of one closure."""
        value = closure()
        for part in self.parts:
            part.step()
        return value

    def state_dict(self) -> dict[str, Any]:
        """The states of the parts, in order."""
        return {str(index): part.state_dict() for index, part in enumerate(self.parts)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        for index, part in enumerate(self.parts):
            part.load_state_dict(state_dict[str(index)])
        self.param_groups = [group for part in self.parts for group in part.param_groups]


class Filtered(torch.optim.Optimizer):
    """An optimizer that sees each step's gradients as `filters` leave them, one after the other.

    The state is that of the optimizer within.
    """

    def __init__(
        self, model: nn.Module, within: torch.optim.Optimizer, filters: Sequence[Filter]
    ) -> None:
        super().__init__(model.parameters(), {})
        self.model, self.within, self.filters = model, within, filters
        self.param_groups = within.param_groups

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear the gradients."""
        self.within.zero_grad(set_to_none)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One step on the filtered gradients."""

        def filtered() -> Tensor:
            value = closure()
            weights = self.model.parameters()
            gradients = [weight.grad for weight in weights if weight.grad is not None]
            for each in self.filters:
                each(gradients)
            return value

        value: Tensor = self.within.step(filtered)  # type: ignore[arg-type, assignment]
        return value

    def state_dict(self) -> dict[str, Any]:
        """The state of the optimizer within."""
        return self.within.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.within.load_state_dict(state_dict)
        self.param_groups = self.within.param_groups


def at_norm_1(gradients: Sequence[Tensor]) -> None:
    """Scale the gradients of a step to norm 1, all together.

    A network without normalisation layers has rare, huge gradients, and one of them would upset an
    adaptive optimizer for many steps.
    """
    torch._foreach_div_(list(gradients), torch.nn.utils.get_total_norm(gradients) + 1e-12)


def part_params(part: torch.optim.Optimizer) -> list[Tensor]:
    """All parameters of an optimizer."""
    return [parameter for group in part.param_groups for parameter in group["params"]]


class KernelMuon(torch.optim.Optimizer):
    """Muon (Jordan 2024, https://kellerjordan.github.io/posts/muon/) for convolution kernels.

    Each (out, in, h, w) is stepped as a matrix (out, in·h·w). `torch.optim.Muon` orthogonalises one
    matrix after another, in 15 small products each; kernels of one shape go through them together
    here, to the same result: a tenth of the time for narrow ones, and of the launches on a GPU.

    Steps are scaled to an RMS of 0.2 times the rate, about AdamW's (Liu et al. 2025, equation 4,
    https://arxiv.org/abs/2502.16982): wide kernels hardly learn without it.
    """

    def __init__(self, kernels: Iterable[nn.Parameter], lr: float) -> None:
        super().__init__(kernels, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Tensor] | None = None) -> Tensor | None:  # type: ignore[override]
        """One step of all kernels that have a gradient."""
        value = closure() if closure is not None else None
        for group in self.param_groups:
            alike: dict[torch.Size, list[Tensor]] = {}
            for kernel in group["params"]:
                if kernel.grad is not None:
                    alike.setdefault(kernel.shape, []).append(kernel)
            for kernels in alike.values():
                self._step(kernels, group["lr"])
        return value

    def _step(self, kernels: list[Tensor], rate: float) -> None:
        """Of kernels of one shape."""
        gradients = [kernel.grad for kernel in kernels if kernel.grad is not None]
        for kernel in kernels:
            if "momentum_buffer" not in self.state[kernel]:
                self.state[kernel]["momentum_buffer"] = torch.zeros_like(kernel)
        # As its kernel lies: older checkpoints hold matrices.
        momenta = [self.state[kernel]["momentum_buffer"].view_as(kernel) for kernel in kernels]
        torch._foreach_lerp_(momenta, gradients, 1 - MUON_MOMENTUM)
        ahead = torch.stack(torch._foreach_lerp(gradients, momenta, MUON_MOMENTUM))
        matrices = ahead.flatten(2)
        steps = orthogonal(matrices).view_as(ahead)
        scale = 0.2 * max(matrices.shape[1:]) ** 0.5
        torch._foreach_add_(kernels, steps.unbind(), alpha=-rate * scale)


def orthogonal(matrices: Tensor) -> Tensor:
    """(N, rows, columns) -> the same shape, all singular values in about [0.7, 1.2].

    By Newton-Schulz iteration; the singular vectors stay what they are. In the matrices' own
    precision: bf16 gains little with such small ones, and where a CPU has no units for it, their
    products take 15 to 20 times as long in bf16, a quarter of a step of `best`.
    """
    a, b, c = QUINTIC
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = x / x.flatten(1).norm(dim=1).clamp(min=1e-7)[:, None, None]
    for _ in range(ITERATIONS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.mT if is_tall else x


class Hybrid(torch.optim.Optimizer):
    """The report's choice: the first iterations LBFGS, then SGD with momentum 0.9.

    An iteration is one step on one mini-batch: of LBFGS, at most 20 inner ones. The report's text
    says 5, its published code switches after 35.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], lr: float, lbfgs_steps: int) -> None:
        parameters = list(parameters)
        super().__init__(parameters, {"lr": lr})
        self.lbfgs_steps, self.steps = lbfgs_steps, 0
        self.lbfgs = torch.optim.LBFGS(parameters, lr=lr, max_iter=LBFGS_INNER_ITERATIONS)
        self.momentum = torch.optim.SGD(parameters, lr=lr, momentum=0.9)

    def step(self, closure: Callable[[], Tensor]) -> Tensor:  # type: ignore[override]
        """One iteration of whichever optimizer is due, at the rate of this one's group."""
        due: torch.optim.Optimizer = self.lbfgs if self.steps < self.lbfgs_steps else self.momentum
        for group in due.param_groups:
            group["lr"] = self.param_groups[0]["lr"]
        self.steps += 1
        value: Tensor = due.step(closure)  # type: ignore[arg-type, assignment]
        return value

    def state_dict(self) -> dict[str, Any]:
        """Both states and how many steps were taken."""
        return {
            "steps": self.steps,
            "lbfgs": self.lbfgs.state_dict(),
            "momentum": self.momentum.state_dict(),
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Put back what `state_dict` gave."""
        self.steps = state_dict["steps"]
        self.lbfgs.load_state_dict(state_dict["lbfgs"])
        self.momentum.load_state_dict(state_dict["momentum"])


def muon(model: nn.Module, lr: float) -> torch.optim.Optimizer:
    """Muon for hidden convolutions, AdamW at the same rate for the first, the last and the rest."""
    named = list(model.named_parameters())
    convolutions = [parameter for _, parameter in named if parameter.ndim == 4]
    hidden = convolutions[1:-1]
    others = [
        parameter for _, parameter in named if all(parameter is not kernel for kernel in hidden)
    ]
    return Together(
        KernelMuon(hidden, lr=lr),
        torch.optim.AdamW(others, lr=lr, betas=BETAS, weight_decay=0.0),
    )


OPTIMIZERS: dict[str, Callable[[nn.Module, float], torch.optim.Optimizer]] = {
    "sgd": lambda model, lr: torch.optim.SGD(model.parameters(), lr=lr),
    "momentum": lambda model, lr: torch.optim.SGD(model.parameters(), lr=lr, momentum=0.9),
    "nesterov": lambda model, lr: torch.optim.SGD(
        model.parameters(), lr=lr, momentum=0.9, nesterov=True
    ),
    "adam": lambda model, lr: torch.optim.Adam(model.parameters(), lr=lr),
    "adamw": lambda model, lr: torch.optim.AdamW(
        model.parameters(), lr=lr, betas=BETAS, weight_decay=0.0
    ),
    "muon": muon,
    "lbfgs": lambda model, lr: torch.optim.LBFGS(
        model.parameters(), lr=lr, max_iter=LBFGS_INNER_ITERATIONS
    ),
    "hybrid": lambda model, lr: Hybrid(model.parameters(), lr, HYBRID_LBFGS_STEPS),
}


# Those that a scaled gradient helps: momentum's step would change, LBFGS would see false curvature.
ADAPTIVE = frozenset({"adam", "adamw", "muon"})


def create_optimizer(
    name: str,
    model: nn.Module,
    lr: float,
    *,
    unit_gradient: bool = False,
    ties: Filter | None = None,
) -> torch.optim.Optimizer:
    """The optimizer `name` for all parameters of `model` at the learning rate `lr`.

    `ties` keep an equivariant network so (see `n2n.models.equivariance.Ties`); `unit_gradient`
    scales each step's gradients to norm 1.
    """
    if name not in OPTIMIZERS:
        raise ValueError(f"unknown optimizer {name!r}; choose one of {', '.join(OPTIMIZERS)}")
    optimizer = OPTIMIZERS[name](model, lr)
    filters = [ties] if ties is not None else []
    if unit_gradient:
        filters.append(at_norm_1)
    return Filtered(model, optimizer, filters) if filters else optimizer
