"""Tiles cover a picture exactly once; and a tiled picture is the whole one, for every network."""

import math

import numpy as np
import pytest
import torch

from n2n.denoiser import Denoiser
from n2n.models import MODELS, ModelSpec
from n2n.models.padding import read
from n2n.tiling import read_px, spans, tiles
from tests.tiny import CPU, one_thread, random_picture, randomize  # noqa: F401  a fixture


@pytest.mark.parametrize("margins", [0, 1, 2])
@pytest.mark.parametrize(("halo", "stride"), [(0, 1), (1, 1), (8, 4), (100, 1), (32, 16)])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 63, 130, 1000])
def test_spans_cover_an_axis_exactly_once(
    length: int, halo: int, stride: int, margins: int
) -> None:
    axis = np.arange(length)
    margin = margins * stride if halo > margins * stride else 0
    around = np.pad(axis, (margin, margin + -length % stride), mode="reflect")
    for count in range(1, 12):
        size = read_px(length + 2 * margin, count, halo, stride)
        if count > 1 and (count - 2) * (size - 2 * halo) >= length + 2 * margin - size:
            break  # fewer would do
        written: list[int] = []
        for part, keep, write in spans(length, count, halo, stride, margin=margin):
            seen = np.pad(axis[part.inside], (part.before, part.behind), mode="reflect")
            start = write.start - keep.start + margin  # where it begins to read
            stop = start + len(seen)
            # What is kept of what was read is what is written, with all the halo around it.
            np.testing.assert_array_equal(seen[keep], axis[write])
            np.testing.assert_array_equal(seen, around[start:stop])
            assert start % stride == 0
            assert stop == start + size
            assert start == 0 or keep.start >= halo
            assert stop == len(around) or len(seen) - keep.stop >= halo
            written += list(axis[write])
        assert written == list(axis)


@pytest.mark.parametrize(
    ("tile", "halo", "stride"), [(16, 8, 1), (1, 0, 1), (20, 9, 8), (64, 5, 4)]
)
@pytest.mark.parametrize("shape", [(37, 53), (1, 300), (300, 1), (203, 151)])
def test_tiles_cover_a_picture_exactly_once(
    shape: tuple[int, int], tile: int, halo: int, stride: int
) -> None:
    places = np.arange(math.prod(shape)).reshape(shape)
    for margin in (0, stride) if halo > stride else (0,):
        count = np.zeros(shape, int)
        windows = set()
        for part in tiles(*shape, tile, halo, stride, margin):
            count[part.write] += 1
            seen = read(places, *part.read)
            np.testing.assert_array_equal(seen[part.keep], places[part.write])
            windows.add(seen.shape)
        assert (count == 1).all()
        assert len(windows) == 1
        assert not any(size % stride for size in next(iter(windows)))
        most = stride * (math.ceil(tile / stride) + 2 * math.ceil(halo / stride))
        assert math.prod(windows.pop()) <= most**2


def test_the_shape_of_the_picture_decides_that_of_the_tiles() -> None:
    """By hand: 1024 × 1024 by two halves of it, since four quarters would read more twice."""
    seen = [[axis.inside for axis in part.read] for part in tiles(1024, 1024, 800, 64, 8)]
    assert seen == [[slice(0, 1024), slice(0, 576)], [slice(0, 1024), slice(448, 1024)]]
    assert len(tiles(928, 928, 800, 64, 8)) == 1  # no larger than a tile with its halo


def test_windows_have_widths_that_a_processor_likes() -> None:
    """12 MP by tiles of 970: 1144 px would do in width, of which oneDNN makes maps of 143."""
    plan = tiles(3000, 4000, 970, 92, 8)
    assert {len(np.arange(4000)[part.read[1].inside]) for part in plan} == {1152}


def long_enough(denoise: Denoiser, count: float) -> int:
    """The length of a strip 33 px wide that takes more than `count` tiles at the least."""
    halo = math.ceil(denoise.halo / denoise.stride) * denoise.stride
    side = denoise.stride + 2 * halo
    return int(count * side**2 / 33)


