"""The module of a system whose rule cannot be recorded: the user's array-style functions, composed in this process.

One member at a time, float64. What a stage keeps for the tangents is its state and time. Nothing goes to disk:
Numba would not notice an edit of the user's functions.
"""

import functools
from types import ModuleType
from typing import Any

import numba

from fastlyap.kernel._compile import options
from fastlyap.trace.module import Module, compose
from fastlyap.trace.rows_printer import print_rows_algebra

_FUNCTIONS = '''from fastlyap.kernel._compile import entry_in_process as entry
from fastlyap.kernel.lanes import slot


@kernel
def rule(t, x, P, J, o, out):
    user_rule(t, x, P, out)
    return out


@kernel
def linearise(t, x, P, J, o, out):
    for i in range({n}):
        J[o + i] = x[i]
    J[o + {n}] = t
    user_rule(t, x, P, out)
    return out


@kernel
def tangent(J, o, P, v, out):
    user_tangent(J[o + {n}], slot(J, o, {n}), v, P, out)
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


def assemble(kernels: Any, n: int, integrator: str) -> Module:
    """The text; it expects `user_rule`, `user_tangent` ... among its globals."""
    at = f"J[o + {n}], slot(J, o, {n})"
    functions = _FUNCTIONS.format(
        n=n,
        adjoint=f"user_adjoint({at}, w, P, out)" if kernels.adjoint else "out[0] = nan",
        divergence=f"user_divergence({at}, P)" if kernels.divergence else "nan",
    )
    title = f"{n} states, array style, {integrator}, 1 lane"
    return compose(functions + print_rows_algebra(n), n=n, stored=n + 1, integrator=integrator, width=1, title=title)


@functools.lru_cache(maxsize=64)
def load(kernels: Any, n: int, integrator: str) -> ModuleType:
    """The module of these functions, made once per process."""
    made = assemble(kernels, n, integrator)
    module = ModuleType(f"fastlyap_kernels_{id(kernels):x}")
    for name, function in vars(kernels).items():
        if function is not None:
            module.__dict__[f"user_{name}"] = function if hasattr(function, "py_func") else _jitted(function)
    exec(compile(made.text, f"<{module.__name__}>", "exec"), module.__dict__)
    return module


def _jitted(function: Any) -> Any:
    return numba.njit(**options())(function)
