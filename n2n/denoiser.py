"""Image in, image out: padding, tiles, device, precision and memory are nobody else's business."""

import copy
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from n2n import ensemble, images, shipped
from n2n.checkpoints import load_weights
from n2n.devices import Placement, place
from n2n.kinds import as_array_or_tensor, like
from n2n.kinds import check_strength as check_strength  # the command line asks before it begins
from n2n.kinds import mix as mix
from n2n.models import ModelSpec
from n2n.models.fused import FusedResidualUNet, fusible
from n2n.models.padding import read
from n2n.tiling import Tile, tiles

SMALLEST_TILE_PX = 128
Progress = Callable[[float], None]


@dataclass(frozen=True)
class Denoised:
    """A result and how it came about. `notes` says in words what had to be changed on the way."""

    image: Any
    milliseconds: float
    megapixels: float
    device: str
    notes: tuple[str, ...]


class Denoiser:
    """A trained network as a function on pictures. Thread-safe: it keeps no state of a call.

    Args:
        model: the network; it is copied.
        spec: its architecture.
        placement: where to run.
        name: what to call it.
    """

    def __init__(self, model: nn.Module, spec: ModelSpec, placement: Placement, name: str) -> None:
        self.spec, self.placement, self.name = spec, placement, name
        self.channels_last = placement.memory_format == torch.channels_last
        self.model = _placed(model, placement)
        self.stride, self.radius = int(model.stride), int(model.radius)  # type: ignore[arg-type]
        self.halo = int(getattr(model, "halo", self.radius))  # a tile's edge lies on the grid
        self.margin = int(getattr(model, "margin", 0))
        self.tile_px = int(self.model.tile_px)  # type: ignore[arg-type]

    def __call__(
        self,
        noisy: Any,  # noqa: ANN401
        *,
        strength: float = 1.0,
        self_ensemble: bool = False,
    ) -> Any:  # noqa: ANN401  the same kind comes back
        """Denoise a picture; the same kind comes back.

        Args:
            noisy: uint8, uint16 or float array (H, W) or (H, W, 3), a PIL image, or a float tensor
                (B, 3, H, W). Floats are in [0, 1] for clean pictures; nothing of them is clipped,
                before or after.
            strength: 1 for the estimate, 0 for the input, between for a mixture.
            self_ensemble: average over 8 views, as `n2n.ensemble` says: 8 times the work, some
                0.1 dB with `fast` and `best`; nothing with `ee559`, whose kernels are tied in 8
                orientations, and whose views are not shifted.

        Raises:
            ValueError, TypeError: not a picture, NaN in it, or a strength outside [0, 1].
        """
        return self.run(noisy, strength=strength, self_ensemble=self_ensemble).image

    def run(
        self,
        noisy: Any,  # noqa: ANN401
        *,
        strength: float = 1.0,
        self_ensemble: bool = False,
        progress: Progress | None = None,
    ) -> Denoised:
        """As calling the denoiser, with the time it took and what had to be said.

        `progress` gets the part done, 0 to 1, after every tile; raising in it stops the work.
        """
        check_strength(strength)
        start = time.perf_counter()
        source, convert_back = as_array_or_tensor(noisy)
        notes: list[str] = []
        result, used = self._tiled(source, strength, self_ensemble, progress, notes)
        height, width = source.shape[-2:] if isinstance(source, Tensor) else source.shape[:2]
        count = len(source) if isinstance(source, Tensor) else 1
        return Denoised(
            image=convert_back(result),
            milliseconds=1000 * (time.perf_counter() - start),
            megapixels=count * height * width / 1e6,
            device=used.label,
            notes=tuple(notes),
        )

    def run_together(
        self, pictures: Sequence[np.ndarray], *, strength: float = 1.0
    ) -> list[Denoised]:
        """As `run` on each of some small arrays, all at once; their `padded_size` must be one.

        The time of each is its share.
        """
        check_strength(strength)
        start = time.perf_counter()
        sources = [as_array_or_tensor(picture)[0] for picture in pictures]
        plans = [self._plan(source, max(self.padded_size(source))) for source in sources]
        seen = [self._read(source, tile) for source, (tile,) in zip(sources, plans, strict=True)]
        batch = torch.cat(seen)
        estimates = self._network(batch, self_ensemble=False)
        results = []
        for picture, estimate, (tile,) in zip(pictures, estimates, plans, strict=True):
            part = like(estimate[None, ..., *tile.keep], picture)
            results.append(mix(picture, part, strength))
        milliseconds = 1000 * (time.perf_counter() - start) / len(pictures)
        where = self.placement.label
        return [
            Denoised(result, milliseconds, result.shape[0] * result.shape[1] / 1e6, where, ())
            for result in results
        ]

    def padded_size(self, picture: np.ndarray) -> tuple[int, int]:
        """Height and width of what the network sees of a picture: multiples of its stride."""
        sides = [side + 2 * self.margin for side in picture.shape[:2]]
        return sides[0] + -sides[0] % self.stride, sides[1] + -sides[1] % self.stride

    def _tiled(
        self,
        source: Tensor | np.ndarray,
        strength: float,
        self_ensemble: bool,
        progress: Progress | None,
        notes: list[str],
    ) -> tuple[Any, Placement]:
        """Denoise by tiles: smaller ones when a GPU's memory runs out, on the CPU at the last.

        Returns the result and where it was computed in the end.
        """
        tile, cpu = self.tile_px, False
        while True:
            try:
                network = self._on_cpu() if cpu else self
                result = network._whole(source, tile, strength, self_ensemble, progress)
                return result, network.placement
            except torch.OutOfMemoryError:
                if cpu:
                    raise
                torch.cuda.empty_cache()
                cpu, tile = (tile <= SMALLEST_TILE_PX), max(tile // 2, SMALLEST_TILE_PX)
                notes.append(
                    "the GPU ran out of memory: went on "
                    + ("on the CPU" if cpu else f"with tiles of {tile} px")
                )

    def _whole(
        self,
        source: Tensor | np.ndarray,
        tile_px: int,
        strength: float,
        self_ensemble: bool,
        progress: Progress | None,
    ) -> Any:  # noqa: ANN401
        plan = self._plan(source, tile_px, self._period if self_ensemble else 0)
        result: Any = (
            torch.empty_like(source) if isinstance(source, Tensor) else np.empty_like(source)
        )
        for index, tile in enumerate(plan):
            estimate = self._network(self._read(source, tile), self_ensemble)
            part: Any = estimate[..., *tile.keep]
            if isinstance(source, Tensor):
                result[..., *tile.write] = mix(source[..., *tile.write], part, strength)
            else:
                part = like(part, source)
                result[tile.write] = mix(source[tile.write], part, strength)
            if progress is not None:
                progress((index + 1) / len(plan))
        return result

    @property
    def _period(self) -> int:
        """Views of a self-ensemble are shifted by less than this.

        By nothing without a margin: such a network learnt to see borders where they are.
        """
        return self.stride if self.margin else 0

    def _plan(self, source: Tensor | np.ndarray, tile_px: int, period: int = 0) -> list[Tile]:
        height, width = source.shape[-2:] if isinstance(source, Tensor) else source.shape[:2]
        halo = self.radius + period if period else self.halo  # off the grid it sees further
        return tiles(height, width, tile_px, halo, self.stride, self.margin + period)

    def _read(self, source: Tensor | np.ndarray, tile: Tile) -> Tensor:
        """What the network sees for one tile of the picture: (B, 3, h, w) float."""
        if isinstance(source, Tensor):
            return read(source, *tile.read)
        return images.to_tensor(read(source, *tile.read), channels_last=self.channels_last)

    @torch.inference_mode()
    def _network(self, noisy: Tensor, self_ensemble: bool) -> Tensor:
        """(B, 3, h, w) float -> the same, on the same device."""
        moved = noisy.to(self.placement.device, torch.float32)
        moved = moved.contiguous(memory_format=self.placement.memory_format)
        if self_ensemble:
            return ensemble.averaged(self.model, moved, self._period).to(noisy.device)
        estimate: Tensor = self.model(moved)
        return estimate.float().to(noisy.device)

    def _on_cpu(self) -> "Denoiser":
        model = self.spec.build()
        # Tensor by tensor: the GPU has no room for a second copy.
        model.load_state_dict({name: t.cpu() for name, t in self.model.state_dict().items()})
        return Denoiser(model, self.spec, place("cpu"), self.name)


def load(name: str = "best", *, device: str = "auto", dtype: str = "auto") -> Denoiser:
    """A shipped model by name, or any weight file by its path; loaded once and kept.

    Args:
        name: one of `n2n.shipped_models()`, or a path to a .safetensors file.
        device: "auto" (a GPU where there is one), "cpu", "cuda" or "mps".
        dtype: "auto" (bf16 where the device is faster in it), "fp32" or "bf16".

    Raises:
        ValueError: no such model, file, device or dtype.
    """
    path = shipped.weights_path(name).absolute()
    changed = path.stat().st_mtime_ns if path.is_file() else 0
    return _loaded(path, changed, name, place(device, dtype))


@lru_cache(maxsize=8)
def _loaded(path: Path, changed: int, name: str, placement: Placement) -> Denoiser:
    """`changed` is part of the key alone: a file written anew is another file."""
    model, spec = load_weights(path)
    return Denoiser(model, spec, placement, name)


def _placed(model: nn.Module, placement: Placement) -> nn.Module:
    """A copy, since a training run may go on with the weights that placing converts."""
    bf16 = placement.dtype == torch.bfloat16
    if placement.device.type == "cpu" and bf16 and fusible(model):
        return FusedResidualUNet(model)
    placed: nn.Module = copy.deepcopy(model).to(  # type: ignore[call-overload]
        placement.device,
        placement.dtype,
        memory_format=placement.memory_format,
    )
    return placed.eval()
