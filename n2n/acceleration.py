"""On a GPU, a network's two passes compiled and replayed as CUDA graphs.

A step is some thousand small operations, which take the CPU longer to launch than the GPU to
compute. Compiled (`torch.compile`) they are fewer; recorded once, each pass is one launch.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from n2n.devices import Placement


class Captured(nn.Module):
    """A network whose passes in training mode are compiled, recorded once and then replayed.

    While they are recorded, half a minute, no other thread of the process may use the device.

    Args:
        model: without buffers, since recording runs it a few times.
        source: a batch on a CUDA device; those of another shape go through the model itself.
    """

    def __init__(self, model: nn.Module, source: Tensor) -> None:
        super().__init__()
        self.model, self.shape = model, source.shape
        compiled: nn.Module = torch.compile(model, dynamic=False)  # type: ignore[assignment]
        # The fastest of the library's algorithms: one search serves tens of thousands of steps.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self.replay = torch.cuda.make_graphed_callables(
                nn.Sequential(compiled).train(), (source,)
            )
        # The gradients are of the stream that recorded them, and PyTorch says so at the first step.
        torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)

    def forward(self, source: Tensor) -> Tensor:
        """As the model itself."""
        is_recorded = source.shape == self.shape
        estimate: Tensor = self.replay(source) if is_recorded else self.model(source)  # type: ignore[assignment]
        return estimate


def captured(
    model: nn.Module,
    batches: Iterator[tuple[Tensor, Tensor]],
    placement: Placement,
    autocast: torch.autocast,
) -> nn.Module:
    """The network as it is trained on `batches`, of which the first is looked at.

    Itself where nothing is to be compiled, where there is no CUDA device, or where it has buffers.
    """
    is_fit = placement.device.type == "cuda" and not any(True for _ in model.buffers())
    if not (placement.compiled and is_fit):
        return model
    source, _ = next(batches)
    with autocast:
        return Captured(model, source)
