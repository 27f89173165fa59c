"""Small pictures at once, in Python and from a folder: each comes out as if it were alone."""

import json
from pathlib import Path

import numpy as np
import pytest

from n2n import images
from n2n.__main__ import main
from n2n.checkpoints import save_weights
from n2n.cli import denoise as command
from n2n.denoiser import Denoised, Denoiser
from n2n.models import MODELS, ModelSpec
from tests.tiny import CPU, photo, randomize, refused

SMALL = ModelSpec("residual-unet", {"widths": [4, 6], "blocks": 1, "middle": 1})  # stride 4


@pytest.fixture(name="small")
def small_denoiser() -> Denoiser:
    return Denoiser(randomize(SMALL.build()), SMALL, CPU, "small")


def test_together_is_one_by_one(small: Denoiser) -> None:
    """Kinds and sizes mixed, as long as the network sees one size."""
    pictures = [
        photo(37, 31),
        photo(40, 32, seed=1),
        photo(38, 29, seed=2)[..., 0],
        photo(39, 30, seed=3).astype(np.uint16) * 257,
        photo(40, 31, seed=4).astype(np.float32) / 100 - 0.5,
    ]
    for strength in (1.0, 0.4):
        for picture, done in zip(
            pictures, small.run_together(pictures, strength=strength), strict=True
        ):
            alone = small.run(picture, strength=strength)
            assert done.image.dtype == picture.dtype
            # The order of a sum may differ with the size of a batch: a last bit, or one level.
            level = 1 if picture.dtype != np.float32 else 1e-5
            off = np.abs(done.image.astype(float) - alone.image)
            assert off.max() <= level
            assert (off > 0).mean() < 0.01 or picture.dtype == np.float32
            assert (done.megapixels, done.device) == (alone.megapixels, alone.device)


@pytest.mark.parametrize("name", MODELS)
def test_the_padded_size_is_what_the_network_sees(name: str) -> None:
    spec = MODELS[name]
    denoise = Denoiser(randomize(spec.build()), spec, CPU, name)
    one, other = photo(17, 30), photo(30, 17)
    rows, columns = denoise.padded_size(one)
    assert denoise.padded_size(other) == (columns, rows)
    assert (rows % denoise.stride, columns % denoise.stride) == (0, 0)
    assert 0 <= rows - 17 - 2 * denoise.margin < denoise.stride
    assert 0 <= columns - 30 - 2 * denoise.margin < denoise.stride


def test_what_cannot_be_together_is_refused(small: Denoiser) -> None:
    with pytest.raises(RuntimeError, match="size"):
        small.run_together([photo(16, 16), photo(16, 20)])
    with refused("strength lies between 0"):
        small.run_together([photo(16, 16)], strength=2)
    with refused("shape (8, 8, 4)"):
        small.run_together([np.zeros((8, 8, 4), np.uint8)])


# ---- a folder ----


@pytest.fixture(name="weights")
def tiny_weights(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.safetensors"
    save_weights(path, randomize(SMALL.build()), SMALL)
    return path


@pytest.fixture(name="folder")
def folder_of_twelve(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    for index in range(12):
        height = (20, 24, 40)[index % 3]  # 19 to 40 rows: the first two never meet the third
        images.write(folder / f"{index:02}.png", photo(height - index % 2, 23, seed=index))
    return folder


def denoised(folder: Path, weights: Path, *words: str) -> int:
    out = folder.with_name("out")
    return main(["denoise", str(folder), "--out", str(out), "--model", str(weights), *words])


def test_a_folder_is_denoised_together(
    folder: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    groups: list[int] = []
    together = Denoiser.run_together

    def watched(
        self: Denoiser, pictures: list[np.ndarray], *, strength: float = 1.0
    ) -> list[Denoised]:
        groups.append(len(pictures))
        return together(self, pictures, strength=strength)

    monkeypatch.setattr(Denoiser, "run_together", watched)
    assert denoised(folder, weights, "--json") == 0
    assert sorted(groups) == [4, 4, 4]
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sorted(Path(row["input"]).name for row in rows) == sorted(
        path.name for path in folder.iterdir()
    )
    network = command.load(str(weights))
    for row in rows:
        alone = network(images.read(Path(row["input"])).pixels)
        off = np.abs(images.read(Path(row["output"])).pixels.astype(int) - alone)
        assert off.max() <= 1


def test_groups_are_bounded(folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Twelve pictures of some 20 × 24 px: two at once are enough, and no more than 4 wait."""
    monkeypatch.setattr(command, "TOGETHER_PX", 2 * 20 * 24)
    monkeypatch.setattr(command, "WAITING_PX", 4 * 20 * 24)
    most = 0
    together = Denoiser.run_together

    def watched(
        self: Denoiser, pictures: list[np.ndarray], *, strength: float = 1.0
    ) -> list[Denoised]:
        nonlocal most
        most = max(most, sum(picture.shape[0] * picture.shape[1] for picture in pictures))
        return together(self, pictures, strength=strength)

    monkeypatch.setattr(Denoiser, "run_together", watched)
    assert denoised(folder, weights) == 0
    assert most <= 3 * 40 * 24
    assert len(list(folder.with_name("out").iterdir())) == 12


def test_each_of_a_group_fails_for_itself(
    folder: Path,
    weights: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No memory for the group is no reason to lose it; a result that cannot be written is one."""

    def no_room(self: Denoiser, pictures: list[np.ndarray], *, strength: float = 1.0) -> None:
        raise RuntimeError("not enough memory: you tried to allocate 9 GB")

    monkeypatch.setattr(Denoiser, "run_together", no_room)
    (folder.with_name("out") / "03.png").mkdir(parents=True)
    assert denoised(folder, weights) == 1
    assert "03.png" in capsys.readouterr().err
    written = [path for path in folder.with_name("out").iterdir() if path.is_file()]
    assert len(written) == 11


def test_large_pictures_and_ensembles_go_alone(
    folder: Path, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Denoiser, "run_together", lambda *_, **__: pytest.fail("together"))
    assert denoised(folder, weights, "--self-ensemble") == 0
    monkeypatch.setattr(command, "SMALL_PX", 19 * 20)
    assert denoised(folder, weights) == 0
