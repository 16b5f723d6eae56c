"""Operators on lanes: arithmetic, comparisons, square root, magnitude, and access to rows of lanes.

Arithmetic carries the flags of `_compile.FLAGS`; comparisons are ordered (NaN gives False) but for ``!=``.
"""

import math
import operator

from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import lower_builtin, type_callable

from fastlyap.kernel._compile import FLAGS
from fastlyap.kernel.lane_types import LaneArray, MaskType, VecType, is_real

_FLAGS = tuple(sorted(FLAGS))


def common_vector(*args):
    """The lanes type to which all arguments convert, or None."""
    vectors = {t for t in args if isinstance(t, VecType)}
    if len(vectors) == 1 and all(isinstance(t, VecType) or is_real(t) for t in args):
        return vectors.pop()
    return None


def call_intrinsic(builder, name: str, *args):
    """Call the LLVM intrinsic ``name`` of a float vector or scalar type, e.g. ``llvm.sqrt``."""
    kind = args[0].type
    element = kind.element if isinstance(kind, ir.VectorType) else kind
    bits = "f64" if isinstance(element, ir.DoubleType) else "f32"
    suffix = f"v{kind.count}{bits}" if isinstance(kind, ir.VectorType) else bits
    signature = ir.FunctionType(kind, [kind] * len(args))
    return builder.call(get_or_insert_function(builder.module, signature, f"{name}.{suffix}"), args)


def _arithmetic(function, instruction: str) -> None:
    @type_callable(function)
    def type_arithmetic(context):
        def typer(a, b):
            vector = common_vector(a, b)
            return vector and vector(vector, vector)

        return typer

    @lower_builtin(function, VecType, VecType)
    def lower_arithmetic(context, builder, sig, args):
        return getattr(builder, instruction)(*args, flags=_FLAGS)


def _comparison(function, sign: str) -> None:
    @type_callable(function)
    def type_comparison(context):
        def typer(a, b):
            vector = common_vector(a, b)
            return vector and MaskType(vector.width)(vector, vector)

        return typer

    @lower_builtin(function, VecType, VecType)
    def lower_comparison(context, builder, sig, args):
        compare = builder.fcmp_unordered if sign == "!=" else builder.fcmp_ordered
        return compare(sign, *args)


def _unary(function, emit) -> None:
    @type_callable(function)
    def type_unary(context):
        def typer(a):
            return a(a) if isinstance(a, VecType) else None

        return typer

    @lower_builtin(function, VecType)
    def lower_unary(context, builder, sig, args):
        return emit(builder, args[0])


for _name, _instruction in (("add", "fadd"), ("sub", "fsub"), ("mul", "fmul"), ("truediv", "fdiv")):
    _arithmetic(getattr(operator, _name), _instruction)
    _arithmetic(getattr(operator, f"i{_name}"), _instruction)
for _name, _sign in (("lt", "<"), ("le", "<="), ("gt", ">"), ("ge", ">="), ("eq", "=="), ("ne", "!=")):
    _comparison(getattr(operator, _name), _sign)
_unary(operator.neg, lambda builder, a: builder.fneg(a, flags=_FLAGS))
_unary(operator.pos, lambda builder, a: a)
_unary(math.sqrt, lambda builder, a: call_intrinsic(builder, "llvm.sqrt", a))
_unary(abs, lambda builder, a: call_intrinsic(builder, "llvm.fabs", a))


def row_pointer(builder, base, index, vector_type):
    """Address of row ``index`` of lanes that start at the element pointer ``base``."""
    rows = builder.bitcast(base, vector_type.as_pointer())
    return builder.gep(rows, [index], inbounds=True)


def _bytes(rows) -> int:
    return rows.dtype.bitwidth // 8


@type_callable(operator.getitem)
def _type_getitem(context):
    def typer(rows, index):
        if isinstance(rows, LaneArray) and isinstance(index, types.Integer):
            return rows.vector(rows, types.intp)

    return typer


@lower_builtin(operator.getitem, LaneArray, types.intp)
def _lower_getitem(context, builder, sig, args):
    rows, vector = sig.args[0], context.get_value_type(sig.return_type)
    return builder.load(row_pointer(builder, *args, vector), align=_bytes(rows))


@type_callable(operator.setitem)
def _type_setitem(context):
    def typer(rows, index, value):
        if isinstance(rows, LaneArray) and isinstance(index, types.Integer):
            if value == rows.vector or is_real(value):
                return types.none(rows, types.intp, rows.vector)

    return typer


@lower_builtin(operator.setitem, LaneArray, types.intp, VecType)
def _lower_setitem(context, builder, sig, args):
    base, index, value = args
    builder.store(value, row_pointer(builder, base, index, value.type), align=_bytes(sig.args[0]))
    return context.get_dummy_value()
