"""The customs house: anything users pass becomes checked arrays and broadcast members, or an `InputError`."""

from __future__ import annotations

import math
import numbers
from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.request import Integration, Members

SYMPLECTIC = ("leapfrog", "yoshida4")
INTEGRATORS = {"map": ("map",), "flow": ("rk4", "dopri5", "euler", *SYMPLECTIC, "etdrk4")}
NOISY = {"map": ("map",), "flow": ("heun_sde", "rk4", "euler")}
DELAYED = ("rk4",)


def real_array(name: str, value: Any, *, finite: bool = True, copy: bool = True) -> np.ndarray:
    """`value` as a contiguous float64 array of its own; not to `copy` may give the caller's data or a view of it."""
    if np.ma.isMaskedArray(value):
        raise InputError(f"`{name}` must be a plain array, got a masked array; fill it first: `{name}.filled(...)`.")
    try:
        found = np.asarray(value)
    except ValueError as error:
        raise InputError(f"`{name}` must be a rectangular array of numbers, got {value!r:.80}.") from error
    if found.dtype.kind not in "fiub":
        raise InputError(f"`{name}` must hold real numbers, got dtype {found.dtype}; convert it to float64.")
    result = np.array(found, np.float64, order="C") if copy else np.require(found, np.float64, ["C", "A"])
    if finite and not np.all(np.isfinite(result)):
        raise InputError(f"`{name}` must be finite, got NaN or infinity in {_where(result)}; remove or replace it.")
    return result


def _where(values: np.ndarray) -> str:
    bad = np.argwhere(~np.isfinite(values))
    if values.ndim == 0:
        return "the value"
    return f"{len(bad)} place(s), first at index {tuple(int(i) for i in bad[0])}"


