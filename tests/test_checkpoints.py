"""Files that give back what went in, bit for bit, or say in one line why they cannot."""

import json
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from n2n import checkpoints
from n2n.checkpoints import load_state, load_weights, save_state, save_weights, sha256
from n2n.models import MODELS, ModelSpec, parameter_count
from tests.tiny import assert_same, one_thread, random_picture, randomize  # noqa: F401  a fixture

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
