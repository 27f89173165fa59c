"""Tiles cover a picture exactly once; and a tiled picture is the whole one, for every network."""

import numpy as np
import pytest
import torch

from n2n import denoiser
from n2n.denoiser import Denoiser
from n2n.models import MODELS
from n2n.tiling import Tile, spans, tiles
from tests.tiny import CPU, one_thread, random_picture, randomize  # noqa: F401  a fixture


@pytest.mark.parametrize("halo", [0, 1, 8, 100])
@pytest.mark.parametrize("tile", [1, 2, 7, 16, 64])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 63, 130])
def test_spans_cover_an_axis_exactly_once(length: int, tile: int, halo: int) -> None:
    axis = np.arange(length)
    written = []
    for read, keep, write in spans(length, tile, halo):
        context = axis[read]
        # What is kept of what was read is what is written, with all the halo there is around it.
        np.testing.assert_array_equal(context[keep], axis[write])
        assert write.stop - write.start <= tile
        assert read.start == max(write.start - halo, 0)
        assert read.stop == min(write.stop + halo, length)
        written += list(axis[write])
    assert written == list(axis)


@pytest.mark.parametrize(("tile", "halo"), [(8, 4), (16, 32), (64, 8)])
def test_tiles_lie_on_the_grid(tile: int, halo: int) -> None:
    """With tile and halo on the network's stride, so is every place where a tile is read from."""
    for read, _, _ in spans(203, tile, halo):
        assert read.start % 4 == 0


def test_tiles_cover_a_picture_exactly_once() -> None:
    count = np.zeros((37, 53), int)
    for tile in tiles(37, 53, 16, 8):
        count[tile.write] += 1
        assert count[tile.read][tile.keep].shape == count[tile.write].shape
    assert (count == 1).all()


# A strip each way: long enough for tiles that do not see the whole, thin enough to be quick.
@pytest.mark.parametrize("shape", [(33, 401), (401, 33)])
@pytest.mark.parametrize("name", MODELS)
def test_tiled_is_whole(name: str, shape: tuple[int, int]) -> None:
    spec = MODELS[name]
    denoise = Denoiser(randomize(spec.build()), spec, CPU, name)
    noisy = random_picture(1, 3, *shape)
    denoise.tile_px = 1024
    whole = denoise(noisy)
    denoise.tile_px = 64
    parts: list[float] = []
    tiled = denoise.run(noisy, progress=parts.append).image
    assert len(parts) == 7
    # Sums of a thousand products in fp32 whose order may differ: a few hundred units of rounding.
    scale = float(whole.abs().max())
    torch.testing.assert_close(tiled, whole, rtol=0, atol=300 * torch.finfo().eps * scale)


@pytest.mark.parametrize("tile_px", [1, 50, 64])
@pytest.mark.parametrize("name", MODELS)
def test_the_halo_covers_the_radius_on_the_grid(
    name: str, tile_px: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Far pixels move a result by less than rounding: so the geometry itself is looked at."""
    seen = []

    def watch(height: int, width: int, tile: int, halo: int) -> list[Tile]:
        seen.append((tile, halo))
        return tiles(height, width, tile, halo)

    monkeypatch.setattr(denoiser, "tiles", watch)
    spec = MODELS[name]
    small = Denoiser(spec.build(), spec, CPU, name)
    small.tile_px = tile_px
    small(random_picture(1, 3, 8, 8))
    ((tile, halo),) = seen
    assert halo >= small.radius
    assert halo % small.stride == tile % small.stride == 0
    assert 0 < tile <= max(tile_px, small.stride)


def test_too_small_a_halo_would_show() -> None:
    spec = MODELS["fast"]
    denoise = Denoiser(randomize(spec.build()), spec, CPU, "fast")
    noisy = random_picture(1, 3, 33, 401)
    whole = denoise(noisy)
    denoise.tile_px, denoise.radius = 64, 16
    assert float((denoise(noisy) - whole).abs().max()) > 1e-3 * float(whole.abs().max())
