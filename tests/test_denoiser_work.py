"""How the work is done: by tiles, in the memory there is, on a network that load() finds."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import n2n
from n2n import denoiser as module
from n2n.checkpoints import save_weights
from n2n.denoiser import Denoiser
from n2n.devices import Placement
from n2n.models import ARCHITECTURES, ModelSpec
from tests.tiny import CPU, photo, random_picture, randomize, refused

ROOT = Path(__file__).parents[1]
SMALL = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})


@pytest.fixture(name="small")
def small_denoiser() -> Denoiser:
    return Denoiser(randomize(SMALL.build()), SMALL, CPU, "small")


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Float32 (H, W, 3), also below 0 and above 1."""
    return np.random.default_rng(seed).uniform(-1, 2, (height, width, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", ["array", "tensor"])
def test_tiled_equals_whole(small: Denoiser, kind: str) -> None:
    noisy: Any = picture(203, 151)
    noisy = noisy if kind == "array" else torch.from_numpy(noisy.transpose(2, 0, 1).copy())[None]
    whole = small(noisy)
    small.tile_px = 32
    tiled = small(noisy)
    assert small.run(noisy).notes == ()
    np.testing.assert_allclose(tiled, whole, atol=1e-4, rtol=1e-4)


def test_progress_rises_to_one(small: Denoiser) -> None:
    told: list[float] = []
    small.tile_px, small.halo, small.margin = 16, 0, 0
    done = small.run(photo(40, 50), progress=told.append)
    assert len(told) >= 40 * 50 / 16**2
    assert told == pytest.approx([count / len(told) for count in range(1, len(told) + 1)])
    assert told[-1] == 1
    assert (done.megapixels, done.notes, done.device) == (0.002, (), CPU.label)
    assert done.milliseconds > 0


def test_raising_in_progress_stops_the_work(small: Denoiser) -> None:
    class Stopped(Exception):
        pass

    told: list[float] = []

    def stop_at_third(done: float) -> None:
        told.append(done)
        if len(told) == 3:
            raise Stopped

    small.tile_px, small.halo, small.margin = 16, 0, 0
    with pytest.raises(Stopped):
        small.run(photo(40, 50), progress=stop_at_third)
    assert len(told) == 3


def out_of_memory_above(forward: Callable[[Tensor], Tensor], side: int) -> Any:  # noqa: ANN401
    """A network on a GPU that has no room for tiles of more than side × side."""

    def limited(x: Tensor) -> Tensor:
        if x.shape[-1] * x.shape[-2] > side**2:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 9 GiB")
        return forward(x)

    return limited


def test_memory_for_smaller_tiles_only(small: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = picture(400, 300)
    whole = small(noisy)
    small.tile_px = 512
    monkeypatch.setattr(small.model, "forward", out_of_memory_above(small.model.forward, 200))
    done = small.run(noisy)
    assert done.notes == (
        "the GPU ran out of memory: went on with tiles of 256 px",
        "the GPU ran out of memory: went on with tiles of 128 px",
    )
    np.testing.assert_allclose(done.image, whole, atol=1e-4, rtol=1e-4)


def test_no_memory_at_all_means_the_cpu(small: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "place", lambda device: CPU)
    noisy = picture(150, 140)
    whole = small(noisy)
    small.tile_px = 200  # half of it is below the smallest tile
    monkeypatch.setattr(small.model, "forward", out_of_memory_above(small.model.forward, 0))
    done = small.run(noisy)
    assert [note.rpartition("went on ")[2] for note in done.notes] == [
        "with tiles of 128 px",
        "on the CPU",
    ]
    np.testing.assert_allclose(done.image, whole, atol=1e-4, rtol=1e-4)


def test_a_cpu_without_memory_says_so(small: Denoiser, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last resort fails: the error comes out instead of another round."""
    monkeypatch.setattr(module, "place", lambda device: CPU)
    limited = out_of_memory_above(lambda x: x, 0)
    architecture: Any = ARCHITECTURES["residual-unet"]
    monkeypatch.setattr(architecture, "forward", lambda model, x: limited(x))
    with pytest.raises(torch.OutOfMemoryError):
        small(photo(16, 16))


# ---- the network inside ----


def test_the_network_is_a_copy(small: Denoiser) -> None:
    model = randomize(SMALL.build(), seed=1).train()
    denoise = Denoiser(model, SMALL, CPU, "copied")
    noisy = picture(16, 16)
    before = denoise(noisy)
    assert model.training
    randomize(model, seed=2)
    np.testing.assert_array_equal(denoise(noisy), before)


def test_bf16_is_near_fp32() -> None:
    """The weights and the layers at 8 bits of mantissa; the picture itself keeps its own."""
    model = SMALL.build()
    low = Placement(torch.device("cpu"), torch.bfloat16, "asked for")
    noisy = random_picture(1, 3, 32, 32)
    one, other = (Denoiser(model, SMALL, placement, "")(noisy) for placement in (CPU, low))
    assert other.dtype == torch.float32
    update = (one - noisy).abs().max()
    assert update > 0
    torch.testing.assert_close(one, other, atol=float(update) * 0.05, rtol=0)
    assert not torch.equal(one, other)


def test_threads_do_not_mix(small: Denoiser) -> None:
    pictures = [random_picture(1, 3, 40, 40, seed=seed) for seed in range(4)]
    expected = [small(picture) for picture in pictures]
    found: dict[int, Tensor] = {}

    def work(index: int) -> None:
        found[index] = small(pictures[index])

    threads = [threading.Thread(target=work, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for index, result in enumerate(expected):
        torch.testing.assert_close(found[index], result)


# ---- load ----


def test_shipped_models_load_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    denoise = n2n.load("fast", device="cpu")
    assert (denoise.name, denoise.placement.device.type) == ("fast", "cpu")
    noisy = photo(37, 31)
    assert denoise(noisy).shape == noisy.shape
    assert n2n.load("fast", device="cpu") is denoise  # read once


def test_loading_and_denoising_need_no_compiler() -> None:
    """PyTorch imports its compiler for some innocent calls, which takes longer than the picture."""
    program = (
        "import sys, numpy, n2n\n"
        "for name in n2n.shipped_models():\n"
        "    n2n.load(name, device='cpu')(numpy.zeros((16, 16, 3), numpy.uint8))\n"
        "print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False"]


def test_files_load_by_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = random_picture(1, 3, 16, 16)
    results = []
    for folder in ("one", "two"):
        model = randomize(SMALL.build(), seed=len(results))
        save_weights(tmp_path / folder / "mine.safetensors", model, SMALL, half=False)
        os.utime(tmp_path / folder / "mine.safetensors", (1, 1))  # no older than the other
        monkeypatch.chdir(tmp_path / folder)
        denoise = n2n.load("mine.safetensors", device="cpu")  # the same words, another file
        results.append(denoise(noisy))
        torch.testing.assert_close(
            results[-1], Denoiser(model, SMALL, denoise.placement, "")(noisy)
        )
    assert not torch.allclose(*results)
    one = n2n.load(str(tmp_path / "one" / "mine.safetensors"), device="cpu")
    assert torch.equal(one(noisy), results[0])


def test_a_file_written_anew_is_read_anew(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    noisy = random_picture(1, 3, 16, 16)
    save_weights(path, randomize(SMALL.build(), seed=1), SMALL)
    first = n2n.load(str(path), device="cpu")(noisy)
    save_weights(path, randomize(SMALL.build(), seed=2), SMALL)
    assert not torch.allclose(n2n.load(str(path), device="cpu")(noisy), first)


def test_what_cannot_be_loaded_is_named(tmp_path: Path) -> None:
    with refused("unknown model 'finest'", ", ".join(n2n.shipped_models()), ".safetensors"):
        n2n.load("finest")
    with refused("there is no file", "none.safetensors"):
        n2n.load(str(tmp_path / "none.safetensors"))
    with refused("device 'tpu' is not available"):
        n2n.load("fast", device="tpu")
