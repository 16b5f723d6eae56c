"""Array-style rules `rule(t, x, p, out)` recorded as if they were written on expressions.

Such rules are often compiled already and written with `math.sin`. Both are undone on a copy of the function: compiled
helpers are replaced by their Python originals, the module `math` and its functions by `fastlyap.math`.
"""

import builtins
import math
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from fastlyap import math as ours
from fastlyap.errors import InputError
from fastlyap.trace.expressions import Expr
from fastlyap.trace.recorder import Recording, record
from fastlyap.trace.views import flat_parameters, flat_state


def plain(function: Callable) -> Callable:
    """The Python original of a compiled function, or the function itself."""
    return getattr(function, "py_func", function)


class _Math(types.SimpleNamespace):
    """The module `math` with our functions where we have them."""

    def __getattr__(self, name: str) -> Any:
        return getattr(math, name)


_math = _Math(
    **{n: getattr(ours, n) for n in ours.__all__ if n in vars(math) and callable(getattr(ours, n))},
    fabs=ours.abs, pow=lambda a, b: a**b,
)  # fmt: skip
_REPLACED = {id(getattr(math, n)): f for n, f in vars(_math).items()}


def recordable(function: Callable, seen: dict[int, Callable] | None = None) -> Callable:
    """A copy of a function that runs on expressions."""
    seen = {} if seen is None else seen
    original = plain(function)
    if id(original) in seen or not isinstance(original, types.FunctionType):
        return seen.get(id(original), original)
    scope = dict(original.__globals__)
    cells = tuple(types.CellType() for _ in original.__closure__ or ())
    copy = types.FunctionType(original.__code__, scope, original.__name__, original.__defaults__, cells)
    copy.__kwdefaults__ = original.__kwdefaults__
    seen[id(original)] = copy
    for name in original.__code__.co_names:
        if name in scope:
            scope[name] = _replacement(scope[name], seen)
        elif name in ("min", "max"):
            scope[name] = _two(name)
    for cell, old in zip(cells, original.__closure__ or (), strict=True):
        cell.cell_contents = _replacement(old.cell_contents, seen)
    return copy


def _two(name: str) -> Callable:
    """min and max of two recorded values, which compiled code takes without branching of the user's own."""
    usual, recorded = getattr(builtins, name), getattr(ours, f"{name}imum")

    def chosen(*values: Any, **keywords: Any) -> Any:
        if len(values) == 2 and any(isinstance(v, Expr) for v in values):
            return recorded(*values)
        return usual(*values, **keywords)

    return chosen


def _replacement(value: Any, seen: dict[int, Callable]) -> Any:
    if value is math:
        return _math
    if id(value) in _REPLACED:
        return _REPLACED[id(value)]
    return recordable(value, seen) if hasattr(value, "py_func") else value


def record_array(rule: Callable, *, state_names: Sequence[str], parameters: Mapping[str, Any]) -> Recording:
    """Record `rule(t, x, p, out)`, where p is the flat parameter vector."""
    n, size = len(state_names), sum(np.size(v) for v in parameters.values())
    run = recordable(rule)

    def returning(t: Any, x: Any, p: Any) -> tuple:
        out = np.empty(n, dtype=object)
        run(t, flat_state(n), flat_parameters(0, size), out)
        missing = [i for i in range(n) if out[i] is None]
        if missing:
            raise InputError(f"`out` must be filled for every state, but nothing was written at {missing[:10]}.")
        return tuple(out)

    returning.__name__ = getattr(plain(rule), "__name__", "rule")
    return record(returning, state_names=state_names, parameters=parameters)
