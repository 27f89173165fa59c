"""What of a live run outlasts a divergence, a full disk and a kill."""

import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from n2n import checkpoints
from n2n.checkpoints import load_state, load_weights
from n2n.training import Diverged, usable
from tests.tiny import assert_same, one_thread, refused  # noqa: F401  a fixture
from tests.toy_runs import (
    CONFIG,
    ENDLESS,
    Clock,
    live_run,
    slowed,
    told_clock,  # noqa: F401  a fixture
    weights_of,
)

ROOT = Path(__file__).parent.parent


def test_a_lost_run_keeps_its_last_good_network(tmp_path: Path) -> None:
    config = replace(
        ENDLESS, optimizer="sgd", unit_gradient=False, loss="l2", rate=1e12, warmup_steps=0
    )
    live = live_run(config, checkpoint=tmp_path / "live.checkpoint")
    with refused("lower the", kind=Diverged):
        list(live.events())
    assert usable(live.run.result)
    live.save_weights(tmp_path / "kept.safetensors")
    load_weights(tmp_path / "kept.safetensors")


def test_a_full_disk_is_noted_and_the_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full_disk(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    path = tmp_path / "live.checkpoint"
    live = live_run(checkpoint=path, checkpoint_seconds=0.0, every_seconds=0.0)
    events = live.events()
    assert next(events).note is None
    before = path.read_bytes()
    monkeypatch.setattr(checkpoints, "save_file", full_disk)
    *_, last = events
    assert last.row.step == 11
    assert last.note == "no checkpoint at step 11, the older one is kept: No space left on device"
    assert path.read_bytes() == before


KILLED = """
import os, signal, sys
from pathlib import Path
import torch
from tests.toy_runs import live_run
torch.set_num_threads(1)
live = live_run(checkpoint=Path(sys.argv[1]), checkpoint_seconds=0.0, every_seconds=0.0)
for event in live.events():
    if event.row.step == 6:
        os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_ends_where_it_would_have(tmp_path: Path) -> None:
    """Weights and history go on bit for bit."""
    whole = live_run(every_seconds=0.0)
    list(whole.events())
    path = tmp_path / "live.checkpoint"
    killed = subprocess.run([sys.executable, "-c", KILLED, str(path)], cwd=ROOT, check=False)
    assert killed.returncode == -signal.SIGKILL
    resumed = live_run(resume=path)
    assert resumed.run.start == 7
    list(resumed.events())
    assert_same(weights_of(whole), weights_of(resumed))
    assert [row.step for row in resumed.history.rows][:3] == [0, 1, 2]
    assert resumed.history.rows[-1].loss == whole.history.rows[-1].loss


def test_a_run_of_seconds_goes_on_for_those_left(tmp_path: Path, clock: Clock) -> None:
    config = replace(CONFIG, steps=None, seconds=10.0)
    path = tmp_path / "live.checkpoint"
    first = slowed(live_run(config, checkpoint=path, checkpoint_seconds=2.0), clock, 1.0)
    abandoned = first.events()
    assert [next(abandoned).row.step for _ in range(6)] == list(range(6))
    kept = load_state(path)
    assert (kept["step"], kept["elapsed"]) == (6, pytest.approx(6))
    clock.now += 1000
    second = slowed(live_run(config, resume=path), clock, 1.0)
    begun = clock.now
    assert [event.row.step for event in second.events()] == [6, 7, 8, 9]
    assert clock.now - begun == pytest.approx(4)
