"""Objectives of `fl.gradient`: functions of state and parameters, averaged along the orbit or taken at its end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.products import difference, guarded
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.foreign_objective import ForeignObjective
from fastlyap.trace.graph import topological
from fastlyap.trace.recorder import Recording, record
from fastlyap.trace.unjit import plain

TOLERANCE = 1e-5  # of central differences of a number, relative to the largest
LOOKED = 256  # parameters by which these are taken


@dataclass(frozen=True)
class Objective:
    """A function fn(x, p) of the state and the parameters; made by `fl.average` and `fl.terminal`.

    Attributes
    ----------
    kind : "average" or "terminal"
    fn : callable, recorded like a rule: fl.math functions, x and p by name or index; or compiled, see `gradient`
    gradient : callable, derivatives of a compiled function, or None
    """

    kind: str
    fn: Callable
    gradient: Callable | None = None

    def __post_init__(self) -> None:
        for name, given in (("fn", self.fn), ("gradient", self.gradient)):
            if not callable(given) and (name == "fn" or given is not None):
                raise InputError(f"`{name}` must be a function, got {type(given).__name__}.")

    def recorded(self, system: Any) -> Recording | ForeignObjective:
        """The objective as a recording with one output, of recurrent cells of the state alone; or as compiled functions
        where it comes with a gradient."""
        fn, cell = plain(self.fn), system.architecture is not None
        if self.gradient is not None:
            return compiled(self.fn, self.gradient, system)

        def rule(t: Any, x: Any, p: Any) -> Any:
            return fn(x, Weights(system.name) if cell else p)

        rule.__name__ = getattr(fn, "__name__", "objective")
        try:
            return record(rule, state_names=system.state_names, parameters={} if cell else system.parameters,
                          components=1)  # fmt: skip
        except InputError as error:
            if fn is self.fn or cell:
                raise
            return compiled(self.fn, None, system, str(error))


class Weights:
    """What an objective of a recurrent cell gets as `p`: reading it is refused."""

    def __init__(self, name: str) -> None:
        object.__setattr__(self, "_name", name)

    def __getattr__(self, key: str) -> Any:
        raise InputError(f"an objective of the recurrent cell {self._name} reads its state x, not its parameters "
                         f"(`{key}`).")  # fmt: skip

    def __getitem__(self, key: Any) -> Any:
        return getattr(self, str(key))


def average(fn: Callable, gradient: Callable | None = None) -> Objective:
    """The mean of fn(x_n, p) over n = 0 ... steps - 1 after the transient, an objective of `fl.gradient`.

    Parameters
    ----------
    fn : callable
        fn(x, p) returns one number; x and p as in a rule. A function compiled by Numba is recorded from its source.
    gradient : callable, optional
        For functions that cannot be recorded (branches on numbers, tables ...). Both are then compiled by Numba and see
        arrays, x (n,) and the flat parameters p (m,), raveled one after another: fn(x, p) returns a float,
        gradient(x, p, out) writes the derivatives by x into out[:n] and by p into out[n:], which is 0 before. It is
        checked by differences near x0. Without it, a compiled function that cannot be recorded is of use to
        `FiniteDifference`, and to `KernelDifferentiation` where it does not depend on p.
    """
    return Objective("average", fn, gradient)


def terminal(fn: Callable, gradient: Callable | None = None) -> Objective:
    """fn(x_steps, p), the value at the end of the run, an objective of `fl.gradient`.

    Parameters
    ----------
    fn, gradient : callable
        As for `fl.average`.
    """
    return Objective("terminal", fn, gradient)


def compiled(fn: Callable, slope: Callable | None, system: Any, why: str = "") -> ForeignObjective:
    """The objective as functions of arrays; its gradient is held against central differences."""
    if system.architecture is not None:
        raise InputError(f"`objective` of the recurrent cell {system.name} must be recorded; leave `gradient` out.")
    x = np.ones(system.dim) if system.x0 is None else np.asarray(system.x0, dtype=np.float64)
    p, n = system.flat_parameters, system.dim
    x = x + 1e-3 * np.random.default_rng(0).standard_normal(n)  # off the kinks of a round initial state

    def value(x: np.ndarray, p: np.ndarray) -> np.ndarray:
        return np.array([_number(fn, x, p)])

    first, second = value(x, p), value(x, p)
    if not np.array_equal(first, second, equal_nan=True):
        raise InputError("`fn` gives another number the second time; it must depend on x and p only.")
    derivative, looked = difference(value, x, p), min(len(p), LOOKED)
    expected = np.array([derivative(e, np.zeros(len(p)))[0] for e in np.eye(n)]
                        + [derivative(np.zeros(n), e)[0] for e in np.eye(looked, len(p))])  # fmt: skip
    if slope is not None:
        found = guarded(slope, (x, p), n + len(p), added=True)
        error = np.abs(found[: len(expected)] - expected)
        worst = int(np.argmax(np.where(np.isnan(error), np.inf, error)))
        if not error[worst] <= TOLERANCE * (1.0 + np.abs(expected).max()):
            raise InputError(
                f"`gradient` disagrees with differences of `fn` near x0: out[{worst}] is {found[worst]:.8g}, the "
                f"difference {expected[worst]:.8g}; out holds {n} derivatives by x, then those by the flat parameters."
            )
    return ForeignObjective(fn, slope, n, len(p), looked < len(p) or bool(np.any(expected[n:])), why)


def _number(fn: Callable, x: np.ndarray, p: np.ndarray) -> float:
    """The value of the user's function at a test point."""
    try:
        with np.errstate(all="ignore"):
            return float(plain(fn)(x, p))
    except Exception as error:
        raise InputError(
            f"`fn` raised {type(error).__name__} at a test point: {error}. With `gradient` it sees arrays, the state "
            "x (n,) and the flat parameters p, and returns a number."
        ) from error


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


def check_slope(recording: Recording | ForeignObjective, name: str) -> None:
    """Refuse an objective that is made of steps alone: its derivative is zero wherever it has one."""
    if isinstance(recording, ForeignObjective):
        if recording.slope is None:
            raise InputError(f"`objective` needs `gradient=` for {name}: it is compiled and cannot be recorded, "
                             f"and nothing can be derived from it. {recording.why} Give fl.average(fn, gradient=dfn), "
                             "dfn(x, p, out), or use fl.FiniteDifference.")  # fmt: skip
        return
    reads = any(node.op == "x" for node in topological(recording.outputs))
    if reads and not jacobian_rows(recording.outputs)[0]:
        raise InputError(
            f"`objective` has derivative zero almost everywhere (it is made of steps and conditions), so `{name}` sees "
            "nothing of it; use fl.KernelDifferentiation or fl.FiniteDifference."
        )
