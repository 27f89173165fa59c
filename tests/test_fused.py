"""The fused network is the plain one: to bf16's rounding, at every size, white or not."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from n2n import denoiser as module
from n2n.denoiser import Denoiser
from n2n.devices import Placement
from n2n.models import MODELS, ModelSpec
from n2n.models import fused as fused_module
from n2n.models.fused import FusedResidualUNet, fusible
from n2n.models.residual_unet import clipped_white
from tests.tiny import CPU, one_thread, random_picture, randomize  # noqa: F401  a fixture

BF16 = Placement(torch.device("cpu"), torch.bfloat16, "asked for")
SPEC = ModelSpec("residual-unet", {"widths": [32, 48, 64], "blocks": 1, "middle": 1})

needs_fusing = pytest.mark.skipif(
    not fusible(SPEC.build()), reason="this PyTorch or this chip has no fused bf16 convolutions"
)


def noisy_file(*shape: int) -> Tensor:
    """With clipped white here and there, and a white square."""
    picture = (1.2 * random_picture(*shape)).clamp(max=1)
    picture[..., 3:12, 4:17] = 1
    return picture


@needs_fusing
@pytest.mark.parametrize("size", [(64, 64), (37, 31), (1, 1), (8, 130)])
@pytest.mark.parametrize("make", [noisy_file, random_picture], ids=["white", "no white"])
@torch.inference_mode()
def test_fused_is_plain_to_rounding(make: Callable[..., Tensor], size: tuple[int, int]) -> None:
    """Both in bf16: the fused one must be no further from fp32 than the plain one is."""
    model = randomize(SPEC.build()).eval()
    plain = Denoiser(model, SPEC, CPU, "").model.to(torch.bfloat16)
    noisy = make(2, 3, *size)
    exact = model(noisy)
    off = (FusedResidualUNet(model)(noisy) - exact).square().mean().sqrt()
    assert off <= 1.3 * (plain(noisy) - exact).square().mean().sqrt()
    assert off < 0.02 * (exact - noisy).square().mean().sqrt()


@needs_fusing
@torch.inference_mode()
def test_input_and_weights_stay_as_they_are() -> None:
    model = randomize(SPEC.build()).eval()
    before = [weight.clone() for weight in model.parameters()]
    fused, noisy = FusedResidualUNet(model), noisy_file(1, 3, 32, 32)
    same = noisy.clone()
    assert torch.equal(fused(noisy), fused(noisy))
    assert torch.equal(noisy, same)
    for weight, old in zip(model.parameters(), before, strict=True):
        assert torch.equal(weight, old)


@pytest.mark.parametrize("memory", [torch.contiguous_format, torch.channels_last])
def test_clipped_white_by_bits(memory: torch.memory_format) -> None:
    picture = noisy_file(2, 3, 37, 31).contiguous(memory_format=memory)
    expected = clipped_white(picture)
    assert 0 < expected.mean() < (picture == 1).float().mean()
    assert torch.equal(fused_module._clipped_white(picture).float(), expected)


@needs_fusing
def test_a_denoiser_in_bf16_on_a_cpu_is_fused() -> None:
    assert isinstance(Denoiser(SPEC.build(), SPEC, BF16, "").model, FusedResidualUNet)
    assert not isinstance(Denoiser(SPEC.build(), SPEC, CPU, "").model, FusedResidualUNet)
    unet = MODELS["unet"]
    assert type(Denoiser(unet.build(), unet, BF16, "").model) is type(unet.build())


@needs_fusing
def test_tiled_is_whole_when_fused() -> None:
    denoise = Denoiser(randomize(SPEC.build()), SPEC, BF16, "")
    noisy = noisy_file(1, 3, 150, 203)
    whole = denoise(noisy)
    denoise.tile_px = 1
    parts: list[float] = []
    tiled = denoise.run(noisy, progress=parts.append).image
    assert len(parts) > 3
    update = float((whole - noisy).abs().max())
    torch.testing.assert_close(tiled, whole, rtol=0, atol=0.01 * update)


class Without:
    """PyTorch's operators without one of them."""

    def __init__(self, name: str) -> None:
        self.missing = name

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        if name == self.missing:
            raise AttributeError(name)
        return getattr(torch.ops.mkldnn, name)


@pytest.mark.parametrize("name", fused_module.OPERATORS)
def test_a_pytorch_without_the_operators_runs_the_plain_network(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fused_module, "onednn", Without(name))
    assert not fusible(SPEC.build())
    denoise = Denoiser(randomize(SPEC.build()), SPEC, BF16, "")
    assert isinstance(denoise.model, type(SPEC.build()))
    assert denoise(random_picture(1, 3, 16, 16)).shape == (1, 3, 16, 16)


def test_a_chip_without_bf16_runs_the_plain_network(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "fusible", lambda model: False)
    placed: nn.Module = Denoiser(SPEC.build(), SPEC, BF16, "").model
    assert isinstance(placed, type(SPEC.build()))
