"""The words of `--objective` and `--method`: what a gradient is of, and how it is found."""

from pathlib import Path
from typing import Any

from fastlyap import cast, method, objective
from fastlyap.cli.systems import from_file, literal_call
from fastlyap.errors import InputError

WORDS = ("objective", "method")  # options whose values are no plain ones


def resolved(words: dict[str, str], system: Any) -> dict[str, Any]:
    """The values of those of WORDS that were written."""
    makers = {"objective": lambda word: _objective(word, system), "method": _method}
    return {name: makers[name](words[name]) for name in WORDS if words.get(name) is not None}


def _objective(word: str, system: Any) -> objective.Objective:
    """`z`, the average of that component, or `folder/rules.py:name`, an objective or a function to average."""
    path, colon, name = word.rpartition(":")
    if colon and path.endswith(".py"):
        found = from_file(Path(path), name, "--objective")
        return found if isinstance(found, objective.Objective) else objective.average(found)
    if word not in system.state_names:
        known = ", ".join(system.state_names)
        raise InputError(f"`--objective` must be a component, {known}, or path/to/file.py:name, got {word!r}.")
    return objective.average(lambda x, p: x[system.state_names.index(word)])


def _method(word: str) -> Any:
    """`auto`, `Shadowing`, `FiniteDifference(step=0.01)` ..."""
    if word == method.AUTO:
        return word
    name, options = literal_call(word)
    known = {cls.__name__: cls for cls in method.METHODS}
    cast.choice("--method", name, ("auto", *known))
    try:
        return known[name](**options)
    except TypeError as problem:
        raise InputError(f"`--method` {word!r} cannot be made: {problem}; write Backprop(window=10), say.") from None
