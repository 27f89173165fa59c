"""The house holds: who may import whom, who may draw random numbers, how long things may be."""

import ast
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "n2n"

# The layers, lowest first: a module imports from its own layer and those below. Those without a
# dot are files or folders of n2n/; "" is the public API, n2n/__init__.py.
LEAVES = {"models", "noise", "losses", "metrics", "optimizers", "images", "devices", "randomness"}
LEAVES |= {"memory"}
LAYERS = [
    LEAVES | {"shipped"},
    {"training", "schedules", "validation", "history", "config", "checkpoints", "saved", "starting"}
    | {"data", "tiling", "ensemble", "kinds", "processes", "distributed", "acceleration"},
    {"denoiser", "evaluation", "noise_level", "runs", "live", "recipes", "posterior", "studies"}
    | {"jobs"},
    {"", "figures", "benchmark", "ee559"},
    {"cli", "ui.limits"},
    {"__main__", "ui.handlers"},
    {"ui.events", "ui.theme"},
    {"ui.tabs"},
    {"ui"},
]
LEAF_PACKAGES = {"torch", "numpy", "PIL", "skimage", "tifffile"} | sys.stdlib_module_names
PACKAGES = LEAF_PACKAGES | {"gradio", "matplotlib", "safetensors", "tqdm"}
WITH_GRADIO = {"ui", "ui.tabs", "ui.events", "ui.theme"}  # and app.py

MOST_LINES, MOST_BODY_LINES, MOST_PARAMETERS = 300, 50, 7

Function = ast.FunctionDef | ast.AsyncFunctionDef


def module_name(path: Path) -> str:
    """`ui.handlers.denoise` of n2n/ui/handlers/denoise.py; "" of n2n/__init__.py."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in sorted(PACKAGE.rglob("*.py"))}
TREES = {name: ast.parse(path.read_text()) for name, path in MODULES.items()}
every_module = pytest.mark.parametrize("name", MODULES, ids=lambda name: name or "n2n")


def imported(tree: ast.AST) -> Iterator[str]:
    """Every module that a file names, wherever in it: `n2n.images` for `from n2n import images`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written in full"
            assert node.module is not None
            whole = [f"{node.module}.{alias.name}" for alias in node.names]
            yield from (
                name if name.removeprefix("n2n.") in MODULES else node.module for name in whole
            )


def own_imports(name: str) -> set[str]:
    """The modules of this project that a module imports."""
    names = {found for found in imported(TREES[name]) if found.partition(".")[0] == "n2n"}
    return {found.removeprefix("n2n").removeprefix(".") for found in names}


def packages_of(tree: ast.AST) -> set[str]:
    """The other packages that a file imports, by their first name."""
    return {found.partition(".")[0] for found in imported(tree)} - {"n2n"}


def part_of(name: str) -> str:
    """The part of the house that a module lies in: `ui.handlers`, `models`."""
    parts = name.split(".")
    return ".".join(parts[:2] if parts[0] == "ui" else parts[:1])


def layer_of(name: str) -> int:
    found = [index for index, layer in enumerate(LAYERS) if part_of(name) in layer]
    assert len(found) == 1, f"say in LAYERS where {part_of(name)} belongs"
    return found[0]


@every_module
def test_imports_go_down(name: str) -> None:
    for other in own_imports(name):
        assert other in MODULES, f"{name} imports {other}, which is not there"
        assert layer_of(other) <= layer_of(name), f"{name} must not import {other}"


def test_imports_have_no_cycle() -> None:
    TopologicalSorter({name: own_imports(name) for name in MODULES}).prepare()


@every_module
def test_leaves_stand_alone(name: str) -> None:
    if part_of(name) not in LEAVES:
        assert packages_of(TREES[name]) <= PACKAGES
        return
    assert {part_of(other) for other in own_imports(name)} <= LEAVES
    assert packages_of(TREES[name]) <= LEAF_PACKAGES


@every_module
def test_gradio_stays_in_its_rooms(name: str) -> None:
    loose = {package for package in packages_of(TREES[name]) if package.startswith("gradio")}
    assert not loose or part_of(name) in WITH_GRADIO


def test_app_only_builds_and_launches() -> None:
    tree = ast.parse((ROOT / "app.py").read_text())
    own = {name for name in imported(tree) if name.partition(".")[0] == "n2n"}
    assert own <= {"n2n.ui", "n2n.ui.theme", "n2n.ui.limits"}
    assert len(ast.unparse(tree).splitlines()) <= 30


# ---- randomness ----

DRAWS = {"rand", "randn", "randint", "randperm", "normal", "multinomial", "bernoulli", "poisson"}
IN_PLACE = {"normal_", "uniform_", "bernoulli_", "random_", "exponential_", "cauchy_", "geometric_"}
WITHOUT_GENERATOR = {"rand_like", "randn_like", "randint_like"}


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    """Every call in a file, with the name of what is called as it is written."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node


@every_module
def test_only_randomness_makes_generators(name: str) -> None:
    if name == "randomness":
        return
    for called, _ in calls(TREES[name]):
        assert called.rpartition(".")[2] not in {"Generator", "manual_seed", "seed"}, called


@every_module
def test_numpy_draws_only_where_the_protocol_asks(name: str) -> None:
    """The field's evaluation protocol is defined by NumPy's legacy stream; nothing else is."""
    attributes = {ast.unparse(node) for node in ast.walk(TREES[name]) if _is_attribute(node)}
    found = {text for text in attributes if text in {"np.random", "numpy.random"}}
    found |= {module for module in imported(TREES[name]) if module.startswith("numpy.random")}
    assert not found or name == "evaluation"


@every_module
def test_every_draw_names_its_generator(name: str) -> None:
    """But for first weights, which `randomness.seeded_initialization` seeds as a whole."""
    if part_of(name) == "models":
        return
    for called, call in calls(TREES[name]):
        owner, _, last = called.rpartition(".")
        drawn = (owner == "torch" and last in DRAWS) or last in IN_PLACE
        assert not (owner == "torch" and last in WITHOUT_GENERATOR), called
        assert not drawn or "generator" in {keyword.arg for keyword in call.keywords}, called


def _is_attribute(node: ast.AST) -> bool:
    return isinstance(node, ast.Attribute)


# ---- sizes ----


def functions(tree: ast.AST) -> Iterator[tuple[Function, bool]]:
    """Every function of a file, and whether it is a method."""
    for node in ast.walk(tree):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, Function):
                yield child, isinstance(node, ast.ClassDef)


@every_module
def test_files_are_short(name: str) -> None:
    assert len(MODULES[name].read_text().splitlines()) <= MOST_LINES


@every_module
def test_functions_are_short(name: str) -> None:
    for function, is_method in functions(TREES[name]):
        body = function.body[1:] if ast.get_docstring(function) else function.body
        lines = (body[-1].end_lineno or 0) - body[0].lineno + 1 if body else 0
        assert lines <= MOST_BODY_LINES, f"{function.name} has {lines} lines"
        arguments = function.args
        count = len(arguments.posonlyargs + arguments.args + arguments.kwonlyargs) - is_method
        assert count <= MOST_PARAMETERS, f"{function.name} takes {count} parameters"
