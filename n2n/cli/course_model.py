"""Score anyone's `Model` of the EE-559 course: `evaluate --course-model PATH/model.py`.

Loading a model.py runs whatever code is in it. So it happens in a process of its own, on the
command line alone, and never in the web app.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from n2n.cli.common import DONE, FAILED, say
from n2n.data import course
from n2n.metrics import psnr_global_db, psnr_mean_db

# PSNR (A) in dB on the course's own validation set, as the teams published it.
TEAMS = {
    "residual 7-layer DnCNN, 8-fold self-ensemble": 25.83,
    "U-Nets, the best": 25.8,
    "residual 7-layer DnCNN": 25.64,
    "10 layers of 2×2 kernels with skips, 206k parameters": 25.41,
    "U-Nets, the least": 25.3,
    "the report that this project starts from": 25.08,
    "the course's baseline": 23.0,
}
BUILT_IN_WINDOWS = 300
MOST_LETTERS = 300  # of an error of theirs
GRADER_BATCH = 100  # pictures that the course's test gives to predict at once


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The two options of `evaluate`."""
    parser.add_argument(
        "--course-model",
        type=Path,
        metavar="MODEL.PY",
        help="score a Model of the EE-559 course instead; this runs the code in that file",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="VAL_DATA.PKL",
        help="with --course-model: noisy and clean pictures (default: a small stand-in)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Score the model in a process of its own, and print it beside the published teams."""
    path: Path = arguments.course_model.resolve()
    if not path.is_file():
        raise ValueError(f"there is no file {arguments.course_model}")
    with tempfile.TemporaryDirectory() as folder:
        data = arguments.data or _built_in(Path(folder))
        course.read_pairs(data)  # its own errors, before anything runs
        result = Path(folder) / "result.json"
        say(f"running the code of {path.name} in a process of its own")
        error = _run_apart(path, data.resolve(), result)
        if error is not None:
            say(f"{path.name} failed: {error}")
            return FAILED
        row = {"model": str(arguments.course_model), **json.loads(result.read_text())}
    print(json.dumps(row) if arguments.json else _table(row), flush=True)
    return DONE


def _built_in(folder: Path) -> Path:
    """Windows of scikit-image's photos, where the course's file is not at hand."""
    path = folder / course.VALIDATION_FILE
    say(f"no --data: {BUILT_IN_WINDOWS} windows of scikit-image's photos, another set than theirs")
    photos = course.photos_for()[1]
    course.write_pairs(path, course.validation_pairs(photos, BUILT_IN_WINDOWS))
    return path


def _run_apart(path: Path, data: Path, result: Path) -> str | None:
    """Run this file as a process; None, or why it failed in one line."""
    paths = [str(Path(__file__).parents[2]), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    own = {
        # Absolute: a relative path would put their folder before Python's own modules.
        "PYTHONPATH": os.pathsep.join(os.path.abspath(path) for path in paths if path),
        # In 2022 torch.load took whole pickled networks; this runs their code in any case.
        "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1",
    }
    done = subprocess.run(
        # -P: no file of theirs takes the name of a module before this one has begun.
        [sys.executable, "-P", "-m", "n2n.cli.course_model", str(path), str(data), str(result)],
        cwd=path.parent,  # where many a submission looks for its weights
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    if result.is_file():
        error: str | None = json.loads(result.read_text()).get("error")
        return error
    if done.returncode < 0:
        name = signal.Signals(-done.returncode).name
        return f"it was ended by {name}" + " (out of memory?)" * (name == "SIGKILL")
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ended with code {done.returncode} and gave no result"


def _table(row: dict[str, Any]) -> str:
    """The model among the teams, the best first."""
    count = row["parameters"]
    parameters = "parameters unknown" if count is None else f"{count:,} parameters"
    lines = [(value, f"{value:6.2f} A           {team}") for team, value in TEAMS.items()]
    own = f"{row['psnr_db']:6.2f} A {row['psnr_global_db']:6.2f} B  -> {row['model']}"
    lines.append((row["psnr_db"], f"{own} ({parameters}, {row['seconds']:.2f} s)"))
    head = (
        f"{row['pictures']} pictures, noisy {row['noisy_psnr_db']:.2f} A, "
        f"{row['noisy_psnr_global_db']:.2f} B; predicted {GRADER_BATCH} at a time; "
        "PSNR in dB (A: mean per picture, B: global)"
    )
    ranked = [line for _, line in sorted(lines, key=lambda entry: -entry[0])]
    notes = [f"note: {note}" for note in row["notes"]]
    return "\n".join([head, *ranked, *notes])


# ---- in the process of its own ----


def score(model: Any, pairs: course.Pairs) -> dict[str, Any]:  # noqa: ANN401  anyone's class
    """What the course's grader measures, of a built `Model`, in its batches.

    A network that never leaves training mode does otherwise in others.

    Raises:
        ValueError: predict does not give finite pictures of the input's shape.
    """
    noisy, clean = pairs
    model.load_pretrained_model()
    seconds, estimates = 0.0, []
    for batch in torch.split(noisy, GRADER_BATCH):
        start = time.perf_counter()
        with torch.no_grad():
            estimate = model.predict(batch.clone())
        seconds += time.perf_counter() - start
        estimates.append(_checked(estimate, batch))
    estimate = torch.cat(estimates)
    low, high = float(estimate.min()), float(estimate.max())
    notes = [] if low >= 0 and high <= 255 else [f"values from {low:.1f} to {high:.1f}, not 0..255"]
    truth = clean.double() / 255
    return {
        "pictures": len(noisy),
        "psnr_db": psnr_mean_db(estimate / 255, truth),
        "psnr_global_db": psnr_global_db(estimate / 255, truth),
        "noisy_psnr_db": psnr_mean_db(noisy.double() / 255, truth),
        "noisy_psnr_global_db": psnr_global_db(noisy.double() / 255, truth),
        "seconds": seconds,
        "parameters": parameters_of(model),
        "notes": notes,
    }


def parameters_of(model: Any) -> int | None:  # noqa: ANN401
    """Trainable numbers of all networks that a `Model` is or holds; None if it holds none."""
    networks = [
        part
        for part in (model, *getattr(model, "__dict__", {}).values())
        if isinstance(part, nn.Module)
    ]
    found = {id(weight): weight.numel() for part in networks for weight in part.parameters()}
    return sum(found.values()) if found else None


def _checked(estimate: Any, noisy: Tensor) -> Tensor:  # noqa: ANN401
    if not isinstance(estimate, Tensor) or estimate.shape != noisy.shape:
        came = getattr(estimate, "shape", type(estimate).__name__)
        raise ValueError(f"predict must return a tensor {tuple(noisy.shape)}, got {came}")
    values = estimate.detach().cpu().double()
    if not bool(torch.isfinite(values).all()):
        raise ValueError("predict returned NaN or infinite values")
    return values


def _import(path: Path) -> Any:  # noqa: ANN401
    """The module, as part of its folder where that is a package (for relative imports).

    What lies beside it is found first, another `n2n` too.
    """
    package = (path.parent / "__init__.py").is_file()
    sys.path[:0] = [str(path.parent.parent)] * package + [str(path.parent)]
    if any((path.parent / name).exists() for name in ("n2n", "n2n.py")):
        for name in [name for name in sys.modules if name.partition(".")[0] == "n2n"]:
            del sys.modules[name]
    if package:
        return importlib.import_module(f"{path.parent.name}.{path.stem}")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    sys.modules[path.stem] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _main(model: Path, data: Path, result: Path) -> None:
    """Write the score, or the error in one line."""
    try:
        pairs = course.read_pairs(data)
        module = _import(model)
        if not hasattr(module, "Model"):
            raise ValueError("it has no class Model")
        found = score(module.Model(), pairs)
    except Exception as error:
        told = " ".join(str(error).split())
        found = {"error": f"{type(error).__name__}: {told[:MOST_LETTERS]}"}
    result.write_text(json.dumps(found))


if __name__ == "__main__":
    _main(*map(Path, sys.argv[1:4]))
