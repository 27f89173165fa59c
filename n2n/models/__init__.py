"""Network architectures, by name. A shipped weight file names the one it belongs to.

Every model maps (B, 3, H, W) in [0, 1] to the same size and states three numbers for tiling:
`stride` (tiles must start on its multiples), `radius` (an input pixel further away changes nothing)
and `tile_px` (the tile that keeps its memory below about 1 GB). Some state a smaller `halo`, too:
beyond it nothing is seen from a multiple of the stride; and a `margin`: as much of its mirrored
border a picture has around it when it is denoised, and so it may be shifted in a self-ensemble.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from n2n.models.autoencoder import Autoencoder
from n2n.models.full_unet import FullResolutionUNet
from n2n.models.residual_unet import ResidualUNet
from n2n.models.unet import UNet

__all__ = [
    "ARCHITECTURES",
    "MODELS",
    "ModelSpec",
    "create_model",
    "kmacs_per_pixel",
    "model_spec",
    "parameter_count",
]

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "autoencoder": Autoencoder,
    "unet": UNet,
    "residual-unet": ResidualUNet,
    "full-resolution-unet": FullResolutionUNet,
}


class ModelSpec(NamedTuple):
    """An architecture and its arguments: what a weight file stores, so that it loads by itself."""

    architecture: str
    kwargs: dict[str, Any]

    def build(self) -> nn.Module:
        """The untrained network.

        Raises:
            ValueError: the architecture is unknown, or does not take these arguments.
        """
        if self.architecture not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise ValueError(
                f"unknown architecture {self.architecture!r}; this version has {known}"
            )
        try:
            return ARCHITECTURES[self.architecture](**self.kwargs)
        except TypeError as error:
            raise ValueError(f"{self.architecture} cannot be built: {error}") from error


MODELS: dict[str, ModelSpec] = {
    "seed": ModelSpec("autoencoder", {"batchnorm": "published"}),
    "unet": ModelSpec("unet", {}),
    "ee559": ModelSpec("full-resolution-unet", {"widths": [48, 48, 96], "blocks": 3}),
    "small": ModelSpec("residual-unet", {"widths": [24, 24, 24], "blocks": 1, "middle": 2}),
    "fast": ModelSpec("residual-unet", {"widths": [24, 24, 48], "blocks": 3, "middle": 2}),
    "best": ModelSpec("residual-unet", {"widths": [48, 48, 96], "blocks": 4, "middle": 2}),
}


def model_spec(name: str, **kwargs: object) -> ModelSpec:
    """The spec that MODELS lists under `name`, with `kwargs` in place of its own."""
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose one of {', '.join(MODELS)}")
    spec = MODELS[name]
    return spec._replace(kwargs={**spec.kwargs, **kwargs})


def create_model(name: str, **kwargs: object) -> nn.Module:
    """Build an untrained model by name. `kwargs` go to its class unchanged.

    Raises:
        ValueError: unknown name or argument.
    """
    return model_spec(name, **kwargs).build()


def parameter_count(model: nn.Module) -> int:
    """Trainable numbers of a model."""
    return sum(parameter.numel() for parameter in model.parameters())


def kmacs_per_pixel(model: nn.Module, side: int = 128) -> float:
    """Thousand multiply-accumulates per pixel of a picture, counted on one of `side` × `side`.

    Convolutions are all there is to count. PyTorch's own counter finds as many, but loads its
    compiler first, which would make the app start in ten seconds in place of eight.
    """
    macs = 0

    def count(layer: nn.Conv2d, given: tuple[Tensor, ...], result: Tensor) -> None:
        nonlocal macs
        places = given[0] if isinstance(layer, nn.ConvTranspose2d) else result
        macs += layer.weight.numel() * places[0, 0].numel()

    convolutions = [m for m in model.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
    hooks = [layer.register_forward_hook(count) for layer in convolutions]
    parameter = next(model.parameters())
    try:
        with torch.inference_mode():
            model(torch.zeros(1, 3, side, side, device=parameter.device, dtype=parameter.dtype))
    finally:
        for hook in hooks:
            hook.remove()
    return macs / side**2 / 1000
