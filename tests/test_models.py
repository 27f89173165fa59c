"""Every architecture: size, gradients, state, arithmetic by hand, and how far it really looks."""

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from n2n.models import (
    ARCHITECTURES,
    MODELS,
    create_model,
    kmacs_per_pixel,
    model_spec,
    parameter_count,
)
from n2n.models.autoencoder import Autoencoder, Transposed
from n2n.models.full_unet import FullResolutionUNet
from n2n.models.padding import pad_to_multiple
from n2n.models.residual_unet import ResidualUNet, clipped_white
from n2n.models.unet import UNet
from n2n.randomness import seeded_initialization
from tests.tiny import one_thread, random_picture, randomize, refused  # noqa: F401  a fixture

every_model = pytest.mark.parametrize("name", MODELS)


def built(name: str, seed: int = 0, **kwargs: object) -> nn.Module:
    with seeded_initialization(seed):
        return create_model(name, **kwargs)


# ---- properties of all ----


@every_model
@pytest.mark.parametrize("size", [(37, 31), (1, 1), (2, 65), (32, 32)])
def test_shape_is_kept(name: str, size: tuple[int, int]) -> None:
    model = built(name).eval()
    with torch.inference_mode():
        estimate = model(random_picture(2, 3, *size))
    assert estimate.shape == (2, 3, *size)
    assert bool(estimate.isfinite().all())


@every_model
def test_every_parameter_gets_a_gradient(name: str) -> None:
    model = built(name).train()
    model(random_picture(2, 3, 37, 31)).square().mean().backward()
    # What BatchNorm subtracts again cannot matter: a constant added just before it.
    idle = {
        f"{index}.bias"
        for index, (_, after) in enumerate(itertools.pairwise(model.children()))
        if isinstance(after, nn.BatchNorm2d)
    }
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert bool(parameter.grad.isfinite().all()), parameter_name
        assert parameter_name in idle or bool(parameter.grad.any()), parameter_name


@every_model
def test_evaluation_is_deterministic(name: str) -> None:
    model, noisy = built(name).eval(), random_picture(2, 3, 24, 24)
    with torch.inference_mode():
        first, second = model(noisy), model(noisy)
        alone = model(noisy[1:])
    assert torch.equal(first, second)
    torch.testing.assert_close(first[1:], alone)  # no image sees its neighbour in the batch


@every_model
def test_state_dict_round_trip(name: str) -> None:
    one, other, noisy = built(name, 0).eval(), built(name, 1).eval(), random_picture(1, 3, 24, 24)
    with torch.inference_mode():
        assert not torch.equal(one(noisy), other(noisy))
        other.load_state_dict(one.state_dict())
        assert torch.equal(one(noisy), other(noisy))


@every_model
def test_first_weights_follow_the_seed_alone(name: str) -> None:
    before = torch.get_rng_state()
    one, again = built(name, 7), built(name, 7)
    assert torch.equal(torch.get_rng_state(), before)
    for weight, same in zip(one.parameters(), again.parameters(), strict=True):
        assert torch.equal(weight, same)


@every_model
def test_half_precision_stays_below_10_mb(name: str) -> None:
    assert 2 * sum(tensor.numel() for tensor in create_model(name).state_dict().values()) < 10e6


# ---- arithmetic by hand ----

# 2×2 kernels: 4·(3·64 + 64·64 + 64·128 + 128·256 + 256·512) weights each way, and a bias a channel.
AUTOENCODER = 2 * 705_280 + (64 + 64 + 128 + 256 + 512) + (256 + 128 + 64 + 64 + 3)
COUNTS = {
    "none": AUTOENCODER,
    "published": AUTOENCODER + 2 * (128 + 256 + 256 + 128),  # a scale and a shift a channel
    "everywhere": AUTOENCODER + 2 * (64 + 64 + 128 + 256 + 512 + 256 + 128 + 64 + 64),
}


@pytest.mark.parametrize(("batchnorm", "count"), COUNTS.items(), ids=COUNTS)
def test_parameters_of_the_report(batchnorm: str, count: int) -> None:
    assert parameter_count(create_model("seed", batchnorm=batchnorm)) == count


def test_parameters_that_are_published() -> None:
    assert parameter_count(create_model("seed")) == 1_413_635  # the report's appendix
    assert parameter_count(create_model("unet")) == 991_203  # summed from the paper's table


