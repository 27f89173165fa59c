"""Files of runs: found by an id alone, kept as long as promised, never more than there is room."""

import os
import stat
import time
from pathlib import Path

import pytest

from n2n.ui.handlers import own, run_files
from n2n.ui.handlers.run_files import RunFiles
from n2n.ui.limits import Limits


@pytest.fixture
def kept(tmp_path: Path) -> RunFiles:
    return RunFiles(tmp_path / "runs", keep_seconds=60, max_bytes=1000)


def test_a_list_of_the_folder_tells_no_id(kept: RunFiles) -> None:
    files = kept.of("secret-id")
    files.tell(title="my run")
    files.weights.write_bytes(b"x")
    assert files.facts() == {"title": "my run"}
    assert not any("secret-id" in path.name for path in kept.folder.iterdir())
    assert stat.S_IMODE(kept.folder.stat().st_mode) == 0o700


@pytest.mark.parametrize("run", ["", "../../etc/passwd", "/etc/passwd", "a\0b", "x" * 10_000])
def test_whatever_a_page_says_is_a_name_in_the_folder(kept: RunFiles, run: str) -> None:
    assert kept.of(run).weights.parent == kept.folder
    assert kept.of(run).facts() == {}


def test_facts_are_added_to(kept: RunFiles) -> None:
    files = kept.of("a")
    files.tell(title="my run", step=1)
    files.tell(step=2)
    assert files.facts() == {"title": "my run", "step": 2}


def test_damaged_facts_are_none(kept: RunFiles) -> None:
    files = kept.of("a")
    files.stem.with_suffix(".json").write_text("{")
    assert files.facts() == {}


def test_old_files_go_and_the_secret_stays(kept: RunFiles) -> None:
    old, new = kept.of("old"), kept.of("new")
    secret = kept.secret()
    for files in (old, new):
        files.tell(title="t")
        files.weights.write_bytes(b"w")
    for path in (old.weights, old.stem.with_suffix(".json"), kept.folder / run_files.SECRET):
        os.utime(path, (0, time.time() - 61))
    kept.drop_stale()
    assert (old.facts(), old.weights.exists()) == ({}, False)
    assert new.weights.exists()
    assert kept.secret() == secret


def test_the_oldest_go_when_there_is_no_room(kept: RunFiles) -> None:
    for age, run in enumerate("abc"):
        kept.of(run).weights.write_bytes(bytes(400))
        os.utime(kept.of(run).weights, (0, time.time() - age))
    kept.drop_stale()
    assert [kept.of(run).weights.exists() for run in "abc"] == [True, True, False]


def test_pages_of_one_installation_share_a_secret(kept: RunFiles, tmp_path: Path) -> None:
    assert len(kept.secret()) == 32
    assert RunFiles(kept.folder, 60, 1000).secret() == kept.secret()
    assert RunFiles(tmp_path / "other", 60, 1000).secret() != kept.secret()


@pytest.mark.parametrize(
    ("environment", "folder"),
    [
        ({"N2N_RUNS_FOLDER": "{}/given"}, "given"),
        ({"XDG_CACHE_HOME": "{}/caches"}, "caches/n2n/runs"),
        ({"HOME": "{}/home"}, "home/.cache/n2n/runs"),
    ],
)
def test_where_the_folder_is(
    environment: dict[str, str], folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("N2N_RUNS_FOLDER", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.format(tmp_path))
    assert run_files._folder() == tmp_path / folder


def test_a_home_that_is_read_only_is_no_obstacle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.delenv("N2N_RUNS_FOLDER", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert run_files._folder().name == "n2n-runs"


def test_a_model_that_is_not_kept_is_refused_in_one_line(
    kept: RunFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own, "run_files", lambda: kept)
    with pytest.raises(ValueError, match="not kept here any more"):
        own.weights(own.name("nobody's"))
    assert not own.is_there("nobody's")


def test_training_is_switched_by_the_owner() -> None:
    assert Limits.from_environment({}).training
    for text in ("0", "off", "False"):
        assert not Limits.from_environment({"N2N_TRAINING": text}).training
    with pytest.raises(ValueError, match="N2N_TRAINING must be on or off"):
        Limits.from_environment({"N2N_TRAINING": "maybe"})


def test_the_longest_run_is_shorter_where_the_gpu_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SPACES_ZERO_GPU", raising=False)
    assert Limits(train_seconds=300, gpu_seconds=45).longest_run == 300
    monkeypatch.setenv("SPACES_ZERO_GPU", "1")
    assert Limits(train_seconds=300, gpu_seconds=45).longest_run == 45
    assert Limits(train_seconds=20, gpu_seconds=45).longest_run == 20
