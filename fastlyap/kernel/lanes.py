"""Lane values: one kernel source for one member (scalars) and for ``width`` members side by side (vectors).

Every function here takes scalars (interpreted, compiled, CUDA) and lanes (compiled); the operators
``+ - * / < <= > >= == !=``, unary minus, ``abs`` and `math.sqrt` act on both, and a scalar next to lanes
is cast to their element type. Lanes are read from and stored to rows of a block (`rows_of`).
"""

import math

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastlyap.kernel.lane_ops import call_intrinsic
from fastlyap.kernel.lane_types import LaneArray, MaskType, VecType, splat
from fastlyap.kernel.masks import all_lanes, any_lane, both, either, everywhere, exactly, negate, select
from fastlyap.kernel.rows import rows_of, slot

__all__ = [
    "LaneArray", "MaskType", "VecType", "all_lanes", "any_lane", "both", "either", "is_finite", "like",
    "maximum", "minimum", "narrow_like", "negate", "rows_of", "select", "slot", "smallest", "split", "whole", "wide",
]  # fmt: skip


def minimum(a, b):
    """The smaller value, ``a`` at ties; NaN if either is NaN."""
    return a if a <= b or a != a else b


def maximum(a, b):
    """The larger value, ``a`` at ties; NaN if either is NaN."""
    return a if a >= b or a != a else b


@everywhere(minimum)
def _minimum(a, b):
    return lambda a, b: select(either(a <= b, a != a), a, b)


@everywhere(maximum)
def _maximum(a, b):
    return lambda a, b: select(either(a >= b, a != a), a, b)


def like(x, c):
    """``c`` in the element type of ``x``; for lanes in all of them. Keeps float32 code in float32."""
    return type(x)(c) if isinstance(x, np.floating) else float(c)


def narrow_like(v, x):
    """``v`` in the element type of ``x``."""
    return like(x, v)


def wide(v):
    """``v`` in float64."""
    return np.float64(v)


def smallest(x):
    """The smallest positive normal number of the element type of ``x``."""
    return like(x, np.finfo(type(x)).tiny)


@intrinsic
def _as_lanes(context, x, c):
    if isinstance(c, VecType):
        dtype = x.dtype if isinstance(x, VecType) else x
        target = VecType(dtype, c.width)
    else:
        target = x
    if isinstance(c, VecType) and c.dtype.bitwidth > target.dtype.bitwidth:
        convert = "fptrunc"
    elif isinstance(c, VecType) and c.dtype.bitwidth < target.dtype.bitwidth:
        convert = "fpext"
    else:
        convert = None

    def emit(context, builder, sig, args):
        kind = context.get_value_type(sig.return_type)
        return getattr(builder, convert)(args[1], kind) if convert else args[1]

    return target(x, c if isinstance(c, VecType) else target), emit


@everywhere(like)
def _like(x, c):
    if isinstance(x, VecType) or isinstance(c, VecType):
        return lambda x, c: _as_lanes(x, c)
    if x == types.float32:
        return lambda x, c: np.float32(c)
    return lambda x, c: np.float64(c)


@everywhere(narrow_like)
def _narrow_like(v, x):
    return lambda v, x: like(x, v)


@everywhere(smallest)
def _smallest(x):
    element = x.dtype if isinstance(x, VecType) else x
    number = 2.0**-126 if element == types.float32 else 2.0**-1022
    return lambda x: like(x, number)


@everywhere(wide)
def _wide(v):
    if isinstance(v, VecType):
        return lambda v: _as_lanes(np.float64(0.0), v)
    return lambda v: np.float64(v)


def whole(v):
    """The whole number that all lanes hold."""
    return int(v)


@intrinsic
def _first_lane(context, v):
    def emit(context, builder, sig, args):
        return builder.extract_element(args[0], ir.Constant(ir.IntType(32), 0))

    return v.dtype(v), emit


@everywhere(whole)
def _whole(v):
    if isinstance(v, VecType):
        return lambda v: np.intp(_first_lane(v))
    return lambda v: np.intp(v)


def is_finite(v):
    """Lanes that are neither NaN nor infinite."""
    return bool(np.isfinite(v))


@intrinsic
def _finite_lanes(context, v):
    def emit(context, builder, sig, args):
        size = call_intrinsic(builder, "llvm.fabs", args[0])
        infinity = splat(builder, ir.Constant(size.type.element, math.inf), v.width)
        return builder.fcmp_ordered("<", size, infinity)

    return MaskType(v.width)(v), emit


@everywhere(is_finite)
def _is_finite(v):
    if isinstance(v, VecType):
        return lambda v: _finite_lanes(v)
    return lambda v: math.isfinite(v)


def split(v):
    """Mantissa in [1, 2) and exponent, both as floats, of positive normal numbers: ``v = m * 2**e``."""
    mantissa, exponent = math.frexp(v)
    return like(v, 2.0 * mantissa), like(v, exponent - 1)


@intrinsic
def _split_bits(context, v):
    """Bit operations; the exponent becomes a float as the low bits of 2**52 (2**23), without conversion."""
    dtype = v.dtype if isinstance(v, VecType) else v
    size, digits, bias = (64, 52, 1023) if dtype == types.float64 else (32, 23, 127)

    def emit(context, builder, sig, args):
        value = args[0].type
        many = isinstance(value, ir.VectorType)
        whole = ir.VectorType(ir.IntType(size), value.count) if many else ir.IntType(size)

        def constant(kind, number):
            return ir.Constant(kind, [number] * value.count if many else number)

        bits = builder.bitcast(args[0], whole)
        fraction = builder.and_(bits, constant(whole, (1 << digits) - 1))
        mantissa = builder.bitcast(builder.or_(fraction, constant(whole, bias << digits)), value)
        shifted = builder.lshr(bits, constant(whole, digits))
        counted = builder.bitcast(builder.or_(shifted, constant(whole, (bias + digits) << digits)), value)
        exponent = builder.fsub(counted, constant(value, float(2**digits + bias)))
        return context.make_tuple(builder, sig.return_type, [mantissa, exponent])

    return types.UniTuple(v, 2)(v), emit


@exactly(split)
def _split(v):
    if isinstance(v, (VecType, types.Float)):
        return lambda v: _split_bits(v)
