"""The `x` and `p` of a rule that is being recorded: read by name, by index, in a loop; slices are arrays."""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.trace.expressions import Expr
from fastlyap.trace.graph import leaf


class View:
    """Named values in a fixed order. `kind` says "state" or "parameter" in messages."""

    __slots__ = ("_names", "_values", "_kind", "_place")

    def __init__(self, kind: str, names: Sequence[str], values: Sequence[Any]) -> None:
        put = object.__setattr__
        put(self, "_kind", kind)
        put(self, "_names", tuple(names))
        numbers = len(values) > 0 and all(isinstance(value, float) for value in values)
        put(self, "_values", np.array(values) if numbers else _boxed(values, (len(values),)))
        put(self, "_place", {name: i for i, name in enumerate(names)})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):  # NumPy and copy ask for protocols we do not have
            raise AttributeError(name)
        return self._values[self._find(name)]

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, (str, slice)):
            return self._values[self._find(key) if isinstance(key, str) else key]
        try:
            return self._values[key if type(key) is int else operator.index(key)]
        except TypeError:
            raise InputError(f"a {self._kind} is read by name or whole number, got {key!r:.60}.") from None
        except IndexError:
            raise InputError(
                f"{self._kind} {key} does not exist: there are {len(self)}, numbered 0 to {len(self) - 1}."
            ) from None

    def _find(self, name: str) -> int:
        if name not in self._place:
            shown = ", ".join(self._names[:20]) + (" ..." if len(self._names) > 20 else "")
            raise InputError(f"there is no {self._kind} `{name}`; there are: {shown or 'none'}.")
        return self._place[name]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """An array of the values, of objects while recording, so that `A @ x` and np.tanh(np.asarray(x)) work."""
        return self._values.copy()

    def __setattr__(self, name: str, value: Any) -> None:
        raise InputError(f"a {self._kind} is read only in a rule: return the new values, one per state.")

    def __setitem__(self, key: Any, value: Any) -> None:
        raise InputError(f"a {self._kind} is read only in a rule: return the new values, one per state.")


class DelayedView(View):
    """The state now, and as `delayed` the view of it a delay ago, or a tuple of such views."""

    __slots__ = ("delayed",)

    def __init__(self, names: Sequence[str], values: Sequence[Any], delayed: View | tuple[View, ...]) -> None:
        super().__init__("state", names, values)
        object.__setattr__(self, "delayed", delayed)


def view_of_states(names: Sequence[str], values: Sequence[Any], delay: str | tuple[str, ...] | None = None) -> View:
    """x on flat values: the states now, then those at each delay, one after another."""
    n = len(names)
    if delay is None:
        return View("state", names, values)
    past = tuple(View("state", names, values[i : i + n]) for i in range(n, len(values), n))
    return DelayedView(names, values[:n], past[0] if isinstance(delay, str) else past)


def state_view(names: Sequence[str], delay: str | tuple[str, ...] | None = None) -> View:
    """x: one expression per state, and one per delayed state."""
    return view_of_states(names, [Expr(leaf("x", i)) for i in range(len(names) * (1 + count(delay)))], delay)


def count(delay: str | tuple[str, ...] | None) -> int:
    """How many delays there are."""
    return 0 if delay is None else 1 if isinstance(delay, str) else len(delay)


def parameter_view(names: Sequence[str], shapes: Sequence[tuple[int, ...]]) -> View:
    """p: an expression per scalar parameter, a read-only object array of expressions per array parameter."""
    values, start = [], 0
    for shape in shapes:
        size = int(np.prod(shape, dtype=int))
        array = flat_parameters(start, size).reshape(shape)
        values.append(array if shape else array[()])
        start += size
    return View("parameter", names, values)


def flat_state(n: int) -> np.ndarray:
    """The state as a plain object array (n,), for array-style rules."""
    return _boxed([Expr(leaf("x", i)) for i in range(n)], (n,))


def flat_parameters(start: int, size: int) -> np.ndarray:
    """Flat parameters start .. start+size-1 as an object array."""
    return _boxed([Expr(leaf("p", start + i)) for i in range(size)], (size,))


def _boxed(values: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """A read-only object array that never looks into its items."""
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    array.flags.writeable = False
    return array.reshape(shape)
