"""Elementary functions on lanes: from libmvec where it has them, else portable code, else lane by lane."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastlyap.kernel import libmvec, portable
from fastlyap.kernel.emit import Value, per_lane
from fastlyap.kernel.lane_types import VecType

_PORTABLE = {name: getattr(portable, name) for name in ("exp", "log", "log1p", "sin", "cos", "tanh")}


def lane_function(name: str, scalar, *, library: bool = True):
    """A function of one lanes value, for use in compiled code.

    Parameters
    ----------
    name : str
        The function's name in C.
    scalar : function
        What Numba compiles for one member, e.g. `math.tan`; used lane by lane where nothing better is there.
    library : bool
        Whether libmvec may be used.
    """
    emit = _emitter(name, scalar, library and libmvec.has(name, 1), 1)

    @intrinsic
    def function(context, x):
        return (x(x), emit(context)) if isinstance(x, VecType) else None

    return function


def lane_function_of_two(name: str, scalar, *, library: bool = True):
    """As `lane_function`, for two arguments of one lanes type."""
    emit = _emitter(name, scalar, library and libmvec.has(name, 2), 2)

    @intrinsic
    def function(context, x, y):
        return (x(x, x), emit(context)) if isinstance(x, VecType) and x == y else None

    return function


def _emitter(name, scalar, from_library, count):
    """What generates the code of one function; the result takes the typing context."""

    def prepare(typing_context):
        signature = typing_context.resolve_function_type(scalar, (types.float64,) * count, {})

        def generate(context, builder, sig, args):
            if from_library:
                return libmvec.emit(context, builder, name, args)
            implementation = context.get_function(scalar, signature)
            return _in_float64(builder, args, name, lambda *values: implementation(builder, values))

        return generate

    return prepare


def _in_float64(builder, args, name, scalar):
    """Portable code, which knows float64 only; float32 lanes are widened and the result rounded."""
    kind = args[0].type
    wide = ir.VectorType(ir.DoubleType(), kind.count)
    if kind.element != ir.DoubleType():
        args = [builder.fpext(a, wide) for a in args]
    if name in ("sin", "cos"):
        result = _PORTABLE[name](Value(builder, args[0]), scalar).value
    elif name in _PORTABLE:
        result = _PORTABLE[name](Value(builder, args[0])).value
    else:
        result = per_lane(builder, scalar, *args)
    return result if kind.element == ir.DoubleType() else builder.fptrunc(result, kind)
