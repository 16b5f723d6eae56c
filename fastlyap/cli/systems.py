"""The word SYSTEM of the command line: a name of the catalogue, or an object in a Python file."""

import ast
import importlib.util
from pathlib import Path
from typing import Any

from fastlyap import cast, systems
from fastlyap.errors import InputError


def find(word: str) -> Any:
    """The System that `lorenz63`, `lorenz96(n=20)` or `folder/rules.py:my_rule` names."""
    path, colon, name = word.rpartition(":")
    if colon and path.endswith(".py"):
        found = from_file(Path(path), name)
        return cast.system(found() if callable(found) and not hasattr(found, "kind") else found)
    return cast.system(_from_catalogue(word))


def _from_catalogue(word: str) -> Any:
    name, options = literal_call(word)
    known = [entry.name for entry in systems.catalogue()]
    if name not in known:
        raise InputError(f"`SYSTEM` must be a name of `fastlyap list` or path/to/file.py:name, got {word!r}.")
    try:
        return getattr(systems, name)(**options)
    except TypeError as problem:
        raise InputError(f"`SYSTEM` {word!r} cannot be made: {problem}; write it as {name}(n=16), say.") from None


def literal_call(word: str) -> tuple[str, dict[str, Any]]:
    """`"name(n=1)"` as the name and the keyword arguments, read as literals."""
    try:
        tree = ast.parse(word, mode="eval").body
        if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name) or tree.args:
            return word, {}
        return tree.func.id, {str(k.arg): ast.literal_eval(k.value) for k in tree.keywords}
    except (SyntaxError, ValueError):
        return word, {}


def from_file(path: Path, name: str, option: str = "SYSTEM") -> Any:
    """The object called `name` of a Python file."""
    if not path.is_file():
        raise InputError(f"`{option}` names the file {str(path)!r}, which does not exist.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, name):
        raise InputError(f"`{option}` names {name!r}, which {str(path)!r} does not define.")
    return getattr(module, name)
