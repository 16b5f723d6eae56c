"""floor, magnitude and remainder: functions of a few instructions on every target."""

import math
import operator

import numpy as np
from numba import types
from numba.extending import intrinsic

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lane_math import lane_function_of_two
from fastlyap.kernel.lane_ops import call_intrinsic
from fastlyap.kernel.lane_types import VecType
from fastlyap.kernel.lanes import any_lane, like, select
from fastlyap.kernel.masks import both, either, everywhere, exactly


def floor(x):
    """Largest integer not above x, as a float."""
    return np.floor(x)


def absolute(x):
    """|x|; NaN stays NaN."""
    return np.abs(x)


@intrinsic
def _floor_instruction(context, x):
    def generate(context, builder, sig, args):
        return call_intrinsic(builder, "llvm.floor", args[0])

    x = types.float64 if isinstance(x, types.Integer) else x
    return x(x), generate


@everywhere(floor)
def _ov_floor(x):
    return lambda x: _floor_instruction(x)


@everywhere(absolute)
def _ov_absolute(x):
    if isinstance(x, types.Integer):
        return lambda x: abs(np.float64(x))
    return lambda x: abs(x)


@np.errstate(all="ignore")
def mod(a, b):
    """a - b floor(a / b): the sign of b, as Python's ``%``, but never b itself.

    Python rounds -1e-20 % 1.0 up to 1.0; this gives 0, the same point of the circle. On CUDA
    |a / b| must stay below 2**52 (2**23 in float32).
    """
    r = np.mod(a, b)
    return r - r if r == b else r


@intrinsic
def _fused(context, x, y, z):
    """x y + z with one rounding."""

    def generate(context, builder, sig, args):
        return call_intrinsic(builder, "llvm.fma", *args)

    return x(x, x, x), generate


_remainder_of_lanes = lane_function_of_two("fmod", operator.mod, library=False)


@kernel
def _mod(a, b):
    """The remainder by one fused operation, exact; the selects mend a quotient that is off by one."""
    zero = like(b, 0.0)
    quotient = floor(a / b)
    r = _fused(-quotient, b, a)
    huge = either(absolute(quotient) >= _exact_integers(b), absolute(b) == like(b, math.inf))
    if any_lane(huge):
        r = select(huge, _remainder(a, b), r)
    r = select(either(both(r < zero, b > zero), both(r > zero, b < zero)), r + b, r)
    return select(absolute(r) >= absolute(b), r - b, r)


def _exact_integers(x):
    """Largest power of two below which the quotient's floor is exact."""
    return like(x, 4503599627370496.0)


@everywhere(_exact_integers)
def _ov_exact_integers(x):
    element = x.dtype if isinstance(x, VecType) else x
    limit = 8388608.0 if element == types.float32 else 4503599627370496.0
    return lambda x: like(x, limit)


def _remainder(a, b):
    return a % b


@exactly(_remainder)
def _ov_remainder(a, b):
    if isinstance(a, VecType):
        return lambda a, b: _remainder_of_lanes(a, b)
    return lambda a, b: a % b


@everywhere(mod)
def _ov_mod(a, b):
    if isinstance(b, VecType):
        return lambda a, b: _mod(like(b, a), b)
    if isinstance(a, types.Integer):
        return lambda a, b: _mod(like(b, a), like(b, b))
    return lambda a, b: _mod(a, like(a, b))
