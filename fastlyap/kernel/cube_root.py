"""The cube root, which neither Numba nor CUDA's Python offers for scalars."""

import numpy as np

from fastlyap.kernel import libmvec
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lane_math import lane_function
from fastlyap.kernel.lane_types import VecType
from fastlyap.kernel.lanes import is_finite, like, select
from fastlyap.kernel.masks import both, everywhere
from fastlyap.kernel.one_argument import exp, log
from fastlyap.kernel.rounding import absolute


@np.errstate(all="ignore")
def cbrt(x):
    """Cube root, with the sign of x."""
    return np.cbrt(x)


@kernel
def newton_cbrt(x):
    """exp(log(a) / 3) and one Newton step; tiny numbers are lifted by 2**72 first."""
    zero = like(x, 0.0)
    size = absolute(x)
    tiny = size < like(x, 1e-30)
    a = select(tiny, size * like(x, 4722366482869645213696.0), size)
    y = exp(log(a) * like(x, 1.0 / 3.0))
    y = y - (y * y * y - a) / (like(x, 3.0) * y * y)
    y = select(tiny, y * like(x, 5.960464477539063e-08), y)
    y = select(x < zero, -y, y)
    return select(both(size > zero, is_finite(x)), y, x)


_cbrt_lanes = lane_function("cbrt", np.cbrt) if libmvec.has("cbrt") else newton_cbrt


@everywhere(cbrt)
def _cbrt(x):
    if isinstance(x, VecType):
        return lambda x: _cbrt_lanes(x)
    return lambda x: newton_cbrt(x)
