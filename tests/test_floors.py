"""Imports go down: a room (a module or package of `fastlyap`) uses only rooms of earlier floors of FLOORS.

Rooms on one floor do not know each other, except on floors that are one idea in several files (OPEN); and no
files import each other in circles, not even inside functions.
"""

import ast
import functools
import sys
from pathlib import Path

import pytest

import fastlyap

FLOORS = {
    "ground": "_version errors hardware math request statistics status",
    "border": "cast labels progress storage summary units",
    "arithmetic": "kernel reference",
    "nouns": "method result trace",
    "system": "array_style checking definition linear_part objective products system",
    "models": "loss networks systems",
    "machines": "backend machines",
    "verbs": "directional exponent_gradients gradients indicators lyapunov plans",
    "uses": "diagnosis doctor plot selftest speedcard sweeps training",
    "bridges": "bridges",
    "door": "__init__ cli",
    "street": "__main__",
}
OPEN = ("border", "system", "machines", "verbs")
LEVEL = {room: level for level, rooms in enumerate(FLOORS.values()) for room in rooms.split()}
ROOT = Path(fastlyap.__file__).parent
FILES = sorted(path.relative_to(ROOT).as_posix() for path in ROOT.rglob("*.py"))


@functools.cache
def imports(file: str) -> frozenset[tuple[str, bool]]:
    """The absolute names that a file imports (`a.b` for `from a import b`), and whether at import time."""
    tree = ast.parse((ROOT / file).read_text())
    late = {id(n) for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) for n in ast.walk(f)}
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {(name.name, id(node) not in late) for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are written out in full"
            found |= {(f"{node.module}.{name.name}", id(node) not in late) for name in node.names}
    return frozenset(found)


def room(file: str) -> str:
    """The room a file belongs to."""
    return file.split("/")[0].removesuffix(".py")


def rooms_used(file: str) -> set[str]:
    """Other rooms that a file imports from."""
    names = {name for name, _ in imports(file) if name.split(".")[0] == "fastlyap"}
    return {name.split(".")[1] for name in names if "." in name} - {room(file)}


@pytest.mark.parametrize("file", FILES)
def test_imports_go_down(file):
    assert room(file) in LEVEL, f"`{room(file)}` has no floor yet; give it one in FLOORS"
    own = LEVEL[room(file)]
    highest = own if list(FLOORS)[own] in OPEN else own - 1
    up = {used for used in rooms_used(file) if LEVEL.get(used, len(FLOORS)) > highest}
    assert not up, f"{file} must not import {sorted(up)}, which is not below it"


def test_kernels_and_reference_are_blind_to_each_other():
    for file in FILES:
        other = {"kernel": "reference", "reference": "kernel"}.get(room(file))
        assert other not in rooms_used(file), f"{file} must not know {other}: their agreement is evidence"


def test_reference_is_independent_of_compiled_code():
    for file in (file for file in FILES if room(file) == "reference"):
        assert not {name for name, _ in imports(file) if name.split(".")[0] in ("numba", "llvmlite")}, file


def test_optional_packages_are_imported_late():
    optional = {
        "matplotlib",
        "xarray",
        "zarr",
        "dask",
        "distributed",
        "sympy",
        "torch",
        "jax",
        "sklearn",
        "tqdm",
        "threadpoolctl",
    }
    for file in FILES:
        early = {name.split(".")[0] for name, at_import in imports(file) if at_import}
        assert not early & optional, file


def test_only_the_standard_library_and_the_hard_dependencies_are_imported():
    known = {"fastlyap", "numpy", "numba", "llvmlite", "scipy", "threadpoolctl", "tqdm", *sys.stdlib_module_names}
    optional = {"matplotlib", "xarray", "zarr", "distributed", "torch", "jax", "safetensors", "sklearn"}
    for file in FILES:
        assert {name.split(".")[0] for name, _ in imports(file)} <= known | optional, file


def test_modules_do_not_import_in_circles():
    graph = {file: {target for name, early in imports(file) if early for target in targets(name)} for file in FILES}
    done: set[str] = set()

    def visit(file: str, path: tuple[str, ...]) -> None:
        assert file not in path, " -> ".join([*path[path.index(file) :], file])
        if file not in done:
            for target in sorted(graph[file] - {file}):
                visit(target, (*path, file))
            done.add(file)

    for file in FILES:
        visit(file, ())


def targets(name: str) -> set[str]:
    """The file that `name` stands for or in; a package's own `__init__` only hands on and is left out."""
    parts = name.split(".")
    if parts[0] != "fastlyap":
        return set()
    for end in (len(parts), len(parts) - 1):
        stem = "/".join(parts[1:end])
        if stem and f"{stem}.py" in FILES:
            return {f"{stem}.py"}
    return set()
