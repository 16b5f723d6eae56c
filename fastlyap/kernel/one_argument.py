"""Functions of one number that a library computes; float32 stays float32.

Interpreted scalars go to NumPy, compiled ones to the C library, CUDA to libdevice, lanes to libmvec
(at most 4 ulp) or to portable code. No function raises: out of its domain it gives NaN or infinity.
"""

import math

import numpy as np

from fastlyap.kernel.lane_math import lane_function
from fastlyap.kernel.lane_types import VecType
from fastlyap.kernel.lanes import like
from fastlyap.kernel.masks import exactly

_quiet = np.errstate(all="ignore")


@_quiet
def sin(x):
    """Sine of an angle in radians."""
    return np.sin(x)


@_quiet
def cos(x):
    """Cosine of an angle in radians."""
    return np.cos(x)


@_quiet
def tan(x):
    """Tangent of an angle in radians."""
    return np.tan(x)


@_quiet
def asin(x):
    """Arc sine in radians."""
    return np.arcsin(x)


@_quiet
def acos(x):
    """Arc cosine in radians."""
    return np.arccos(x)


@_quiet
def atan(x):
    """Arc tangent in radians."""
    return np.arctan(x)


@_quiet
def exp(x):
    """Exponential."""
    return np.exp(x)


@_quiet
def log(x):
    """Natural logarithm; -inf at 0, NaN below."""
    return np.log(x)


@_quiet
def log1p(x):
    """log(1 + x); for lanes without libmvec x must be in [0, 1]."""
    return np.log1p(x)


@_quiet
def sinh(x):
    """Hyperbolic sine."""
    return np.sinh(x)


@_quiet
def cosh(x):
    """Hyperbolic cosine."""
    return np.cosh(x)


@_quiet
def tanh(x):
    """Hyperbolic tangent."""
    return np.tanh(x)


def erf(x):
    """Error function."""
    return like(x, math.erf(x))


def erfc(x):
    """1 - erf(x), which keeps its digits where it is small."""
    return like(x, math.erfc(x))


@_quiet
def expm1(x):
    """exp(x) - 1, which keeps its digits where x is small."""
    return np.expm1(x)


@_quiet
def sqrt(x):
    """Square root; NaN below 0."""
    return np.sqrt(x)


def _register(function, scalar) -> None:
    on_lanes = lane_function(function.__name__, scalar)

    @exactly(function)
    def implementation(x):
        if isinstance(x, VecType):
            return lambda x: on_lanes(x)
        return lambda x: scalar(x)


for _function in (sin, cos, tan, asin, acos, atan, exp, expm1, log, log1p, sinh, cosh, tanh, erf, erfc):
    _register(_function, getattr(math, _function.__name__))


@exactly(sqrt)
def _sqrt(x):
    return lambda x: math.sqrt(x)
