"""Masks: one truth value per lane (a plain bool for scalars), their logic, and selection."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from fastlyap.kernel._compile import options
from fastlyap.kernel.lane_ops import common_vector
from fastlyap.kernel.lane_types import MaskType, VecType


def everywhere(function):
    """Decorator of numba implementations of ``function`` for lanes and scalars, CPU and CUDA."""
    return overload(function, jit_options=options(forceinline=True))


def exactly(function):
    """As `everywhere`, without fast-math flags: for code that lives on its rounding, and for CUDA.

    Numba sets the flags of a function on all its instructions, hand-made ones included; and in float32, CUDA
    takes any flags at all as leave to use approximations with some 11 good bits (``tanh.approx``).
    """
    return overload(function, jit_options=dict(error_model="numpy", fastmath=False))


def select(mask, a, b):
    """``a`` in the lanes where ``mask`` is true, ``b`` elsewhere; both are evaluated."""
    return a if mask else b


def both(m, n):
    """Lanes where both masks are true."""
    return bool(m) and bool(n)


def either(m, n):
    """Lanes where at least one mask is true."""
    return bool(m) or bool(n)


def negate(mask):
    """Lanes where ``mask`` is false."""
    return not mask


def any_lane(mask):
    """Whether the mask is true in some lane, as one scalar truth value."""
    return bool(mask)


def all_lanes(mask):
    """Whether the mask is true in every lane, as one scalar truth value."""
    return bool(mask)


def _mask_of(*args):
    """The mask type to which all arguments convert, or None."""
    masks = {t for t in args if isinstance(t, MaskType)}
    return masks.pop() if len(masks) == 1 else None


@intrinsic
def _select_lanes(context, mask, a, b):
    width = next(t.width for t in (mask, a, b) if isinstance(t, (MaskType, VecType)))
    value = common_vector(a, b) or _mask_of(a, b)
    if value is None:
        dtype = types.float32 if a == b == types.float32 else types.float64
        value = VecType(dtype, width)

    def emit(context, builder, sig, args):
        return builder.select(*args)

    return value(mask if isinstance(mask, MaskType) else types.boolean, value, value), emit


@everywhere(select)
def _select(mask, a, b):
    if any(isinstance(t, (MaskType, VecType)) for t in (mask, a, b)):
        return lambda mask, a, b: _select_lanes(mask, a, b)
    return lambda mask, a, b: a if mask else b


def _mask_intrinsic(instruction: str):
    @intrinsic
    def join(context, m, n):
        mask = _mask_of(m, n)

        def emit(context, builder, sig, args):
            return getattr(builder, instruction)(*args)

        return mask(mask, mask), emit

    return join


_and_lanes, _or_lanes = _mask_intrinsic("and_"), _mask_intrinsic("or_")


@everywhere(both)
def _both(m, n):
    if _mask_of(m, n):
        return lambda m, n: _and_lanes(m, n)
    return lambda m, n: m and n


@everywhere(either)
def _either(m, n):
    if _mask_of(m, n):
        return lambda m, n: _or_lanes(m, n)
    return lambda m, n: m or n


@intrinsic
def _not_lanes(context, mask):
    def emit(context, builder, sig, args):
        return builder.not_(args[0])

    return mask(mask), emit


@everywhere(negate)
def _negate(mask):
    if isinstance(mask, MaskType):
        return lambda mask: _not_lanes(mask)
    return lambda mask: not mask


def _reduction(sign: str, pattern: int):
    """Compare the mask, read as one integer, with a bit pattern: one test instruction."""

    @intrinsic
    def reduce(context, mask):
        def emit(context, builder, sig, args):
            bits = ir.IntType(mask.width)
            return builder.icmp_unsigned(sign, builder.bitcast(args[0], bits), ir.Constant(bits, pattern))

        return types.boolean(mask), emit

    return reduce


_any_bit, _all_bits = _reduction("!=", 0), _reduction("==", -1)


@everywhere(any_lane)
def _any_lane(mask):
    if isinstance(mask, MaskType):
        return lambda mask: _any_bit(mask)
    return lambda mask: mask


@everywhere(all_lanes)
def _all_lanes(mask):
    if isinstance(mask, MaskType):
        return lambda mask: _all_bits(mask)
    return lambda mask: mask
