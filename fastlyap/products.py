"""The products of a system as plain numeric functions, and their errors against independent derivatives.

J v by the forward chain rule (or the user's `tangent`), J' w and (df/dp)' w by the reverse one (or the user's), the
rule itself differentiated by complex steps or central differences: <w, J v> = <J' w, v> ties them together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlyap.definition import Kernels
from fastlyap.errors import InputError
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.graph import Node, constant, topological
from fastlyap.trace.recorder import Recording
from fastlyap.trace.reverse import gradient
from fastlyap.trace.unjit import plain

_ANALYTIC = frozenset(
    "const x p t w add sub mul div neg pow sin cos tan asin acos atan exp log sqrt sinh cosh tanh sum".split()
)
_GUARD, _CANARY = 8, -6.02214076e299


class Products(NamedTuple):
    """Functions of numbers; those a system does not have are None."""

    rule: Callable  # (x, p) -> (n,)
    tangent: Callable  # (x, p, v) -> (n,)
    adjoint: Callable | None  # (x, p, w) -> (n,)
    parameter_adjoint: Callable | None  # (x, p, w) -> (n_parameters,)
    divergence: Callable | None  # (x, p) -> float


def values(system: Any, x: np.ndarray, t: Any) -> np.ndarray:
    """f(t, x) of a system at its default parameters, x (..., n) -> (..., n)."""
    p = system.flat_parameters
    if system.recording is not None:
        return _at(system.recording.outputs, x, p, t)
    rule = kernel_products(system.kernels, x.shape[-1], len(p), t).rule
    return np.apply_along_axis(lambda row: rule(row, p), -1, x)


def jacobian(system: Any, x: np.ndarray, t: Any) -> np.ndarray:
    """J[..., i, j] = d f_i / d x_j of a system at its default parameters, x (..., n) -> (..., n, n)."""
    n, p = x.shape[-1], system.flat_parameters
    if system.recording is None:
        tangent = kernel_products(system.kernels, n, len(p), t).tangent
        columns = [[tangent(row, p, e) for e in np.eye(n)] for row in x.reshape(-1, n)]
        return np.swapaxes(np.reshape(columns, (*x.shape, n)), -1, -2)
    return matrices(system.recording, x, np.broadcast_to(p, (*x.shape[:-1], len(p))), t)


def _at(outputs: Sequence[Node], x: np.ndarray, p: np.ndarray, t: Any) -> np.ndarray:
    """`evaluate` with the components on the last axis."""
    flat = p.reshape(-1, *(1,) * (x.ndim - 1))
    return np.moveaxis(evaluate(outputs, np.moveaxis(x, -1, 0), flat, t), 0, -1)


def recorded_products(recording: Recording, t: float = 0.0) -> Products:
    """The products of a recording at time t."""
    outputs = recording.outputs

    def pulled(wrt: str) -> Callable:
        return lambda x, p, w: _dense(
            gradient(outputs, [constant(v) for v in w], wrt), x, p, t, len(x if wrt == "x" else p)
        )

    return Products(
        lambda x, p: evaluate(outputs, x, p, t),
        lambda x, p, v: directional(recording, x, p, t)(v, np.zeros(len(p))),
        pulled("x"),
        pulled("p"),
        lambda x, p: np.trace(matrix(recording, x, p, t)),
    )


def _dense(row: dict[int, Node], x: Any, p: Any, t: float, size: int) -> np.ndarray:
    result = np.zeros(size)
    result[list(row)] = evaluate(list(row.values()), x, p, t)
    return result


def matrix(recording: Recording, x: Any, p: Any, t: float, wrt: str = "x") -> np.ndarray:
    """Derivatives of a recording by its states or parameters, (n, n) or (n, n_parameters)."""
    return matrices(recording, np.asarray(x), np.asarray(p), t, wrt)


def matrices(recording: Recording, x: np.ndarray, p: np.ndarray, t: Any, wrt: str = "x") -> np.ndarray:
    """The same at many states x (..., n) and parameters p (..., n_parameters) at once."""
    size = recording.inputs if wrt == "x" else recording.n_parameters
    rows = jacobian_rows(recording.outputs, wrt)
    entries = [(i, j, node) for i, row in enumerate(rows) for j, node in row.items()]
    found = evaluate([node for _, _, node in entries], np.moveaxis(x, -1, 0), np.moveaxis(p, -1, 0), t)
    result = np.zeros((*found.shape[1:], len(rows), size), dtype=found.dtype)
    for (i, j, _), values in zip(entries, found, strict=True):
        result[..., i, j] = values
    return result


def directional(recording: Recording, x: Any, p: Any, t: float) -> Callable:
    """(v, q) -> J v + (df/dp) q by the forward chain rule."""
    by_state, by_parameter = (matrix(recording, x, p, t, wrt) for wrt in ("x", "p"))
    return lambda v, q: by_state @ v + by_parameter @ q


def kernel_products(kernels: Kernels, n: int, n_parameters: int, t: float = 0.0) -> Products:
    """The user's array-style functions, each call guarded."""

    def back(x: Any, p: Any, w: Any) -> np.ndarray:
        return guarded(kernels.parameter_adjoint, (t, x, w, p), n_parameters, added=True)

    def trace(x: Any, p: Any) -> float:
        return float(plain(kernels.divergence)(t, x, p))

    def one(function: Callable | None) -> Callable | None:
        return function and (lambda x, p, v: guarded(function, (t, x, v, p), n))

    return Products(
        lambda x, p: guarded(kernels.rule, (t, x, p), n), one(kernels.tangent), one(kernels.adjoint),
        back if kernels.parameter_adjoint else None, trace if kernels.divergence else None,
    )  # fmt: skip


