"""What `pip install .` gives: the package, its weights and records, nothing of a checkout alone."""

import importlib.util
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
SOURCES = (
    "pyproject.toml",
    "requirements.txt",
    "README.md",
    "LICENSE",
    "n2n",
    "weights",
    "assets/studies",
)
LEFT_OUT = shutil.ignore_patterns("__pycache__", "*.pyi")  # the latter are Gradio's own
PREFIX = "Requires-Dist: "


@pytest.fixture(name="wheel", scope="module")
def built_wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built without network, from a copy: setuptools would leave its build folders here."""
    if importlib.util.find_spec("setuptools") is None:
        pytest.skip("there is no setuptools to build with: pip install -r tests/requirements.txt")
    folder = tmp_path_factory.mktemp("wheel")
    copy = folder / "source"
    copy.mkdir()
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=LEFT_OUT)
        else:
            shutil.copy(ROOT / name, copy / name)
    options = ["--no-build-isolation", "--no-deps", "--no-index", "--wheel-dir", str(folder)]
    built = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", *options, str(copy)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = folder.glob("*.whl")
    return wheel


def test_it_holds_the_package_and_its_weights(wheel: Path) -> None:
    modules = {str(path.relative_to(ROOT)) for path in (ROOT / "n2n").rglob("*.py")}
    weights = {
        f"n2n/weights/{path.name}"
        for path in (ROOT / "weights").iterdir()
        if path.suffix in {".safetensors", ".json"}
    }
    assert any(name.endswith(".safetensors") for name in weights)
    records = {f"n2n/studies/records/{p.name}" for p in (ROOT / "assets/studies").glob("*.jsonl")}
    names = zipfile.ZipFile(wheel).namelist()
    assert {name for name in names if ".dist-info/" not in name} == (
        modules | weights | records | {"n2n/py.typed"}
    )


def test_it_says_what_it_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
    lines = archive.read(metadata).decode().partition("\n\n")[0].splitlines()
    needed = {Requirement(line.removeprefix(PREFIX)) for line in lines if line.startswith(PREFIX)}
    wanted = [line.partition("#")[0].strip() for line in (ROOT / "requirements.txt").open()]
    assert needed == {Requirement(line) for line in wanted if line}
    assert "License-Expression: MIT" in lines
    assert "Requires-Python: >=3.11" in lines


def test_it_denoises_far_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    installed, elsewhere = tmp_path / "installed", tmp_path / "elsewhere"
    elsewhere.mkdir()
    zipfile.ZipFile(wheel).extractall(installed)
    program = (
        "import n2n, numpy\n"
        "noisy = numpy.full((20, 30, 3), 100, numpy.uint8)\n"
        "print(n2n.__file__)\n"
        "print(*n2n.shipped_models())\n"
        "print(n2n.load('fast', device='cpu')(noisy).shape)\n"
        "from n2n.studies import stored\n"
        "print(len(stored.stored('identity').rows))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    file, models, shape, rows = done.stdout.splitlines()
    assert Path(file).is_relative_to(installed)
    assert set(models.split()) == {path.stem for path in (ROOT / "weights").glob("*.safetensors")}
    assert shape == "(20, 30, 3)"
    assert int(rows) > 0
