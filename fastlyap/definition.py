"""The parts of a system's definition, checked: names, parameters, initial state, step."""

from __future__ import annotations

import inspect
import keyword
import numbers
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.trace.recorder import Recording, record


@dataclass(frozen=True)
class Known:
    """What is known of a system's exponents at its default parameters.

    exponents : as many as are known, from the largest; stderr : their uncertainties, 0 where exact
    sum : the sum of all exponents where it is known exactly, else None
    source : where the numbers come from; note : what else is known, or what to beware of
    """

    exponents: tuple[float, ...] = ()
    stderr: tuple[float, ...] = ()
    sum: float | None = None
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class Kernels:
    """Array-style functions of a system that cannot be recorded; see `System.from_kernels`."""

    rule: Callable
    tangent: Callable
    adjoint: Callable | None = None
    parameter_adjoint: Callable | None = None
    divergence: Callable | None = None


@dataclass(frozen=True, eq=False)
class Subspace:
    """Where tangents stay: the span of orthonormal rows (q, n); `held` keeps states where these are orthogonal to x."""

    rows: np.ndarray
    held: bool

    @property
    def bits(self) -> np.ndarray:
        """All of it as numbers."""
        return np.append(self.rows.ravel(), self.held)


def state_names(state: Any) -> tuple[str, ...]:
    """Names of the states from "x y z", from a list of names, or from a dimension (x0, x1 ...)."""
    if isinstance(state, bool) or state is None:
        raise InputError(f'`state` must be names such as "x y z" or a dimension, got {state!r}.')
    if isinstance(state, numbers.Integral):
        if state < 1:
            raise InputError(f"`state` must be a dimension >= 1 or names, got {int(state)}.")
        return tuple(f"x{i}" for i in range(int(state)))
    if isinstance(state, str):
        state = state.replace(",", " ").split()
    if not isinstance(state, Iterable):
        raise InputError(f'`state` must be names such as "x y z" or a dimension, got {state!r:.80}.')
    names = tuple(state)
    if not names:
        raise InputError("`state` must name at least one component, got none.")
    return _names("state", names)


def _names(argument: str, names: tuple) -> tuple[str, ...]:
    for name in names:
        if not isinstance(name, str) or not name.isidentifier() or keyword.iskeyword(name) or name.startswith("_"):
            raise InputError(
                f"`{argument}` must hold Python names that begin with a letter and are no keywords, got {name!r}."
            )
    twice = sorted({name for name in names if names.count(name) > 1}) if len(set(names)) < len(names) else []
    if twice:
        raise InputError(f"`{argument}` must name each component once, got {', '.join(twice)} more than once.")
    return names


def parameters(given: Any) -> Mapping[str, float | np.ndarray]:
    """Defaults of the parameters: floats, and read-only arrays for those with a shape."""
    if given is None:
        given = {}
    if not isinstance(given, Mapping):
        raise InputError(f"`parameters` must be a dict of names and defaults, got {type(given).__name__}.")
    _names("parameters", tuple(given))
    if "x0" in given:
        raise InputError("`parameters` cannot hold `x0`, the name of the initial state; rename the parameter.")
    return MappingProxyType({name: frozen(f"parameters[{name!r}]", value) for name, value in given.items()})


def frozen(argument: str, value: Any) -> float | np.ndarray:
    """A float, or a read-only float64 array."""
    array = cast.real_array(argument, value)
    if not array.ndim:
        return float(array)
    array.flags.writeable = False
    return array


def short(value: Any) -> str:
    """A default in a few characters."""
    return f"{value:g}" if isinstance(value, float) else f"array{np.shape(value)}"


def initial_state(x0: Any, names: tuple[str, ...]) -> np.ndarray | None:
    """`x0` as a read-only array (n,); a dict gives it by name."""
    if x0 is None:
        return None
    if callable(x0):
        raise InputError("`x0` of a definition must be numbers; functions of time go into the call, "
                         "fl.spectrum(system, x0=...).")  # fmt: skip
    if isinstance(x0, Mapping):
        if set(x0) != set(names):
            raise InputError(f"`x0` must give each of {', '.join(names)} once, got {', '.join(map(str, x0))}.")
        x0 = [x0[name] for name in names]
    array = cast.real_array("x0", x0)
    if array.shape != (len(names),):
        raise InputError(
            f"`x0` must have shape ({len(names)},), one number per state, got {array.shape}; batches of initial "
            "states go into the call, fl.spectrum(system, x0=...)."
        )
    array.flags.writeable = False
    return array


def step(dt: Any, kind: str) -> float | None:
    """`dt` > 0 of a flow, or None."""
    if dt is None:
        return None
    if kind == "map":
        raise InputError("`dt` has no meaning for a map, whose unit of time is one step; leave it out.")
    return cast.positive("dt", dt)


