"""Elementary functions of a scalar or of lanes, on every target, under the names of `fastlyap.math`."""

import math

import numpy as np
from numba import types

from fastlyap.kernel import libmvec
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cube_root import cbrt
from fastlyap.kernel.lane_math import lane_function_of_two
from fastlyap.kernel.lane_types import VecType
from fastlyap.kernel.lanes import like, maximum, minimum, select
from fastlyap.kernel.masks import exactly
from fastlyap.kernel.one_argument import (
    acos,
    asin,
    atan,
    cos,
    cosh,
    erf,
    erfc,
    exp,
    expm1,
    log,
    log1p,
    sin,
    sinh,
    sqrt,
    tan,
    tanh,
)  # fmt: skip
from fastlyap.kernel.rounding import absolute, floor, mod

__all__ = [
    "abs", "absolute", "acos", "asin", "atan", "atan2", "cbrt", "cos", "cosh", "erf", "erfc", "exp",
    "expm1", "floor", "library", "log", "log1p", "maximum", "minimum", "mod", "pow", "sigmoid", "sign",
    "sin", "sinh", "softplus", "sqrt", "tan", "tanh", "where",
]  # fmt: skip

abs, where = absolute, select


def library() -> str:
    """Where lanes get exp, log, sin ... from: "libmvec" or "portable".

    Decided at import; the environment variable ``FASTLYAP_MATH=portable`` refuses libmvec. Code cached on
    disk has the choice built in, so the name must enter the key of whatever is cached.
    """
    return "libmvec" if libmvec.has("exp") else "portable"


@kernel
def sign(x):
    """1 above 0, -1 below; 0 and NaN stay as they are."""
    return select(x > like(x, 0.0), like(x, 1.0), select(x < like(x, 0.0), like(x, -1.0), x))


@kernel
def sigmoid(x):
    """1 / (1 + exp(-x)), without overflow or cancellation."""
    z = exp(-absolute(x))
    one = like(x, 1.0)
    return select(x < like(x, 0.0), z, one) / (one + z)


@kernel
def softplus(x):
    """log(1 + exp(x)), without overflow or cancellation."""
    return maximum(x, like(x, 0.0)) + log1p(exp(-absolute(x)))


@np.errstate(all="ignore")
def pow(x, y):
    """x to the power y; NaN for x < 0 and fractional y."""
    return np.power(x, like(x, y))


@np.errstate(all="ignore")
def atan2(y, x):
    """Angle of the point (x, y) in radians, in [-pi, pi]."""
    return np.arctan2(y, like(y, x))


def _register(function, scalar) -> None:
    """Both arguments in one type: that of the lanes, or else of the first float."""
    on_lanes = lane_function_of_two(function.__name__, scalar)

    @exactly(function)
    def implementation(a, b):
        if isinstance(b, VecType):
            return lambda a, b: on_lanes(like(b, a), b)
        if isinstance(a, VecType):
            return lambda a, b: on_lanes(a, like(a, b))
        if isinstance(a, types.Integer):
            return lambda a, b: scalar(like(b, a), like(b, b))
        return lambda a, b: scalar(a, like(a, b))


_register(pow, math.pow)
_register(atan2, math.atan2)
