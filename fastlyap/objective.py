"""Objectives of `fl.gradient`: functions of state and parameters, averaged along the orbit or taken at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from fastlyap.errors import InputError
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.graph import topological
from fastlyap.trace.recorder import Recording, record
from fastlyap.trace.unjit import plain


@dataclass(frozen=True)
class Objective:
    """A function fn(x, p) of the state and the parameters; made by `fl.average` and `fl.terminal`.

    Attributes
    ----------
    kind : "average" or "terminal"
    fn : callable, recorded like a rule: fl.math functions, x and p by name or index
    """

    kind: str
    fn: Callable

    def __post_init__(self) -> None:
        if not callable(self.fn):
            raise InputError(f"`fn` must be a function fn(x, p), got {type(self.fn).__name__}.")

    def recorded(self, system: Any) -> Recording:
        """The objective as a recording with one output; of recurrent cells a function of the state alone."""
        fn, cell = plain(self.fn), system.architecture is not None

        def rule(t: Any, x: Any, p: Any) -> Any:
            return fn(x, Weights(system.name) if cell else p)

        rule.__name__ = getattr(fn, "__name__", "objective")
        return record(rule, state_names=system.state_names, parameters={} if cell else system.parameters, components=1)


class Weights:
    """What an objective of a recurrent cell gets as `p`: reading it is refused."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, key: str) -> Any:
        raise InputError(f"an objective of the recurrent cell {self._name} reads its state x, not its parameters "
                         f"(`{key}`).")  # fmt: skip

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, str(key))


def average(fn: Callable) -> Objective:
    """The mean of fn(x_n, p) over n = 0 ... steps - 1 after the transient, an objective of `fl.gradient`.

    Parameters
    ----------
    fn : callable
        fn(x, p) returns one number; x and p as in a rule. A function compiled by Numba is recorded from its source.
    """
    return Objective("average", fn)


def terminal(fn: Callable) -> Objective:
    """fn(x_steps, p), the value at the end of the run, an objective of `fl.gradient`.

    Parameters
    ----------
    fn : callable
        fn(x, p) returns one number; x and p as in a rule.
    """
    return Objective("terminal", fn)


def objectives(value: Any) -> tuple[Objective, ...]:
    """One objective or a tuple of them, all of one kind, as a tuple."""
    found = tuple(value) if isinstance(value, (tuple, list)) else (value,)
    for one in found:
        if not isinstance(one, Objective):
            hint = "; wrap it: fl.average(fn)" if callable(one) else ""
            raise InputError(f"`objective` must be fl.average(fn), fl.terminal(fn) or a tuple, got {one!r:.60}{hint}.")
    if not found or len({one.kind for one in found}) > 1:
        raise InputError("`objective` must be one objective or several of one kind, averages or terminal values.")
    return found


def check_slope(recording: Recording, name: str) -> None:
    """Refuse an objective that is made of steps alone: its derivative is zero wherever it has one."""
    reads = any(node.op == "x" for node in topological(recording.outputs))
    if reads and not jacobian_rows(recording.outputs)[0]:
        raise InputError(
            f"`objective` has derivative zero almost everywhere (it is made of steps and conditions), so `{name}` sees "
            "nothing of it; use fl.KernelDifferentiation or fl.FiniteDifference."
        )