@pytest.mark.parametrize("upright", [False, True])
@pytest.mark.parametrize("name", MODELS)
def test_tiled_is_whole(name: str, upright: bool) -> None:
    spec = MODELS[name]
    denoise = Denoiser(randomize(spec.build()), spec, CPU, name)
    noisy = random_picture(1, 3, 33, long_enough(denoise, 1.2))
    noisy = noisy.transpose(-1, -2) if upright else noisy
    denoise.tile_px = 10_000
    whole = denoise(noisy)
    denoise.tile_px = 1
    parts: list[float] = []
    tiled = denoise.run(noisy, progress=parts.append).image
    assert len(parts) > 1
    # Sums of a thousand products in fp32 whose order may differ: a few hundred units of rounding.
    scale = float(whole.abs().max())
    torch.testing.assert_close(tiled, whole, rtol=0, atol=300 * torch.finfo().eps * scale)


def test_tiled_is_whole_with_self_ensemble() -> None:
    """Its views lie off the tiles' grid, where the network sees a little further."""
    spec = ModelSpec("residual-unet", {"widths": [4, 6, 6], "blocks": 1, "middle": 1})
    denoise = Denoiser(randomize(spec.build()), spec, CPU, "small")
    noisy = random_picture(1, 3, 33, 401)
    whole = denoise(noisy, self_ensemble=True)
    denoise.tile_px = 1
    parts: list[float] = []
    tiled = denoise.run(noisy, self_ensemble=True, progress=parts.append).image
    assert len(parts) > 1
    scale = float(whole.abs().max())
    torch.testing.assert_close(tiled, whole, rtol=0, atol=300 * torch.finfo().eps * scale)
    denoise.radius = denoise.halo = 16
    tiled = denoise(noisy, self_ensemble=True)
    assert float((tiled - whole).abs().max()) > 1e-3 * scale  # too small a halo would show


@pytest.mark.parametrize("axis", [-1, -2])
@pytest.mark.parametrize("name", MODELS)
@torch.inference_mode()
def test_nothing_beyond_the_halo_is_seen(name: str, axis: int) -> None:
    """Far pixels move a result by less than rounding; but not a number would show from anywhere."""
    spec = MODELS[name]
    denoise = Denoiser(spec.build(), spec, CPU, name)
    stride, model = denoise.stride, denoise.model.double()
    halo = math.ceil(denoise.halo / stride) * stride
    assert denoise.halo <= denoise.radius
    start = halo + 2 * stride
    strip = torch.full((1, 3, stride, 2 * start + stride), math.nan, dtype=torch.float64)
    strip[..., start - halo : start + stride + halo] = 0.5
    seen = model(strip if axis == -1 else strip.transpose(-1, -2))
    assert bool(seen.narrow(axis, start, stride).isfinite().all())
    assert bool(seen.isnan().any())


@pytest.mark.parametrize("blocks", [1, 2])
@pytest.mark.parametrize("widths", [[4], [4, 4], [4, 4, 4, 4]], ids=len)
@torch.inference_mode()
def test_white_within_the_halo_alone_is_seen(widths: list[int], blocks: int) -> None:
    """Clipped white looks two pixels further than the network, and is no number to be traced."""
    spec = ModelSpec("residual-unet", {"widths": widths, "blocks": blocks, "middle": 1})
    model = randomize(spec.build()).double()
    stride, halo = int(model.stride), int(model.halo)
    start = math.ceil(halo / stride) * stride + stride
    strip = torch.ones(1, 3, 64, 2 * start + stride, dtype=torch.float64)
    other = strip.clone()
    other[..., : start - halo] = 0.5
    cell = slice(start, start + stride)
    torch.testing.assert_close(model(other)[..., cell], model(strip)[..., cell])
    nearer = strip.clone()
    nearer[..., : start - halo + 3] = 0.5
    assert not torch.allclose(model(nearer)[..., cell], model(strip)[..., cell], atol=0, rtol=1e-9)


def test_too_small_a_halo_would_show() -> None:
    spec = MODELS["fast"]
    denoise = Denoiser(randomize(spec.build()), spec, CPU, "fast")
    noisy = random_picture(1, 3, 33, 401)
    whole = denoise(noisy)
    denoise.tile_px, denoise.halo = 64, 16
    assert float((denoise(noisy) - whole).abs().max()) > 1e-3 * float(whole.abs().max())