def integrator(name: Any, kind: str) -> str | None:
    """An integrator's name that fits the kind of system, or None for the default."""
    if name is None or (kind == "map" and name == "map"):
        return None
    if kind == "map":
        raise InputError(f"`integrator` has no meaning for a map, got {name!r}; leave it out.")
    known = dict.fromkeys((*cast.INTEGRATORS["flow"], *cast.NOISY["flow"]))
    return cast.choice("integrator", name, tuple(known))


def noise(size: Any, names: tuple[str, ...], values: Mapping) -> Recording | None:
    """`noise=` a number, a parameter's name or a rule, recorded: one output (isotropic) or one per state."""
    if size is None:
        return None
    if isinstance(size, str):
        if size not in values:
            raise InputError(f"`noise` must name a parameter, one of {', '.join(values) or 'none'}, got {size!r}.")
        rule = _of_parameter(size)
    elif callable(size):
        rule = size
    else:
        number = cast.real("noise", size)
        if number < 0:
            raise InputError(f"`noise` must be >= 0, got {number:g}.")
        rule = lambda t, x, p: number  # noqa: E731
    return record(rule, state_names=names, parameters=values, components=(1, len(names)))


def _of_parameter(name: str) -> Callable:
    return lambda t, x, p: p[name]


SIZE = "noise_size"  # the parameter of `System.with_noise`


def noise_size(sigma: Any, n: int) -> float | np.ndarray:
    """`sigma` as a number >= 0 or n of them."""
    size = frozen("sigma", sigma)
    if np.shape(size) not in ((), (n,)) or np.any(np.asarray(size) < 0):
        raise InputError(f"`sigma` must be a number >= 0 or {n} of them, one per state, got {sigma!r:.80}.")
    return size


def with_noise(system: Any, sigma: Any, towards: Any) -> dict[str, Any]:
    """The fields of a system that change when it gets noise of size sigma, a number or one per state."""
    if system.delays:
        raise InputError(f"`with_noise`: {system.name} has delays, which cannot be combined with noise yet.")
    if (system.noise_recording is None) == (SIZE in system.parameters):
        raise InputError(
            f"`with_noise`: {system.name} has noise already; change its parameters."
            if system.noise_count
            else f"`with_noise`: {system.name} has a parameter `{SIZE}` of its own; rename it."
        )
    n = system.dim
    size = noise_size(sigma, n)
    values = parameters({**system.parameters, SIZE: size})
    shapes = tuple(np.shape(value) for value in values.values())
    return {
        "parameters": values,
        "recording": system.recording and Recording(n, system.recording.outputs, tuple(values), shapes),
        "integrator": system.integrator if system.integrator in cast.NOISY["flow"] else None,
        "noise_recording": noise(SIZE, system.state_names, values),
        "noise_directions": directions(towards, n, "directions"),
        "known": None,
    }


def directions(value: Any, n: int, argument: str = "noise_directions") -> np.ndarray | None:
    """`noise_directions` (n, q), q >= 1."""
    if value is None:
        return None
    array = frozen(argument, value)
    if np.ndim(array) != 2 or array.shape[0] != n or array.shape[1] < 1:
        raise InputError(f"`{argument}` must have shape ({n}, q), one column per direction, got {np.shape(array)}.")
    return array


def delay(given: Any, names: tuple[str, ...], values: Mapping) -> str | tuple[str, ...] | None:
    """`delay` as the name of a scalar parameter or a tuple of such names, whose defaults are > 0."""
    if given is None:
        return None
    found = (given,) if isinstance(given, str) else given
    if not isinstance(found, (tuple, list)) or not found or not all(isinstance(name, str) for name in found):
        raise InputError(f"`delay` must be the name of a parameter or a tuple of names, got {given!r:.80}.")
    for name in found:
        if name not in values:
            known = ", ".join(values) or "none"
            raise InputError(f"`delay` must name parameters, got {name!r}; there are: {known}.")
        if np.ndim(values[name]):
            raise InputError(
                f"`delay` must name a parameter that is one number, got {name!r} of shape "
                f"{np.shape(values[name])}; give each delay a parameter of its own."
            )
        cast.positive(f"parameters[{name!r}]", values[name])
    if "delayed" in names:
        raise InputError("`state` cannot hold `delayed`, the name of the delayed states; rename the component.")
    return given if isinstance(given, str) else tuple(found)


def argument_names(f: Callable, count: int) -> list[str]:
    """Names of f's arguments after t and y, as far as the signature tells."""
    try:
        known = [
            a.name
            for a in inspect.signature(f).parameters.values()
            if a.kind in (a.POSITIONAL_ONLY, a.POSITIONAL_OR_KEYWORD)
        ][2:]
    except (TypeError, ValueError):
        known = []
    return [known[i] if i < len(known) else f"p{i}" for i in range(count)]
