"""Systems of array-style functions: recorded where that is possible, kept as functions where not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastlyap import cast, definition
from fastlyap.definition import Kernels
from fastlyap.errors import InputError
from fastlyap.products import difference, directional, errors, guarded, kernel_products
from fastlyap.trace.recorder import Recording
from fastlyap.trace.unjit import plain, record_array

TOLERANCE = 1e-4  # of a central difference in a direction that may be badly scaled


def parts(
    *, kind: str, dim: int, rule: Callable, parameters: Any = None, tangent: Callable | None = None,
    adjoint: Callable | None = None, parameter_adjoint: Callable | None = None, divergence: Callable | None = None,
    x0: Any = None, dt: float | None = None, state: Any = None, noise: Any = None, name: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The fields of a System, all checked; see `System.from_kernels`."""
    cast.choice("kind", kind, ("flow", "map"))
    names = definition.state_names(dim if state is None else state)
    if len(names) != dim:
        raise InputError(f"`state` must name {dim} components, as `dim` says, got {len(names)}.")
    kernels = Kernels(rule, tangent, adjoint, parameter_adjoint, divergence)
    for argument, function in vars(kernels).items():
        if (function is not None or argument == "rule") and not callable(function):
            raise InputError(f"`{argument}` must be a function, got {type(function).__name__}.")
    values = definition.parameters(parameters)
    start = definition.initial_state(x0, names)
    recording = _recorded(kernels, names, values)
    _preflight(kernels, recording, np.ones(dim) if start is None else start, values)
    return {
        "kind": kind, "name": name or getattr(plain(rule), "__name__", "rule").strip("<>"), "state_names": names,
        "parameters": values, "recording": recording, "x0": start, "dt": definition.step(dt, kind),
        "noise_recording": definition.noise(noise, names, values),
        "kernels": kernels if recording is None else None,
    }  # fmt: skip


def _recorded(kernels: Kernels, names: tuple[str, ...], values: Mapping) -> Recording | None:
    try:
        return record_array(kernels.rule, state_names=names, parameters=values)
    except InputError as error:
        if "differently the second time" in str(error):
            raise
        if kernels.tangent is not None:
            return None
        raise InputError(
            f"`tangent` is missing: the rule cannot be recorded, so nothing can be derived from it. {error} Give "
            "tangent(t, x, v, p, out), or write the rule with fl.math functions."
        ) from None


def _preflight(kernels: Kernels, recording: Recording | None, x: np.ndarray, values: Mapping) -> None:
    """Guarded calls of the rule, then every product the user gave against what it should be."""
    p = np.concatenate([np.ravel(v) for v in values.values()]) if values else np.zeros(0)
    first, second = (guarded(kernels.rule, (0.0, x, p), len(x)) for _ in range(2))
    if not np.array_equal(first, second, equal_nan=True):
        raise InputError("`rule` gives other numbers the second time; it must depend on t, x and p only.")
    rng = np.random.default_rng(0)
    x = x + 1e-3 * rng.standard_normal(len(x))  # off the kinks and symmetries of a round initial state
    products = kernel_products(kernels, len(x), len(p))
    if recording is None:
        derivative = difference(products.rule, x, p)
    else:
        derivative = directional(recording, x, p, 0.0)
    if products.tangent is None:
        products = products._replace(tangent=lambda x, p, v: derivative(v, np.zeros(len(p))))
    for name, error in errors(products, derivative, x, p, rng).items():
        if error > TOLERANCE:
            raise InputError(
                f"`{name}` disagrees with the rule: relative error {error:.1e} near x0, expected below "
                f"{TOLERANCE:g}; check its signs and indices, or leave it out where the rule can be recorded."
            )
