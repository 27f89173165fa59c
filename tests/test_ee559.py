"""The course's Model, held to what the course and its graders ask."""

import importlib.util
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from n2n import ee559, shipped
from n2n.checkpoints import save_weights
from n2n.data import course
from n2n.ee559 import Model
from n2n.metrics import psnr_mean_db
from n2n.models import parameter_count
from n2n.models.full_unet import FullResolutionUNet
from n2n.randomness import seeded_initialization
from n2n.training import Diverged
from tests.tiny import one_thread, refused

__all__ = ["one_thread"]

ROOT = Path(__file__).parents[1]
NETWORKS = ["ee559", "seed"]


@pytest.fixture(scope="module")
def data() -> tuple[course.Pairs, course.Pairs]:
    training, held_out = course.photos_for()
    return course.training_pairs(training, 60), course.validation_pairs(held_out, 20)


def pictures(*shape: int) -> Tensor:
    values = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return torch.from_numpy(values)


def small(network: str = "ee559") -> Model:
    """Our network, but narrow: quick to train."""
    model = Model(network, device="cpu")
    if network == "ee559":
        kwargs = {"widths": [8, 8]}
        model.spec = model.spec._replace(kwargs=kwargs)
        with seeded_initialization(0):
            model.model = FullResolutionUNet(**kwargs)
    return model


def score(model: Model, pairs: course.Pairs) -> float:
    return psnr_mean_db(model.predict(pairs.first) / 255, pairs.second / 255)


def test_training_raises_the_psnr(data: tuple[course.Pairs, course.Pairs]) -> None:
    pairs, validation = data
    model = Model(device="cpu")
    before = score(model, validation)
    model.train(*pairs)
    assert score(model, validation) > before + 0.5


def test_hybrid_raises_the_psnr(data: tuple[course.Pairs, course.Pairs]) -> None:
    pairs, validation = data
    model = small()
    before = score(model, validation)
    model.train(*pairs, hybrid=True)
    assert score(model, validation) > before + 0.1


@pytest.mark.parametrize("hybrid", [False, True])
def test_the_reports_network_trains(hybrid: bool) -> None:
    """At 8 px, since it costs four times ours: the error on what it was trained on falls."""
    source = pictures(2, 3, 8, 8) // 4 + 96
    model = Model("seed", device="cpu")
    assert parameter_count(model.model) == 1_413_635
    before = error(model, source)
    model.train(source, source, mb_size=2, num_epochs=1 if hybrid else 12, hybrid=hybrid)
    assert error(model, source) < before / 2


@torch.no_grad()
def error(model: Model, pictures: Tensor) -> float:
    unit = course.unit(pictures)
    return float((model.model.train()(unit) - unit).square().mean())