def cell_products(cell: Any, u: np.ndarray | None) -> Products:
    """Those of a recurrent cell that reads inputs u (m,); its weights are left as they are."""
    return Products(
        lambda x, p: cell.rule(x, u=u), lambda x, p, v: cell.jacobian(x, u=u) @ v,
        lambda x, p, w: w @ cell.jacobian(x, u=u), None, lambda x, p: np.trace(cell.jacobian(x, u=u)),
    )  # fmt: skip


def guarded(function: Callable, arguments: tuple, size: int, added: bool = False) -> np.ndarray:
    """What an array-style function writes into `out`, with watched margins around it and read-only inputs."""
    name = getattr(plain(function), "__name__", "rule")
    buffer = np.full(size + 2 * _GUARD, _CANARY)
    out = buffer[_GUARD : _GUARD + size]
    if added:
        out[:] = 0.0
    inputs = [np.array(a, dtype=np.float64) if np.ndim(a) else a for a in arguments]
    for a in inputs:
        if isinstance(a, np.ndarray):
            a.flags.writeable = False
    try:
        with np.errstate(all="ignore"):
            plain(function)(*inputs, out)
    except Exception as error:
        raise InputError(f"`{name}` raised {type(error).__name__} at a test point: {error}.") from error
    if np.any(buffer[:_GUARD] != _CANARY) or np.any(buffer[-_GUARD:] != _CANARY):
        raise InputError(f"`{name}` writes outside of `out`, which has {size} elements; check its indices.")
    if np.any(out == _CANARY):
        raise InputError(f"`{name}` must fill `out`, got nothing at {np.flatnonzero(out == _CANARY)[:10].tolist()}.")
    return out.copy()


def analytic(recording: Recording) -> bool:
    """Whether the rule can be evaluated at complex states."""
    return all(
        node.op in _ANALYTIC and (node.op != "pow" or node.args[1].op == "const")
        for node in topological(recording.outputs)
    )


def complex_step(recording: Recording, x: Any, p: Any, t: float) -> Callable:
    """(v, q) -> the derivative along both, exact to rounding, for analytic rules."""
    h = 1e-150
    return lambda v, q: evaluate(recording.outputs, x + 1j * h * v, p + 1j * h * q, t).imag / h


def difference(rule: Callable, x: Any, p: Any) -> Callable:
    """(v, q) -> the derivative along both by a central difference."""

    def derivative(v: np.ndarray, q: np.ndarray) -> np.ndarray:
        h = 6e-6 * max(1.0, np.max(np.abs(x), initial=0.0), np.max(np.abs(p), initial=0.0))
        h /= max(np.max(np.abs(v), initial=0.0), np.max(np.abs(q), initial=0.0))
        return (rule(x + h * v, p + h * q) - rule(x - h * v, p - h * q)) / (2.0 * h)

    return derivative


def errors(products: Products, derivative: Callable, x: np.ndarray, p: np.ndarray, rng: Any) -> dict[str, float]:
    """Relative error of each product against (v, q) -> derivative of the rule, in random directions."""
    n = len(products.rule(x, p))  # the state may carry delayed ones behind it
    v, w, q = rng.standard_normal(len(x)), rng.standard_normal(n), rng.standard_normal(len(p))
    nothing = np.zeros(len(p))
    along, by_parameter = derivative(v, nothing), derivative(np.zeros(len(x)), q) if len(p) else np.zeros(n)
    found = {"tangent": _relative(products.tangent(x, p, v) - along, along)}
    if products.adjoint is not None:
        found["adjoint"] = _product_error(w, products.tangent(x, p, v), products.adjoint(x, p, w), v)
    if products.parameter_adjoint is not None and len(p):
        found["parameter_adjoint"] = _product_error(w, by_parameter, products.parameter_adjoint(x, p, w), q)
    if products.divergence is not None:
        diagonal = np.array([derivative(e, nothing)[i] for i, e in enumerate(np.eye(len(x))[:n])])
        found["divergence"] = _relative(products.divergence(x, p) - diagonal.sum(), np.abs(diagonal).sum())
    return found


def _relative(error: Any, size: Any) -> float:
    scale = float(np.linalg.norm(np.atleast_1d(size)))
    return float(np.linalg.norm(np.atleast_1d(error))) / (scale or 1.0)


def _product_error(w: np.ndarray, forward: np.ndarray, back: np.ndarray, v: np.ndarray) -> float:
    """|<w, J v> - <J' w, v>| / (|w| |J v| + |J' w| |v|)."""
    scale = np.linalg.norm(w) * np.linalg.norm(forward) + np.linalg.norm(back) * np.linalg.norm(v)
    return float(abs(w @ forward - back @ v) / (scale or 1.0))
