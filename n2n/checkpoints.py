"""Weights and running state as safetensors: one file that explains itself, without pickle.

A file is written whole or not at all.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from n2n.models import ModelSpec

SPEC_KEY = "n2n.model"
STATE_KEY = "n2n.state"


def save_weights(path: Path, model: nn.Module, spec: ModelSpec, half: bool = True) -> None:
    """Store weights, by default at half precision, with the spec that rebuilds the network."""
    tensors = {
        name: tensor.half() if half and tensor.is_floating_point() else tensor
        for name, tensor in model.state_dict().items()
    }
    _write(path, tensors, {SPEC_KEY: json.dumps(spec._asdict())})


def load_weights(path: Path) -> tuple[nn.Module, ModelSpec]:
    """The network of a weight file, at fp32 in evaluation mode, and its spec.

    Raises:
        ValueError: not a weight file of this project, or one whose tensors do not fit its spec.
    """
    tensors, metadata = _read(path)
    if SPEC_KEY not in metadata:
        raise ValueError(
            f"{path.name} does not say which network it belongs to; give weights saved by n2n"
        )
    try:
        spec = ModelSpec(**json.loads(metadata[SPEC_KEY]))
        with torch.device("meta"):  # no memory yet: the file may ask for more than there is
            model = spec.build()
    except Exception as error:  # what the file says may break a constructor in any way
        raise ValueError(f"{path.name} describes no network: {_first_line(error)}") from error
    expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in tensors.items()}
    if expected != found:
        wrong = next(iter(sorted(set(expected.items()) ^ set(found.items()))))
        raise ValueError(
            f"{path.name} does not fit its network {spec.architecture}: "
            f"{wrong[0]} {tuple(wrong[1])}"
        )
    model.load_state_dict(
        {name: tensor.to(model.state_dict()[name].dtype) for name, tensor in tensors.items()},
        assign=True,
    )
    return model.eval(), spec


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Store a tree of dicts, lists, tensors and plain values, such as a run's whole state."""
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(state, "", tensors)
    _write(path, tensors, {STATE_KEY: json.dumps(skeleton)})


def load_state(path: Path) -> dict[str, Any]:
    """What `save_state` stored, bit for bit.

    Raises:
        ValueError: the file is missing, damaged, or no state.
    """
    tensors, metadata = _read(path)
    # Copies, which lie as PyTorch lays them: some chips' sums depend on a tensor's alignment.
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    if STATE_KEY not in metadata:
        raise ValueError(
            f"{path.name} is no checkpoint of a run; give the .checkpoint file that training wrote"
        )
    try:
        state: dict[str, Any] = _unflatten(json.loads(metadata[STATE_KEY]), tensors)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path.name} is damaged: {_first_line(error)}") from error
    return state


def sha256(path: Path) -> str:
    """The file's digest, as its card states it."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _flatten(node: Any, name: str, tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401  any JSON-like tree
    """Move tensors out of a tree into `tensors`, leaving names; tag what JSON would mix up."""
    if isinstance(node, Tensor):
        unique = f"{len(tensors)}{name}"  # the path alone is not: keys may hold a slash
        tensors[unique] = node
        return {"tensor": unique}
    if isinstance(node, Mapping):
        # Keys may be integers (optimizer states), which JSON would turn into strings.
        return {
            "dict": [
                [key, _flatten(value, f"{name}/{key}", tensors)] for key, value in node.items()
            ]
        }
    if isinstance(node, list | tuple):
        return {
            "list": [
                _flatten(value, f"{name}/{index}", tensors) for index, value in enumerate(node)
            ]
        }
    return {"value": node}


def _unflatten(node: dict[str, Any], tensors: dict[str, Tensor]) -> Any:  # noqa: ANN401
    ((kind, content),) = node.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _unflatten(value, tensors) for key, value in content}
    if kind == "list":
        return [_unflatten(value, tensors) for value in content]
    return content


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _write(path: Path, tensors: dict[str, Tensor], metadata: dict[str, str]) -> None:
    """Write beside the target, then rename: a full disk or a kill leaves the old file as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    # Copies: safetensors takes neither shared memory nor other memory formats.
    own = {
        name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()
    }
    try:
        save_file(own, temporary, metadata)
        temporary.chmod(0o644)  # safetensors makes files that only their owner may read
        os.replace(temporary, path)
    except SafetensorError as error:
        raise OSError(f"{path.name} could not be written: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            return {name: file.get_tensor(name) for name in file.keys()}, metadata  # noqa: SIM118  no iterator
    except SafetensorError as error:
        raise ValueError(
            f"{path.name} is no .safetensors file, or is damaged: {_first_line(error)}"
        ) from error