def count(name: str, value: Any, least: int) -> int:
    """`value` as an int of at least `least`."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise InputError(f"`{name}` must be a whole number >= {least}, got {value!r}.")
    if value < least:
        raise InputError(f"`{name}` must be a whole number >= {least}, got {int(value)}.")
    return int(value)


def positive(name: str, value: Any) -> float:
    """`value` as a finite float > 0."""
    number = real(name, value)
    if not number > 0:
        raise InputError(f"`{name}` must be > 0, got {number:g}.")
    return number


def real(name: str, value: Any) -> float:
    """`value` as one finite float."""
    if isinstance(value, (bool, str)) or not isinstance(value, (numbers.Real, np.ndarray)) or np.ndim(value) != 0:
        raise InputError(f"`{name}` must be one real number, got {value!r:.80}.")
    number = float(value)
    if not math.isfinite(number):
        raise InputError(f"`{name}` must be finite, got {number}.")
    return number


def choice(name: str, value: Any, allowed: tuple) -> Any:
    """`value` if it is one of `allowed`."""
    if not isinstance(value, str) or value not in allowed:
        raise InputError(f"`{name}` must be one of {', '.join(map(repr, allowed))}, got {value!r}.")
    return value


def system(value: Any) -> Any:
    """`value` if it is a System."""
    if not hasattr(value, "recording") or not hasattr(value, "kind"):
        hint = "; use fl.finite_time" if hasattr(value, "layers") else "; call it, it is a function" * callable(value)
        raise InputError(f"`system` must be a fastlyap System, got {type(value).__name__}{hint}.")
    return value


def direction(value: Any, system: Any) -> str:
    """"tangent" or "adjoint"."""
    choice("direction", value, ("tangent", "adjoint"))
    if value == "adjoint" and system.delays:
        raise InputError(f'`direction` must be "tangent" for {system.name}, which has a delay, got "adjoint".')
    if value == "adjoint" and system.kernels is not None and system.kernels.adjoint is None:
        raise InputError(f'`direction` "adjoint" needs an adjoint product; give {system.name} an `adjoint=` function.')
    return value


def exponent_count(k: Any, n: int) -> int:
    """k leading exponents of n."""
    if k is None:
        return n
    k = count("k", k, 1)
    if k > n:
        raise InputError(f"`k` must be at most the dimension of the state, {n}, got {k}.")
    return k


def every(value: Any) -> int | None:
    """Steps between reorthonormalisations; None for "auto"."""
    if isinstance(value, str):
        if value != "auto":
            raise InputError(f'`every` must be "auto" or a whole number >= 1, got {value!r}.')
        return None
    return count("every", value, 1)


def integration(
    system: Any, *, dt, t0, integrator, rtol, atol, escape_radius, dtype, backward: bool = False
) -> Integration:
    """How to step `system`, from a call's arguments and the system's own defaults."""
    if system.noise_count and system.delays:
        raise InputError(f"`noise` and `delay` cannot be run together; {system.name} has both.")
    allowed = (NOISY if system.noise_count else INTEGRATORS)[system.kind]
    chosen = integrator or system.integrator or allowed[0]
    if system.delays and (chosen not in DELAYED or backward and dt is not None and real("dt", dt) < 0):
        raise InputError(
            f"`integrator` must be 'rk4' and `dt` > 0 for {system.name}, which has a delay, got {chosen!r}, dt = {dt}."
        )
    chosen = choice("integrator", chosen, allowed)
    if system.noise_count:
        _check_noise(system, chosen, dt)
    if chosen == "etdrk4" and system.parts is None:
        raise InputError(f'`integrator` "etdrk4" needs the rates of a linear part, `linear=`, in {system.name}.')
    if chosen in SYMPLECTIC and system.obstacle_to_splitting:
        raise InputError(
            f"`integrator` {chosen!r} needs a separable flow of states (q, p), q' = f(p) and p' = g(t, q); in "
            f"{system.name} {system.obstacle_to_splitting}. Write it in such coordinates, positions first, or use "
            '"rk4" or "dopri5".'
        )
    if system.kind == "map":
        if dt is not None:
            raise InputError("`dt` has no meaning for a map, whose unit of time is one step; leave it out.")
        step = 1.0
    else:
        step = _step(dt if dt is not None else system.dt, system, backward)
    t0 = real("t0", t0)
    dtype = np.dtype(_dtype(dtype)).name
    if system.kernels is not None and dtype != "float64":
        raise InputError(f'`dtype` must be "float64" for {system.name}, whose functions are compiled as given.')
    radius = positive("escape_radius", escape_radius)
    return Integration(chosen, step, t0, positive("rtol", rtol), positive("atol", atol), radius, dtype)


def _check_noise(system: Any, integrator: str, dt: Any) -> None:
    """Refuse noise that the integrator, or this kind of system, cannot have."""
    if system.recording is None and not system.noise_is_additive:
        raise InputError(
            f"`noise` of a size that depends on the state needs a rule that is recorded; {system.name} consists of "
            "compiled functions."
        )
    if integrator == "rk4" and not system.noise_is_additive:
        raise InputError(
            '`integrator` "rk4" adds the noise after the step, so its size must not depend on the state; use '
            '"heun_sde" (Stratonovich) or "euler" (Ito).'
        )
    if dt is not None and real("dt", dt) < 0:
        raise InputError(f"`dt` must be > 0 for {system.name}, which has noise, got {real('dt', dt):g}.")


def _step(dt: Any, system: Any, backward: bool) -> float:
    if dt is None:
        raise InputError(f"`dt` is missing: the flow {system.name} has no default step; pass dt=0.01, say.")
    step = real("dt", dt)
    if step == 0 or (step < 0 and not backward):
        raise InputError(f"`dt` must be > 0, got {step:g}.")
    return step


def _dtype(value: Any) -> str:
    try:
        name = np.dtype(value).name
    except TypeError:
        name = str(value)
    if name not in ("float64", "float32"):
        raise InputError(f'`dtype` must be "float64" or "float32", got {name!r}.')
    return name


def members(system: Any, x0: Any, parameters: Any, drive: np.ndarray | None = None) -> Members:
    """Broadcast initial states and parameters into one batch, and a drive (..., T, m); see API conventions.

    The flat parameters of recurrent cells are left out; `machines.drives` lays out what these need.
    """
    dims = tuple(getattr(parameters, "dims", ()))
    if x0 is None and getattr(parameters, "x0", None) is not None:
        x0 = parameters.x0
    given = _parameters(system, parameters)
    states = _states(system, x0)
    values = {**system.parameters, **given}
    own = {name: len(system.shapes[name]) for name in values}
    given = {name: v for name, v in values.items() if name in given or np.ndim(v) > own[name]}
    shapes = {name: np.shape(v)[: np.ndim(v) - own[name]] for name, v in given.items()}
    shapes |= {"x0": states.shape[:-1], "drive": () if drive is None else drive.shape[:-2]}
    shape = _broadcast(shapes)
    size = math.prod(shape)
    x = np.broadcast_to(states, (*shape, system.dim)).reshape(size, system.dim)
    columns = [
        np.broadcast_to(np.asarray(v, dtype=np.float64), (*shape, *system.shapes[name])).reshape(size, -1)
        if size
        else np.empty((0, math.prod(system.shapes[name])))
        for name, v in values.items()
        if system.architecture is None
    ]
    p = np.concatenate(columns, axis=1) if columns else np.zeros((size, 0))
    if len(dims) != len(shape):
        dims = _dims(given, own, shape)
    expanded = {name: _expanded(v, own[name], len(shape)) for name, v in values.items()}
    return Members(np.array(x), p, shape, dims, expanded)


def _expanded(value: Any, own: int, axes: int) -> np.ndarray:
    """A parameter with all batch axes, of length 1 where it does not vary, in front of its own."""
    array = np.asarray(value, dtype=np.float64)
    lead = array.ndim - own
    return array.reshape((1,) * (axes - lead) + array.shape)


def _dims(given: Mapping, own: Mapping, shape: tuple[int, ...]) -> tuple[str, ...]:
    """Names of the batch axes: the parameter that alone varies along an axis, else axis_0, axis_1 ..."""
    names = []
    for axis in range(len(shape)):
        varying = []
        for name, value in given.items():
            lead = np.shape(value)[: np.ndim(value) - own[name]]
            place = axis - (len(shape) - len(lead))
            if place >= 0 and lead[place] > 1:
                varying.append(name)
        names.append(varying[0] if len(varying) == 1 and varying[0] not in names else f"axis_{axis}")
    return tuple(names)


def _broadcast(shapes: Mapping[str, tuple[int, ...]]) -> tuple[int, ...]:
    try:
        return np.broadcast_shapes(*shapes.values())
    except ValueError:
        listed = ", ".join(f"`{name}` {shape}" for name, shape in shapes.items() if shape)
        raise InputError(
            f"the batch shapes must broadcast together, got {listed}; use `fl.grid(...)` for all combinations."
        ) from None


def _parameters(system: Any, parameters: Any) -> dict[str, np.ndarray]:
    if parameters is None:
        return {}
    if not isinstance(parameters, Mapping):
        raise InputError(
            f"`parameters` must be a dict or fl.grid(...) of names and values, got {type(parameters).__name__}."
        )
    result = {}
    for name, value in parameters.items():
        if name not in system.parameters:
            known = ", ".join(system.parameters) or "none"
            raise InputError(f"`parameters` has no `{name}` in {system.name}; there are: {known}.")
        array = real_array(f"parameters[{name!r}]", value)
        shape = system.shapes[name]
        if shape and array.shape[max(0, array.ndim - len(shape)) :] != shape:
            raise InputError(
                f"`parameters[{name!r}]` must have shape (..., {', '.join(map(str, shape))}), got {array.shape}."
            )
        result[name] = array
    return result


def _states(system: Any, x0: Any) -> np.ndarray:
    n = system.dim
    if x0 is None:
        if system.x0 is None:
            raise InputError(f"`x0` is missing: {system.name} has no default state; pass x0 of shape (..., {n}).")
        return np.asarray(system.x0, dtype=np.float64)
    if isinstance(x0, Mapping):
        x0 = _named_states(system, x0)
    states = real_array("x0", x0)
    if states.ndim == 0 or states.shape[-1] != n:
        advice = "; transpose it" if states.ndim >= 2 and states.shape[0] == n else ""
        raise InputError(f"`x0` must have shape (..., {n}) for {system.name}, got {states.shape}{advice}.")
    return states


def _named_states(system: Any, x0: Mapping) -> np.ndarray:
    for name in x0:
        if name not in system.state_names:
            known = ", ".join(system.state_names)
            raise InputError(f"`x0` has no component `{name}` in {system.name}; there are: {known}.")
    if system.x0 is None and len(x0) < system.dim:
        missing = ", ".join(name for name in system.state_names if name not in x0)
        raise InputError(f"`x0` must give every component of {system.name}, missing: {missing}.")
    parts = [
        real_array(f"x0[{name!r}]", x0[name]) if name in x0 else np.asarray(system.x0[i], dtype=np.float64)
        for i, name in enumerate(system.state_names)
    ]
    _broadcast({f"x0[{name!r}]": np.shape(part) for name, part in zip(system.state_names, parts, strict=True)})
    return np.stack(np.broadcast_arrays(*parts), axis=-1)
