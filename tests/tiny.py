"""What the tests of the core share: one placement that is the same everywhere, small pictures."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from n2n.denoiser import Denoiser
from n2n.devices import Placement

CPU = Placement(torch.device("cpu"), torch.float32, "the same on every machine")


def random_picture(*shape: int, seed: int = 0) -> Tensor:
    """Uniform numbers in [0, 1], from a generator that is not the project's."""
    return torch.from_numpy(np.random.default_rng(seed).random(shape, np.float32))


def pixels(*shape: int, dtype: Any = np.uint8) -> np.ndarray:  # noqa: ANN401
    """Any value that the type can have; floats also below 0 and above 1."""
    rng = np.random.default_rng(0)
    if np.issubdtype(dtype, np.floating):
        return rng.uniform(-1, 2, shape).astype(dtype)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def photo(height: int, width: int, seed: int = 0) -> np.ndarray:
    """A smooth colour picture with edges, uint8 (H, W, 3)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width] / 16
    waves = [np.sin(a * x + b * y + c) for a, b, c in rng.uniform(0.2, 2, (3, 3))]
    edges = (np.sin(x + rng.uniform(0, 6)) > 0.3)[..., None] * 60
    return np.clip(np.stack(waves, -1) * 60 + 100 + edges, 0, 255).astype(np.uint8)


@torch.inference_mode()
def estimate(denoise: Denoiser, seen: np.ndarray) -> np.ndarray:
    """What the network itself makes of (H, W, 3)."""
    image = torch.from_numpy(seen.copy()).permute(2, 0, 1)[None]
    return denoise.model(image)[0].permute(1, 2, 0).numpy()


def z_score(samples: Tensor, mean: float = 0.0) -> float:
    """How many standard errors the mean of independent samples lies from `mean`."""
    samples = samples.double()
    return float((samples.mean() - mean) / (samples.std() / math.sqrt(samples.numel())))


def randomize(model: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of usual size everywhere, so that no layer is close to doing nothing."""
    rng = np.random.default_rng(seed)
    with torch.no_grad():
        for weight in model.parameters():
            fan_in = max(weight[0].numel(), 1)
            weight.copy_(torch.from_numpy(rng.normal(0, fan_in**-0.5, tuple(weight.shape))))
    return model


def bits(tensor: Tensor) -> bytes:
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def assert_same(one: Any, other: Any) -> None:  # noqa: ANN401
    """Two trees of tensors and plain values are equal bit for bit, types and order of keys too."""
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype
        assert one.shape == other.shape
        assert bits(one) == bits(other)
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert len(one) == len(other)
        for first, second in zip(one, other, strict=True):
            assert_same(first, second)
    else:
        assert type(one) is type(other)
        assert one == other


@contextmanager
def refused(*parts: str, kind: type[Exception] = ValueError) -> Iterator[None]:
    """The body raises `kind` in one line that holds all of `parts`."""
    with pytest.raises(kind) as caught:
        yield
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.fixture(autouse=True, scope="module")
def one_thread() -> Iterator[None]:
    """For a module that imports it: on tensors this small a second thread costs ten times more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
