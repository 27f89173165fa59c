"""The files of visitors' runs: model, checkpoint, history and facts, for as long as promised.

They lie in a folder that outlives the server, so that a page finds its run again. A run's files are
named by a digest of its id: whoever knows the id may use them, and a list of the folder tells none.
"""

import contextlib
import hashlib
import json
import os
import secrets
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from n2n.ui.handlers.shelf import swept
from n2n.ui.limits import limits

FOLDER = "N2N_RUNS_FOLDER"
SECRET = "browser.secret"
SUFFIXES = (".safetensors", ".checkpoint", ".csv", ".json", ".jsonl", ".png")


@dataclass(frozen=True)
class Files:
    """Where the files of one run are, or will be."""

    stem: Path

    @property
    def weights(self) -> Path:
        """The model, once there is one."""
        return self.stem.with_suffix(".safetensors")

    @property
    def checkpoint(self) -> Path:
        """The state from which the run goes on."""
        return self.stem.with_suffix(".checkpoint")

    @property
    def history(self) -> Path:
        """Its rows, as CSV."""
        return self.stem.with_suffix(".csv")

    @property
    def record(self) -> Path:
        """What a study measured, as JSON lines."""
        return self.stem.with_suffix(".jsonl")

    def facts(self) -> dict[str, Any]:
        """What is known of the run; empty where nothing is."""
        with contextlib.suppress(OSError, ValueError):
            found: dict[str, Any] = json.loads(self._facts.read_text())
            return found
        return {}

    def delete(self) -> None:
        """Remove them all."""
        for suffix in SUFFIXES:
            self.stem.with_suffix(suffix).unlink(missing_ok=True)

    def tell(self, **facts: Any) -> None:  # noqa: ANN401  plain values
        """Add to the facts, as a whole or not at all."""
        new = self._facts.with_suffix(".tmp")
        new.write_text(json.dumps(self.facts() | facts))
        new.replace(self._facts)

    @property
    def _facts(self) -> Path:
        return self.stem.with_suffix(".json")


class RunFiles:
    """A folder of runs' files.

    Args:
        folder: made if need be, for the server's own eyes.
        keep_seconds: files that were not written for so long go.
        max_bytes: of all files; the oldest go first.
    """

    def __init__(self, folder: Path, keep_seconds: float, max_bytes: float) -> None:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder, self._keep_seconds, self._max_bytes = folder, keep_seconds, max_bytes

    def of(self, run: str) -> Files:
        """The files of the run with this id, whatever a page says that it is."""
        return Files(self.folder / hashlib.blake2b(run.encode(), digest_size=16).hexdigest())

    def secret(self) -> str:
        """With which pages keep the ids of their runs: the same for as long as the folder lives."""
        path = self.folder / SECRET
        with contextlib.suppress(FileExistsError), path.open("x") as file:
            file.write(secrets.token_hex(16))
        return path.read_text()

    def drop_stale(self) -> None:
        """Delete what was promised to go, and the oldest of what there is no room for."""
        room, oldest = self._max_bytes, time.time() - self._keep_seconds
        for changed, size, path in sorted(self._all(), reverse=True):
            room -= size
            if changed < oldest or room < 0:
                path.unlink(missing_ok=True)

    def _all(self) -> Iterator[tuple[float, int, Path]]:
        """Each file with the time of its last change and its size, those half written, too."""
        for path in self.folder.iterdir():
            if path.name == SECRET:
                continue
            with contextlib.suppress(OSError):  # it has gone meanwhile
                found = path.stat()
                yield found.st_mtime, found.st_size, path


@cache
def run_files() -> RunFiles:
    """The folder of this process: N2N_RUNS_FOLDER, or one in the user's cache directory."""
    bounds = limits()
    keep = 60 * bounds.run_minutes + bounds.train_seconds
    found = RunFiles(_folder(), keep, bounds.run_megabytes * 2**20)
    found.drop_stale()  # what an earlier server left
    return swept(found)


def _folder() -> Path:
    given = os.environ.get(FOLDER)
    if given:
        return Path(given)
    with contextlib.suppress(OSError, RuntimeError):  # no home, or one that is read-only
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "n2n" / "runs"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder
    return Path(tempfile.gettempdir()) / "n2n-runs"
