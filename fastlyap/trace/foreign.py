"""The module of a system whose rule cannot be recorded: the user's array-style functions, composed in this process.

One member at a time, float64. What a stage keeps for the tangents is its state and time. Nothing goes to disk:
Numba would not notice an edit of the user's functions.
"""

import functools
from types import ModuleType
from typing import Any, NamedTuple

import numba

from fastlyap.kernel._compile import INTERPRETED, options
from fastlyap.trace.module import Module, compose
from fastlyap.trace.rows_printer import print_rows_algebra
from fastlyap.trace.unjit import plain

_FUNCTIONS = '''from fastlyap.kernel._compile import entry_in_process as entry
from fastlyap.kernel.lanes import slot


@kernel
def rule(t, x, P, J, o, out):
    user_rule(t, x, {p}, out)
{push}    return out


@kernel
def linearise(t, x, P, J, o, out):
    for i in range({n}):
        J[o + i] = x[i]
    J[o + {n}] = t
    user_rule(t, x, {p}, out)
{push}    return out


@kernel
def tangent(J, o, P, v, out):
    user_tangent(J[o + {n}], slot(J, o, {n}), v, {p}, out)
    return out


@kernel
def adjoint(J, o, P, w, out):
    {adjoint}
    return out


@kernel
def divergence(J, o, P):
    return {divergence}


@kernel
def stage(J, o, P, w, v, r, weight, ahead, R, Y, K):
    k = tangent(J, o, P, w, K)
    return axpy(weight, k, r, R), axpy(ahead, k, v, Y)


@kernel
def add(J, o, P, w, r, weight, R, K):
    return axpy(weight, tangent(J, o, P, w, K), r, R)


'''


class Additive(NamedTuple):
    """Noise beside the user's functions, as text; see `trace.noise`."""

    functions: str
    parameters: str  # the user's part of the rows P
    push: str  # what follows a call of the rule
    stepping: tuple


def assemble(kernels: Any, n: int, integrator: str, noise: Additive | None = None) -> Module:
    """The text; it expects `user_rule`, `user_tangent` ... among its globals."""
    at, p = f"J[o + {n}], slot(J, o, {n})", noise.parameters if noise else "P"
    functions = _FUNCTIONS.format(
        n=n, p=p, push=noise.push if noise else "",
        adjoint=f"user_adjoint({at}, w, {p}, out)" if kernels.adjoint else "out[0] = nan",
        divergence=f"user_divergence({at}, {p})" if kernels.divergence else "nan",
    )  # fmt: skip
    title = f"{n} states, array style, {integrator}, 1 lane"
    functions = (noise.functions if noise else "") + functions + print_rows_algebra(n)
    return compose(
        functions, n=n, stored=n + 1, integrator=integrator, width=1, title=title,
        stepping=noise.stepping if noise else None,
    )  # fmt: skip


@functools.lru_cache(maxsize=64)
def load(kernels: Any, n: int, integrator: str, noise: Additive | None = None) -> ModuleType:
    """The module of these functions, made once per process."""
    made = assemble(kernels, n, integrator, noise)
    module = ModuleType(f"fastlyap_kernels_{id(kernels):x}")
    for name, function in vars(kernels).items():
        if function is not None:
            module.__dict__[f"user_{name}"] = jitted(function)
    exec(compile(made.text, f"<{module.__name__}>", "exec"), module.__dict__)
    return module


def jitted(function: Any) -> Any:
    """A function of the user compiled, unless it is, or nothing is compiled here."""
    if INTERPRETED or hasattr(function, "py_func"):
        return plain(function) if INTERPRETED else function
    return numba.njit(**options())(function)
