"""On a GPU, a network's two passes as CUDA graphs: two launches in place of hundreds.

Launching the few hundred operations of a pass takes the CPU longer than the GPU needs for them.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from n2n.devices import Placement


class Captured(nn.Module):
    """A network whose passes in training mode are recorded once and then replayed.

    Args:
        model: without buffers, since recording runs it a few times.
        source: a batch on a CUDA device; those of another shape go through the model itself.
        compiled: fuse operations first (`torch.compile`): half a minute, and a GPU has less to do.
    """

    def __init__(self, model: nn.Module, source: Tensor, *, compiled: bool = False) -> None:
        super().__init__()
        self.model, self.shape = model, source.shape
        if compiled:
            model = torch.compile(model, dynamic=False)  # type: ignore[assignment]
        passes = nn.Sequential(model).train()
        # The fastest of the library's algorithms: one search serves tens of thousands of steps.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            self.replay = torch.cuda.make_graphed_callables(passes, (source,))
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

    Itself where there is no CUDA device, or where it has buffers.
    """
    if placement.device.type != "cuda" or any(True for _ in model.buffers()):
        return model
    source, _ = next(batches)
    with autocast:
        return Captured(model, source, compiled=placement.compiled)
