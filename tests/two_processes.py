"""What test_distributed starts twice, as ranks 0 and 1 of `torchrun`."""

import itertools
import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from n2n import processes
from n2n.__main__ import main
from n2n.checkpoints import save_state
from n2n.distributed import Followed, leading
from n2n.runs import Run
from tests.tiny import CPU, photo
from tests.toy_runs import CONFIG, PHOTOS

CONFIGS = {
    "adamw": replace(CONFIG, batch=4),
    "muon": replace(CONFIG, batch=4, optimizer="muon", targets="teacher", teacher="fast"),
    "tied": replace(
        CONFIG,
        batch=4,
        optimizer="muon",
        model_kwargs={"widths": [8, 8], "blocks": 1, "middle": 1},
        equivariant=True,
    ),
    "hybrid": replace(
        CONFIG, batch=4, optimizer="hybrid", unit_gradient=False, rate=0.01, loss="l2"
    ),
}
HELD_OUT = [photo(32, 48, seed) for seed in (9, 10, 11)]  # two for one process, one for the other
STOP = 5
TRAIN = ["train", "--device", "cpu", "--crop-px", "32", "--model-kwargs", '{"widths": [8, 8]}']


def run_of(name: str) -> Run:
    return Run(CONFIGS[name], PHOTOS, HELD_OUT, CPU)


def trained(run: Run, checkpoint: Path, stop: int | None = None) -> dict[str, Any]:
    """What a run is after all its steps, or after some and a landing; and what it said of itself.

    Followers say nothing: what they are is enough.
    """
    said: dict[str, Any] = {}
    with leading():
        if processes.leads():
            steps = run.steps(checkpoint)
            said["losses"] = [float(step.loss) for step in itertools.islice(steps, stop)]
            steps.close()  # type: ignore[attr-defined]
            landed = list(run.landing()) if stop is not None else []
            found = run.validate()
            said |= {"scores": [found.loss, found.psnr_db], "landed": len(landed)}
        else:
            run.follow(checkpoint)
    state = {"model": run.model.state_dict(), "average": run.average.state_dict()}
    return {**state, "step": run.start, "pixels": run.pixels, "said": said}


def compared(folder: Path) -> None:
    """Whole runs, a stopped one, and one that a single process began."""
    runs = {name: (run_of(name), None) for name in CONFIGS}
    runs |= {"stopped": (run_of("adamw"), STOP), "resumed": (run_of("adamw"), None)}
    runs["resumed"][0].resume(folder / "of-one.checkpoint")
    for name, (run, stop) in runs.items():
        state = trained(run, folder / f"{name}.checkpoint", stop)
        save_state(folder / f"{name}.{processes.rank()}", state)


def lost(words: list[str], rank: int, step: int) -> int:
    """A run of which one process is killed at a step."""
    if int(os.environ["RANK"]) == rank:
        heard = Followed.at

        def at(self: Followed, number: int) -> tuple[float, float]:
            if number == step:
                os.kill(os.getpid(), signal.SIGKILL)
            return heard(self, number)

        Followed.at = at  # type: ignore[method-assign]
    return main(words)


def commands(folder: Path) -> int:
    """As they are typed, one after the other; in the last run a process is killed."""
    files = [str(folder / "photos"), str(folder / "bad.png")]
    main(["denoise", *files, "--out", str(folder / "out"), "--json"])
    main(["evaluate", files[0], "--model", "fast", "--json"])
    with suppress(SystemExit):
        main([*TRAIN, "--batch", "3", "--steps", "9", "--out", str(folder / "odd.safetensors")])
        (folder / f"refused.{processes.rank()}").touch()
    out = str(folder / "lost.safetensors")
    return lost([*TRAIN, "--batch", "4", "--steps", "1000", "--out", out], rank=1, step=7)


if __name__ == "__main__":
    with processes.joined("cpu"):
        compared(Path(sys.argv[1]))
        sys.exit(commands(Path(sys.argv[1])))
