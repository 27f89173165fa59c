"""Two processes on the CPU train as one would, share folders, and survive each other's end."""

import itertools
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from n2n import images, processes
from n2n.__main__ import main
from n2n.checkpoints import load_state
from n2n.distributed import require_shares
from n2n.models import create_model
from n2n.saved import Saved
from tests.conftest import free_port
from tests.tiny import assert_same, one_thread, photo, refused  # noqa: F401  a fixture
from tests.two_processes import CONFIGS, STOP, TRAIN, run_of, trained

ROOT = Path(__file__).parents[1]
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
ENVIRONMENT = os.environ | {"CPU_CORES": "1", "OMP_NUM_THREADS": "1", "COLUMNS": "100"}
# Sums in another order: in fp32; in bf16, where Muon makes a step of them; where LBFGS builds on
# differences of gradients. Some weights move by 4e-3 or more.
TOLERANCE = {"adamw": 1e-6, "muon": 2e-4, "tied": 2e-4, "hybrid": 1e-4}

pytestmark = pytest.mark.skipif(
    not torch.distributed.is_available(), reason="this PyTorch has no torch.distributed"
)


Two = tuple[Path, "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Two:
    """What tests/two_processes.py did: its folder, and what it said."""
    folder = tmp_path_factory.mktemp("two")
    steps = run_of("adamw").steps(folder / "of-one.checkpoint")
    list(itertools.islice(steps, STOP))
    steps.close()  # type: ignore[attr-defined]
    (folder / "photos").mkdir()
    for index in range(5):
        images.write(folder / "photos" / f"{index}.png", photo(40 + 8 * (index % 2), 48, index))
    (folder / "bad.png").write_text("no picture")
    command = [*TORCHRUN, "-m", "tests.two_processes", str(folder)]
    done = subprocess.run(
        command, cwd=ROOT, env=ENVIRONMENT, capture_output=True, text=True, check=False, timeout=300
    )
    return folder, done


def state_of(folder: Path, name: str, rank: int = 0) -> dict[str, Any]:
    return load_state(folder / f"{name}.{rank}")


def assert_close(one: dict[str, Any], other: dict[str, Any], tolerance: float) -> None:
    for part in ("model", "average"):
        for key, tensor in one[part].items():
            torch.testing.assert_close(other[part][key], tensor, rtol=0, atol=tolerance)


# ---- the same run ----


@pytest.mark.parametrize("name", CONFIGS)
def test_two_processes_take_the_steps_of_one(two: Two, tmp_path: Path, name: str) -> None:
    alone, together = trained(run_of(name), tmp_path / "alone"), state_of(two[0], name)
    assert_close(alone, together, TOLERANCE[name])
    assert (together["step"], together["pixels"]) == (alone["step"], alone["pixels"])
    for what in ("losses", "scores"):
        assert together["said"][what] == pytest.approx(alone["said"][what], abs=1e-3)
    before = run_of(name).model.state_dict()
    assert any(float((before[key] - alone["model"][key]).abs().max()) > 4e-3 for key in before)


@pytest.mark.parametrize("name", [*CONFIGS, "stopped", "resumed"])
def test_all_processes_have_the_same_weights(two: Two, name: str) -> None:
    leader, follower = (state_of(two[0], name, rank) for rank in (0, 1))
    assert_same({**leader, "said": {}}, {**follower, "said": {}})


def test_runs_go_on_in_another_number_of_processes(two: Two, tmp_path: Path) -> None:
    whole = trained(run_of("adamw"), tmp_path / "whole")
    assert_close(whole, state_of(two[0], "resumed"), TOLERANCE["adamw"])
    one = run_of("adamw")
    one.resume(two[0] / "stopped.checkpoint")
    assert one.start == STOP
    assert_close(whole, trained(one, tmp_path / "one"), TOLERANCE["adamw"])


def test_a_stop_of_rank_0_lands_all(two: Two) -> None:
    stopped = state_of(two[0], "stopped")
    assert len(stopped["said"]["losses"]) == STOP
    assert stopped["step"] == STOP + stopped["said"]["landed"]
    assert stopped["said"]["landed"] > 0


def test_what_would_depend_on_the_number_is_refused(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by rank 0, for all of them."""
    hint = "a batch of 3 does not divide among 2 processes; give a --batch that is a multiple of 2"
    assert two[1].stderr.count(f"n2n train: {hint}\n") == 1
    assert (two[0] / "refused.0").exists()
    assert not (two[0] / "refused.1").exists()  # it ended, silently
    require_shares(3, create_model("seed"))
    monkeypatch.setattr("n2n.distributed.count", lambda: 2)
    with refused("batch normalisation looks at the whole batch", "without torchrun"):
        require_shares(4, create_model("seed"))
    require_shares(4, create_model("seed", batchnorm="none"))


# ---- folders ----


def test_a_folder_is_shared(two: Two) -> None:
    """Each picture by one process, told once by rank 0."""
    folder, done = two
    rows = [json.loads(line) for line in done.stdout.splitlines() if '"input"' in line]
    names = [Path(row["output"]).name for row in rows]
    assert sorted(names) == [f"{index}.png" for index in range(5)]
    assert {file.name for file in (folder / "out").iterdir()} == set(names)
    assert done.stderr.count("bad.png: ") == 1


def test_an_evaluation_is_shared(two: Two, capsys: pytest.CaptureFixture[str]) -> None:
    (row,) = [json.loads(line) for line in two[1].stdout.splitlines() if '"data_set"' in line]
    assert main(["evaluate", str(two[0] / "photos"), "--model", "fast", "--json"]) == 0
    alone = json.loads(capsys.readouterr().out)
    assert row["images"] == 5
    for key in ("psnr_db", "psnr_global_db", "ssim", "noisy_psnr_db"):
        assert row[key] == pytest.approx(alone[key], abs=1e-3)


# ---- the end of one process ----


def test_a_killed_process_ends_the_run_in_a_line(two: Two) -> None:
    folder, done = two
    assert done.returncode == 1
    line = f"n2n train: another process of this run was lost; the last checkpoint is {folder}"
    assert done.stderr.count(line) == 1
    assert Saved.read(folder / "lost.checkpoint").state["step"] == 7
    assert main([*TRAIN[:3], "--resume", str(folder / "lost.checkpoint"), "--steps", "9",
                 "--out", str(folder / "again.safetensors")]) == 0  # fmt: skip


def test_where_rank_0_is_killed_another_keeps_the_run(tmp_path: Path) -> None:
    out, log = tmp_path / "run.safetensors", tmp_path / "log"
    words = [*TRAIN, "--batch", "4", "--seconds", "100", "--out", str(out)]
    port = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()), "WORLD_SIZE": "2"}
    both = []
    with log.open("w") as file:
        for rank in ("0", "1"):
            environment = ENVIRONMENT | port | {"RANK": rank, "LOCAL_RANK": rank}
            both.append(subprocess.Popen(
                [sys.executable, "-m", "n2n", *words], cwd=ROOT, env=environment, stderr=file
            ))  # fmt: skip
    end = time.monotonic() + 60
    while not re.search(r"[1-9]\d*step", log.read_text()) and time.monotonic() < end:
        time.sleep(0.05)
    both[0].kill()
    assert both[1].wait(30) == 1
    both[0].wait()
    told = [line for line in log.read_text().splitlines() if line.startswith("n2n train:")]
    kept = out.with_suffix(".checkpoint")
    assert told == [
        f"n2n train: another process of this run was lost; the last checkpoint is {kept}"
    ]
    assert Saved.read(kept).state["step"] > 0
    assert log.read_text().count("photos to train on") == 1


# ---- alone ----


def test_one_process_is_no_group() -> None:
    with processes.joined("cpu"), processes.unanimous():
        assert (processes.count(), processes.rank(), processes.leads()) == (1, 0, True)
        assert list(processes.pooled(processes.share([1, 2, 3]))) == [1, 2, 3]
        processes.require_same("anything", object())
    with refused("as it is"), processes.unanimous():
        raise ValueError("as it is")
