"""Files that give back what went in, bit for bit, or say in one line why they cannot."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from n2n import checkpoints
from n2n.checkpoints import load_state, load_weights, save_state, save_weights, sha256
from n2n.models import MODELS, ModelSpec, parameter_count
from tests.tiny import assert_same, one_thread, random_picture, randomize, refused  # noqa: F401  a fixture

SMALL = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})


# ---- states ----

DTYPES = [
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.int64,
    torch.int32,
    torch.int16,
    torch.int8,
    torch.uint8,
    torch.bool,
]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("shape", [(3, 4), (), (0, 2)], ids=str)
def test_tensors_of_any_type_come_back(
    tmp_path: Path, dtype: torch.dtype, shape: tuple[int, ...]
) -> None:
    tensor = (random_picture(*shape) * 100 - 50).to(dtype)
    save_state(tmp_path / "a", {"tensor": tensor})
    assert_same({"tensor": tensor}, load_state(tmp_path / "a"))


def test_odd_floats_come_back(tmp_path: Path) -> None:
    odd = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    save_state(tmp_path / "a", {"odd": odd, "numbers": [0.1, -0.0, 1e-300, float("inf")]})
    assert_same(
        {"odd": odd, "numbers": [0.1, -0.0, 1e-300, float("inf")]}, load_state(tmp_path / "a")
    )


def test_trees_come_back(tmp_path: Path) -> None:
    tree = {
        "state": {0: {"step": torch.tensor(3.0)}, 1: {"step": torch.tensor(4.0)}, "1": "text"},
        "list": [torch.ones(2), [torch.zeros(1), None], {}, []],
        "values": {"flag": True, "count": 10**15, "rate": 0.1, "text": "σ = 25", "nothing": None},
        "a/b": torch.ones(1),
        "a": {"b": torch.zeros(1)},  # the same path by another way
        "tensor": "no tensor",
    }
    save_state(tmp_path / "a", tree)
    assert_same(tree, load_state(tmp_path / "a"))


def test_tuples_become_lists(tmp_path: Path) -> None:
    save_state(tmp_path / "a", {"betas": (0.9, 0.99)})
    assert load_state(tmp_path / "a") == {"betas": [0.9, 0.99]}


def test_views_and_memory_formats_come_back(tmp_path: Path) -> None:
    base = random_picture(2, 6, 4, 4)
    tree = {
        "base": base,
        "view": base[:, ::2],
        "again": base,
        "transposed": base.transpose(0, 1),
        "channels_last": base.contiguous(memory_format=torch.channels_last),
        "parameter": torch.nn.Parameter(base[0]),
        "expanded": base[:1, :1].expand(3, 3, 4, 4),
    }
    save_state(tmp_path / "a", tree)
    assert_same(tree, load_state(tmp_path / "a"))


def test_saving_takes_a_copy(tmp_path: Path) -> None:
    tensor = torch.ones(3)
    save_state(tmp_path / "a", {"tensor": tensor})
    tensor.zero_()
    assert load_state(tmp_path / "a")["tensor"].sum() == 3


def test_folders_are_made(tmp_path: Path) -> None:
    save_state(tmp_path / "new" / "folder" / "a", {"x": 1})
    assert load_state(tmp_path / "new" / "folder" / "a") == {"x": 1}


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "run.checkpoint"
    save_state(path, {"step": 1})
    before = path.read_bytes()

    def full_disk(tensors: object, file: str, metadata: object) -> None:
        Path(file).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_state(path, {"step": 2})
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["run.checkpoint"]


# ---- weights ----


@pytest.mark.parametrize("name", MODELS)
def test_weights_rebuild_their_network(tmp_path: Path, name: str) -> None:
    path = tmp_path / "weights.safetensors"
    model = randomize(MODELS[name].build()).eval()
    save_weights(path, model, MODELS[name], half=False)
    loaded, spec = load_weights(path)
    assert spec == MODELS[name]
    assert not loaded.training
    assert_same(dict(model.state_dict()), dict(loaded.state_dict()))
    assert all(parameter.requires_grad for parameter in loaded.parameters())
    with torch.inference_mode():
        noisy = random_picture(1, 3, 20, 20)
        assert torch.equal(model(noisy), loaded(noisy))


def test_half_precision_rounds_floats_alone(tmp_path: Path) -> None:
    path = tmp_path / "seed.safetensors"
    model = MODELS["seed"].build()
    model(random_picture(2, 3, 8, 8))  # one batch for BatchNorm to count
    save_weights(path, model, MODELS["seed"])
    assert path.stat().st_size < 2 * parameter_count(model) + 20_000
    loaded, _ = load_weights(path)
    for name, tensor in model.state_dict().items():
        rounded = tensor.half().float() if tensor.is_floating_point() else tensor
        assert_same(rounded, loaded.state_dict()[name])
    counts = [t for name, t in loaded.state_dict().items() if name.endswith("tracked")]
    assert [int(count) for count in counts] == [1] * 4


def test_a_file_says_what_it_is(tmp_path: Path) -> None:
    save_weights(tmp_path / "a", SMALL.build(), SMALL)
    with safe_open(tmp_path / "a", framework="pt") as file:
        stated = json.loads(file.metadata()["n2n.model"])
    assert stated == {"architecture": "residual-unet", "kwargs": SMALL.kwargs}


def test_sha256(tmp_path: Path) -> None:
    (tmp_path / "abc").write_bytes(b"abc")  # the example of FIPS 180-2
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256(tmp_path / "abc") == digest


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