def test_activations_of_the_papers() -> None:
    """Noise2Noise: LeakyReLU(0.1) after all but the last; the report: ReLU but at two layers."""
    unet = list(create_model("unet").modules())
    slopes = [module.negative_slope for module in unet if isinstance(module, nn.LeakyReLU)]
    assert slopes == [0.1] * (sum(isinstance(module, nn.Conv2d) for module in unet) - 1)
    assert [type(layer) for layer in create_model("seed", batchnorm="none").children()] == (
        [nn.Conv2d, nn.ReLU] * 4 + [nn.Conv2d] + [Transposed, nn.ReLU] * 4
    ) + [Transposed]


def test_a_transposed_convolution_is_pytorchs_with_or_without_gradients() -> None:
    ours, x = Transposed(3, 5), torch.rand(2, 3, 7, 6)
    pytorchs = nn.ConvTranspose2d(3, 5, 2, padding=1)
    pytorchs.load_state_dict(ours.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(ours(x), pytorchs(x))
    for layer in (ours, pytorchs):
        layer(x).square().sum().backward()
    for mine, theirs in zip(ours.parameters(), pytorchs.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad)


def residual_unet_layers(widths: list[int], blocks: int, middle: int) -> list[tuple[int, float]]:
    """(weights, multiplications per pixel of the picture) of each convolution, by hand."""
    # The stem sees the picture and its saturated places, the head gives the noise.
    layers = [(9 * 24 * widths[0], 1 / 4), (9 * 12 * widths[0], 1 / 4)]
    for level, width in enumerate(widths):
        in_level = 2 * middle if level == len(widths) - 1 else 2 * 2 * blocks
        layers += [(9 * width**2, 1 / 4 ** (level + 1))] * in_level
    for level, (above, below) in enumerate(itertools.pairwise(widths), 1):
        # Down: 2×2 kernels at each low-resolution pixel. Up: one such kernel's product per pixel.
        layers += [(4 * above * below, 1 / 4 ** (level + 1))] * 2
    return layers


@pytest.mark.parametrize(("name", "most"), [("fast", 24), ("best", 150)])
def test_size_and_work_of_the_residual_unets(name: str, most: float) -> None:
    layers = residual_unet_layers(**MODELS[name].kwargs)
    model = create_model(name)
    assert parameter_count(model) == sum(weights for weights, _ in layers)
    by_hand = sum(weights * share for weights, share in layers) / 1000
    assert kmacs_per_pixel(model) == pytest.approx(by_hand)
    assert by_hand <= most


@pytest.mark.parametrize("name", MODELS)
def test_work_is_what_pytorch_counts(name: str) -> None:
    model, counter = create_model(name), FlopCounterMode(display=False)
    with torch.inference_mode(), counter:
        model(torch.zeros(1, 3, 128, 128))
    assert kmacs_per_pixel(model) == counter.get_total_flops() / 2 / 128**2 / 1000
    assert not any(layer._forward_hooks for layer in model.modules())


@pytest.mark.parametrize("name", ["fast", "best"])
def test_networks_without_biases_scale_with_their_input(name: str) -> None:
    """f(a·x) = a·f(x) for a > 0 (Mohan et al. 2020), where nothing is saturated: exactly 1."""
    model = randomize(create_model(name).double()).eval()
    assert not any("bias" in parameter for parameter, _ in model.named_parameters())
    noisy = random_picture(1, 3, 37, 31).double()
    with torch.inference_mode():
        estimate = model(noisy)
        assert float((estimate - noisy).abs().mean()) > 0.01  # the network does something
        for scale in (0.1, 3.0):
            torch.testing.assert_close(model(scale * noisy), scale * estimate)


@pytest.mark.parametrize("name", ["fast", "best"])
def test_untrained_residual_unets_are_nearly_the_identity(name: str) -> None:
    noisy = random_picture(1, 3, 64, 64)
    with torch.inference_mode():
        assert float((built(name).eval()(noisy) - noisy).abs().mean()) < 0.05


# ---- how far a network looks ----


def reach(model: nn.Module, axis: int) -> tuple[int, int]:
    """The largest distance along an axis at which an input pixel touches an output pixel.

    Not a number touches whatever reads it, whatever the weights: an exact trace of dependence. In
    double precision no convolution takes a short cut that would smear it. Also returns how far the
    strip lets one look.
    """
    stride, radius = int(model.stride), int(model.radius)
    length = 2 * (-(-radius // stride) + 2) * stride + 1
    farthest, middle = 0, length // 2
    for place in sorted({middle - stride // 2, middle - 1, middle, middle + stride // 2}):
        strip = torch.zeros(1, 3, stride, length, dtype=torch.float64)
        strip[..., place] = math.nan
        image = strip if axis == 1 else strip.transpose(-1, -2)
        touched = model(image).isnan().any(1).any(2 - axis)[0].nonzero().flatten()
        farthest = max(farthest, int((touched - place).abs().max()))
    return farthest, length // 2 - stride


@pytest.mark.parametrize("axis", [0, 1])
@every_model
@torch.inference_mode()
def test_radius_is_a_true_and_close_bound(name: str, axis: int) -> None:
    model = create_model(name).double().eval()
    stride, radius = int(model.stride), int(model.radius)
    found, room = reach(model, axis)
    assert room > radius  # or nothing would have been seen
    assert radius - 3 * stride < found <= radius


@every_model
@torch.inference_mode()
def test_moving_by_a_stride_moves_the_result(name: str) -> None:
    """What tiling rests on: the network does the same everywhere on its grid."""
    model = randomize(built(name).double()).eval()
    stride = int(model.stride)
    margin = -(-int(model.radius) // stride) * stride
    image = random_picture(1, 3, stride, 2 * margin + 4 * stride).double()
    whole, moved = model(image), model(image[..., stride:])
    inside = slice(margin, margin + stride)
    torch.testing.assert_close(moved[..., inside], whole[..., stride:][..., inside])


# ---- errors ----


def test_unknown_names_and_arguments_are_refused() -> None:
    with refused("unknown model 'resnet'", "choose one of " + ", ".join(MODELS)):
        create_model("resnet")
    with refused("autoencoder cannot be built", "depth"):
        create_model("seed", depth=3)
    with refused("batchnorm is one of none, everywhere, published, got 'some'"):
        create_model("seed", batchnorm="some")
    with refused("unknown architecture 'x'", ", ".join(ARCHITECTURES)):
        model_spec("fast")._replace(architecture="x").build()


def test_arguments_replace_those_of_the_registry() -> None:
    spec = model_spec("small", blocks=2)
    assert spec.kwargs == {**MODELS["small"].kwargs, "blocks": 2}
    assert MODELS["small"].kwargs["blocks"] == 1


def test_the_models_cover_the_architectures() -> None:
    assert {spec.architecture for spec in MODELS.values()} == set(ARCHITECTURES)
    assert {
        "autoencoder": Autoencoder,
        "unet": UNet,
        "residual-unet": ResidualUNet,
        "full-resolution-unet": FullResolutionUNet,
    } == ARCHITECTURES


@pytest.mark.parametrize("sides", [(9, 16), (13, 11), (3, 1), (8, 8)])
def test_padding_mirrors_there_and_back(sides: tuple[int, int]) -> None:
    image = random_picture(1, 3, *sides)
    ends = [(0, -side % 8) for side in sides]
    expected = np.pad(image.numpy(), ((0, 0), (0, 0), *ends), mode="reflect")
    np.testing.assert_array_equal(pad_to_multiple(image, 8).numpy(), expected)


def test_half_precision_weights_leave_the_picture_at_its_own() -> None:
    """`residual-unet` runs its layers at the weights' precision but subtracts at the picture's."""
    model = built("fast").to(torch.bfloat16).eval()
    nn.init.zeros_(model.head.weight)
    noisy: Tensor = random_picture(1, 3, 16, 16)
    with torch.inference_mode():
        assert torch.equal(model(noisy), noisy)


def test_clipped_white_is_seen() -> None:
    """Exactly 1 amid darker pixels, as a clipped noisy file has it, is told from just below."""
    model = randomize(create_model("fast")).eval()
    noisy = (1 + (random_picture(1, 3, 32, 32) - 0.5) / 5).clamp(max=1)
    with torch.inference_mode():
        file, scaled = model(noisy), model(0.999 * noisy) / 0.999
        white = torch.ones(1, 3, 32, 32)
        clean, almost = model(white), model(0.999 * white) / 0.999
    assert (file - scaled).abs().max() > 0.01
    # Nothing but white is clean white, which is no reason to see noise.
    torch.testing.assert_close(clean, almost, atol=1e-4, rtol=1e-4)


def test_clipped_white_by_hand() -> None:
    picture = torch.zeros(1, 1, 9, 9)
    picture[..., 1:8, 1:8] = 1
    expected = picture.clone()
    expected[..., 3:6, 3:6] = 0  # the 5 × 5 pixels around these are all white
    assert torch.equal(clipped_white(picture), expected)
