"""On a GPU, a network's two passes compiled and replayed as CUDA graphs.

A step is some thousand small operations, which take the CPU longer to launch than the GPU to
compute. Compiled (`torch.compile`) they are fewer; recorded once, each pass is one launch.
"""

import torch
from torch import Tensor, nn

from n2n.training import OutOfMemory, told_of_memory


def captured(model: nn.Module, source: Tensor, autocast: torch.autocast) -> nn.Module:
    """The network in training mode, for batches of the very shape of `source`.

    Itself where it has buffers, since recording runs it a few times. While it is recorded, half a
    minute, no other thread of the process may use the device.

    Raises:
        OutOfMemory: a step needs more memory than the device has.
        ValueError: this machine cannot compile it.
    """
    if any(True for _ in model.buffers()):
        return model
    compiled: nn.Module = torch.compile(model, dynamic=False)  # type: ignore[assignment]
    # The fastest of the library's algorithms: one search serves tens of thousands of steps.
    fastest = torch.backends.cudnn.flags(enabled=True, benchmark=True)
    try:
        with told_of_memory(), autocast, fastest:
            passes = nn.Sequential(compiled).train()
            replayed: nn.Module = torch.cuda.make_graphed_callables(passes, (source,))  # type: ignore[assignment]
    except OutOfMemory:
        raise
    except Exception as error:  # compilers fail in many ways
        reason = str(error).strip().splitlines()[:1]
        raise ValueError(f"cannot compile here, leave out --compile: {' '.join(reason)}") from error
    # The gradients are of the stream that recorded them, and PyTorch says so at the first step.
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)
    return replayed