def test_evolution_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    noisy = pictures(5, 3, 32, 32)
    model = small()
    model.train(noisy, noisy.float(), num_epochs=2, mb_size=3)
    assert capsys.readouterr().out == ""
    model.train(noisy, noisy.float(), num_epochs=2, mb_size=3, print_evolution=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1 of 2", "epoch 2 of 2"]
    assert all(0 < float(line.rpartition(" ")[2]) < 1 for line in lines)


def test_same_seed_same_model() -> None:
    noisy = pictures(6, 3, 16, 16)
    outputs = []
    for seed in (0, 0, 1):
        model = small()
        model.seed = seed
        model.train(noisy, noisy.flip(0), mb_size=2)
        outputs.append(model.predict(noisy))
    assert torch.equal(outputs[0], outputs[1])
    assert not torch.equal(outputs[0], outputs[2])


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("shape", [(1, 3, 1, 1), (3, 3, 17, 9), (2, 3, 32, 32)])
def test_predict_keeps_shape_and_range(network: str, shape: tuple[int, ...]) -> None:
    model = Model(network, device="cpu")
    with torch.no_grad():
        for weight in model.model.parameters():
            weight.mul_(3)  # wild: it would leave the range
    for noisy in (pictures(*shape), pictures(*shape).float()):
        estimate = model.predict(noisy)
        assert estimate.shape == shape
        assert estimate.dtype == torch.float32
        assert float(estimate.min()) >= 0
        assert float(estimate.max()) <= 255


def test_predict_takes_a_large_picture() -> None:
    assert small().predict(pictures(1, 3, 512, 512)).shape == (1, 3, 512, 512)


def test_uint8_and_float_are_the_same_picture() -> None:
    model, noisy = small(), pictures(2, 3, 32, 32)
    torch.testing.assert_close(model.predict(noisy), model.predict(noisy.double()))


@pytest.mark.parametrize("network", NETWORKS)
def test_neighbours_in_the_batch_change_nothing(network: str) -> None:
    """Also right after training, which leaves BatchNorm in training mode."""
    noisy = pictures(4, 3, 8, 8)
    model = small(network)
    model.train(noisy, noisy.flip(0), mb_size=2)
    alone = model.predict(noisy[:1])
    beside = model.predict(torch.cat([noisy[:1], 255 - noisy]))[:1]
    torch.testing.assert_close(alone, beside, rtol=0, atol=0.01)


def test_shipped_weights_are_loaded() -> None:
    model = Model("seed", device="cpu")
    noisy, clean = course.validation_pairs(course.photos_for()[1], 12)
    before = score(model, course.Pairs(noisy, clean))
    model.load_pretrained_model()
    after = score(model, course.Pairs(noisy, clean))
    assert after > before + 3
    assert after > psnr_mean_db(noisy / 255, clean / 255) + 1


@pytest.mark.skipif("ee559" not in shipped.names(), reason="ee559 has not been trained yet")
def test_our_network_beats_the_reports() -> None:
    validation = course.validation_pairs(course.photos_for()[1], 60)
    scores = []
    for network in NETWORKS:
        model = Model(network, device="cpu")
        model.load_pretrained_model()
        scores.append(score(model, validation))
    assert scores[0] > scores[1] + 0.5


def template(folder: Path) -> type[Model]:
    """The class of assets/ee559/model.py, from a folder of its own."""
    shutil.copy(ROOT / "assets" / "ee559" / "model.py", folder)
    spec = importlib.util.spec_from_file_location("submission", folder / "model.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["submission"] = module
    spec.loader.exec_module(module)
    return module.Model  # type: ignore[no-any-return]


def test_weights_beside_the_template_come_first(tmp_path: Path) -> None:
    build = template(tmp_path)
    trained = build()
    with torch.no_grad():
        next(trained.model.parameters()).mul_(1.5)
    trained.save()
    noisy = pictures(1, 3, 8, 8)
    for registered in (True, False):  # an evaluator may import it either way
        if not registered:
            del sys.modules["submission"]
        model = build()
        model.load_pretrained_model()
        assert torch.equal(model.predict(noisy), trained.predict(noisy))


def test_the_template_finds_the_package_beside_it(tmp_path: Path) -> None:
    """As the course's test has it: imported from the folder above, the package not installed."""
    handed_in = tmp_path / "Miniproject_1"
    handed_in.mkdir()
    shutil.copy(ROOT / "assets" / "ee559" / "model.py", handed_in)
    for name in ("n2n", "weights"):
        (handed_in / name).symlink_to(ROOT / name)
    code = (
        "import importlib, torch; Model = importlib.import_module('Miniproject_1.model').Model; "
        "model = Model(); model.load_pretrained_model(); "
        "print(tuple(model.predict(torch.zeros(2, 3, 32, 32)).shape))"
    )
    bare = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=tmp_path, env=bare, capture_output=True, text=True)
    assert done.stdout.strip() == "(2, 3, 32, 32)", done.stderr


def test_wrong_weights_are_refused(tmp_path: Path) -> None:
    build = template(tmp_path)
    best = tmp_path / "bestmodel.pth"
    Model("seed", device="cpu").save(best)
    with refused("bestmodel.pth", "another network"):
        build().load_pretrained_model()
    for content, says in (
        (3, "state_dict"),
        ({"a": 1}, "state_dict"),
        ({1: torch.ones(1)}, "state_dict"),
    ):
        torch.save(content, best)
        with refused("bestmodel.pth", says):
            build().load_pretrained_model()
    best.write_bytes(b"no pickle")
    with refused("bestmodel.pth", "damaged"):
        build().load_pretrained_model()


def test_a_network_without_weights_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(shipped, "weights_folder", lambda: tmp_path)
    with refused("unknown model 'ee559'"):
        Model(device="cpu").load_pretrained_model()
    save_weights(tmp_path / "ee559.safetensors", Model("seed").model, Model("seed").spec)
    with refused("ee559.safetensors", "another network"):
        Model(device="cpu").load_pretrained_model()


@pytest.mark.parametrize(
    ("given", "kind", "says"),
    [
        (np.zeros((1, 3, 8, 8)), TypeError, "torch tensor"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.int64), TypeError, "uint8 or float"),
        (torch.zeros(3, 8, 8), ValueError, "(N, 3, H, W)"),
        (torch.zeros(1, 1, 8, 8), ValueError, "(N, 3, H, W)"),
        (torch.zeros(0, 3, 8, 8), ValueError, "(N, 3, H, W)"),
        (torch.full((1, 3, 8, 8), math.nan), ValueError, "NaN"),
    ],
)
def test_other_inputs_are_refused(given: Tensor, kind: type[Exception], says: str) -> None:
    model = small()
    with refused(says, kind=kind):
        model.predict(given)
    with refused(says, kind=kind):
        model.train(given, pictures(1, 3, 8, 8))
    with refused(says, kind=kind):
        model.train(pictures(1, 3, 8, 8), given)


def test_impossible_trainings_are_refused() -> None:
    model, noisy = small(), pictures(2, 3, 8, 8)
    with refused("one shape"):
        model.train(noisy, noisy[:1])
    with refused("at least one epoch"):
        model.train(noisy, noisy, num_epochs=0)
    with refused("batch of 0"):
        model.train(noisy, noisy, mb_size=0)


def test_divergence_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ee559.RECIPES, "ee559", ee559.Recipe("sgd", 1e9, hybrid_rate=1e9))
    noisy = pictures(42, 3, 8, 8)
    with pytest.raises(Diverged, match="lower the learning rate"):
        small().train(noisy, noisy.flip(0), mb_size=2)
