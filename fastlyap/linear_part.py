"""A flow with a declared linear part, x' = c x + N(t, x, p): its rates c recorded, and both parts put together."""

from __future__ import annotations

import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.trace.graph import topological
from fastlyap.trace.recorder import Recording, record


def fields(linear: Any, rule: Callable, rest: Recording, names: tuple[str, ...], values: Mapping) -> dict[str, Any]:
    """The fields of a system whose rule `rest` (recorded) is what `linear=` leaves: both parts, and the whole."""
    find = _rates(linear, len(names), values)
    found = record(lambda t, x, p: find(p), state_names=names, parameters=values)
    if any(node.op in ("x", "t") for node in topological(found.outputs)):
        raise InputError("`linear` must depend on the parameters only; put what depends on x or t into the rule.")

    def whole_rule(t: Any, x: Any, p: Any) -> list:
        nonlinear = rule(t, x, p)
        nonlinear = [nonlinear] if len(names) == 1 and not hasattr(nonlinear, "__len__") else nonlinear
        return [c * x[i] + f for i, (c, f) in enumerate(zip(find(p), nonlinear, strict=True))]

    whole = record(whole_rule, state_names=names, parameters=values)
    return {"recording": whole, "parts": (found, rest), "function": whole_rule}


def _rates(linear: Any, n: int, values: Mapping) -> Callable[[Any], list]:
    """`linear` as a function of the parameters that returns a list of n rates."""
    if isinstance(linear, str):
        if linear not in values or np.shape(values[linear]) not in ((), (n,)):
            known = ", ".join(name for name in values if np.shape(values[name]) in ((), (n,))) or "none"
            raise InputError(f"`linear` must name a parameter, a number or {n} of them: {known}; got {linear!r}.")
        one = not np.shape(values[linear])
        return lambda p: [p[linear]] * n if one else [p[linear][i] for i in range(n)]
    if callable(linear):
        return lambda p: _listed(linear(p), n)
    array = cast.real_array("linear", linear)
    if array.shape not in ((), (n,)):
        raise InputError(f"`linear` must have shape ({n},), one rate per state, got {array.shape}.")
    rates = [float(c) for c in np.broadcast_to(array, (n,))]
    return lambda p: rates


def _listed(returned: Any, n: int) -> list:
    """What a rule of rates returned."""
    if isinstance(returned, numbers.Real) or not hasattr(returned, "__len__"):
        return [returned] * n
    if len(returned) != n:
        raise InputError(f"`linear` must return {n} rates, one per state, got {len(returned)}.")
    return list(returned)
