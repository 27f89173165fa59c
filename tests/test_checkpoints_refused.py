"""Files that are no checkpoint or no weights: one line that names them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from n2n.checkpoints import load_state, load_weights, save_state, save_weights
from n2n.models import ModelSpec
from tests.tiny import one_thread, refused  # noqa: F401  a fixture

SMALL = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})


# ---- files that are something else ----

LOADERS = {"weights": load_weights, "state": load_state}
every_loader = pytest.mark.parametrize("load", LOADERS.values(), ids=LOADERS)


def written(path: Path, kind: str) -> Path:
    if kind == "weights":
        save_weights(path, SMALL.build(), SMALL)
    else:
        save_state(path, {"tensor": torch.ones(40, 30), "step": 3})
    return path


@every_loader
def test_a_missing_file_is_named(tmp_path: Path, load: Any) -> None:  # noqa: ANN401
    with refused("there is no file", "lost.safetensors"):
        load(tmp_path / "lost.safetensors")
    (tmp_path / "folder.safetensors").mkdir()
    with refused("there is no file", "folder.safetensors"):
        load(tmp_path / "folder.safetensors")


@every_loader
@pytest.mark.parametrize(
    "content", [b"", b"\x00" * 64, b"\xff" * 64, b"PK\x03\x04 a zip archive", b"{}"]
)
def test_another_kind_of_file_is_named(tmp_path: Path, load: Any, content: bytes) -> None:  # noqa: ANN401
    path = tmp_path / "other.safetensors"
    path.write_bytes(content)
    with refused("other.safetensors is no .safetensors file, or is damaged"):
        load(path)


@pytest.mark.parametrize("kind", LOADERS)
@pytest.mark.parametrize("share", [0.01, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path: Path, kind: str, share: float) -> None:
    path = written(tmp_path / "cut.safetensors", kind)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with refused("cut.safetensors", "damaged"):
        LOADERS[kind](path)


@pytest.mark.parametrize("kind", LOADERS)
def test_damage_anywhere_in_the_header_is_noticed_or_harmless(tmp_path: Path, kind: str) -> None:
    """Change every seventh byte of the header: an error that names the file, or a result."""
    path = written(tmp_path / "file.safetensors", kind)
    content = path.read_bytes()
    end = 8 + int.from_bytes(content[:8], "little")
    messages = []
    for position in range(0, end, 7):
        damaged = bytearray(content)
        damaged[position] ^= 0x15
        path.write_bytes(damaged)
        try:
            LOADERS[kind](path)
        except ValueError as error:
            messages.append(str(error))
    assert len(messages) > 10
    assert all("file.safetensors" in message and "\n" not in message for message in messages)


def test_one_kind_is_not_the_other(tmp_path: Path) -> None:
    with refused("a.safetensors is no checkpoint of a run"):
        load_state(written(tmp_path / "a.safetensors", "weights"))
    with refused("b.checkpoint does not say which network it belongs to"):
        load_weights(written(tmp_path / "b.checkpoint", "state"))


def test_foreign_weights_are_named(tmp_path: Path) -> None:
    path = tmp_path / "foreign.safetensors"
    save_file({"x": torch.ones(2)}, path)
    with refused("foreign.safetensors does not say which network"):
        load_weights(path)
    with refused("foreign.safetensors is no checkpoint"):
        load_state(path)


WRONG_SPECS = {
    "no json": "{",
    "list": "[1, 2]",
    "other keys": '{"name": "fast"}',
    "unknown": '{"architecture": "resnet", "kwargs": {}}',
    "unhashable": '{"architecture": ["unet"], "kwargs": {}}',
    "arguments": '{"architecture": "unet", "kwargs": {"depth": 9}}',
    "no arguments": '{"architecture": "unet", "kwargs": 3}',
    "wrong values": '{"architecture": "residual-unet", "kwargs": {"widths": ["a", "b"]}}',
    "no widths": '{"architecture": "residual-unet", "kwargs": {"widths": []}}',
    "negative": '{"architecture": "residual-unet", "kwargs": {"widths": [-4, 6]}}',
}


@pytest.mark.parametrize("spec", WRONG_SPECS.values(), ids=WRONG_SPECS)
def test_an_impossible_spec_is_refused(tmp_path: Path, spec: str) -> None:
    path = tmp_path / "odd.safetensors"
    save_file({"x": torch.ones(2)}, path, {"n2n.model": spec})
    with refused("odd.safetensors describes no network"):
        load_weights(path)


def test_a_spec_that_is_too_large_for_its_tensors_takes_no_memory(tmp_path: Path) -> None:
    """The shapes are compared before anything is allocated: this network would need terabytes."""
    path = tmp_path / "huge.safetensors"
    spec = SMALL._replace(kwargs={"widths": [10**6, 10**6], "blocks": 1, "middle": 1})
    save_weights(path, SMALL.build(), spec)
    with refused("huge.safetensors does not fit its network residual-unet"):
        load_weights(path)


@pytest.mark.parametrize("change", ["missing", "extra", "shape"])
def test_tensors_that_do_not_fit_are_named(tmp_path: Path, change: str) -> None:
    path = tmp_path / "wrong.safetensors"
    tensors = {name: tensor.contiguous() for name, tensor in SMALL.build().state_dict().items()}
    if change == "missing":
        del tensors["head.weight"]
    elif change == "extra":
        tensors["head.bias"] = torch.ones(12)
    else:
        tensors["head.weight"] = torch.ones(12, 4, 5, 5)
    save_file(tensors, path, {"n2n.model": json.dumps(SMALL._asdict())})
    with refused("wrong.safetensors does not fit its network residual-unet: head."):
        load_weights(path)


def test_a_state_that_lacks_a_tensor_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "odd.checkpoint"
    skeleton = {"dict": [["x", {"tensor": "/x"}]]}
    save_file({"y": torch.ones(2)}, path, {"n2n.state": json.dumps(skeleton)})
    with refused("odd.checkpoint"):
        load_state(path)
    save_file({"y": torch.ones(2)}, path, {"n2n.state": "{"})
    with refused("odd.checkpoint"):
        load_state(path)


def test_numpy_numbers_are_not_stored_by_accident(tmp_path: Path) -> None:
    """JSON would not know them: better an error when saving than another type when loading."""
    with pytest.raises(TypeError):
        save_state(tmp_path / "a", {"x": np.float32(1)})
    assert not (tmp_path / "a").exists()
