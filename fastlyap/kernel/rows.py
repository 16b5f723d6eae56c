"""Rows of lanes: views of the engine's blocks that read and write one lane value at a time."""

from numba import config, types
from numba.core.cgutils import pointer_add
from numba.core.imputils import impl_ret_borrowed
from numba.extending import intrinsic, lower_builtin, type_callable

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lane_ops import row_pointer
from fastlyap.kernel.lane_types import LaneArray


def slot(rows, start, count):
    """The rows ``start ... start + count - 1`` as rows of their own (a view)."""
    return rows[start : start + count]


# Typed and lowered by hand: a CUDA function must not return a new array, and Python's slices of arrays clip.
@type_callable(slot)
def _type_slot(context):
    def typer(rows, start, count):
        if isinstance(rows, LaneArray) or (isinstance(rows, types.Array) and rows.ndim == 1):
            return rows(rows, types.intp, types.intp)

    return typer


@lower_builtin(slot, LaneArray, types.intp, types.intp)
def _lower_slot(context, builder, sig, args):
    base, start, _ = args
    vector = context.get_value_type(sig.args[0].vector)
    return builder.bitcast(row_pointer(builder, base, start, vector), base.type)


@lower_builtin(slot, types.Array, types.intp, types.intp)
def _lower_slot_of_array(context, builder, sig, args):
    value, start, count = args
    array = context.make_array(sig.args[0])(context, builder, value)
    stride = builder.extract_value(array.strides, 0)
    array.data = pointer_add(builder, array.data, builder.mul(start, stride))
    array.shape = builder.insert_value(array.shape, count, 0)
    array.nitems = count
    return impl_ret_borrowed(context, builder, sig.return_type, array._getvalue())


@intrinsic(prefer_literal=True)
def _lane_pointer(context, block, width):
    if not isinstance(width, types.IntegerLiteral) or not isinstance(block, types.Array):
        return None
    if block.layout != "C" or block.dtype not in (types.float32, types.float64):
        return None

    def emit(context, builder, sig, args):
        return context.make_array(sig.args[0])(context, builder, args[0]).data

    return LaneArray(block.dtype, width.literal_value)(block, width), emit


def _one_member(block):
    return block.reshape(-1)


def rows_of(width: int):
    """The function that turns a block into rows, for a fixed number of lanes.

    Parameters
    ----------
    width : int
        Lanes per row, 1 or a power of two; fixed when the kernel is compiled.

    Returns
    -------
    function
        Takes a C-contiguous float array of shape (rows, width), or its ravel, and returns the rows: a
        `LaneArray`, or for one lane the 1-D view of the block. The array must be an argument of
        the compiled kernel, or else be kept alive past the last use of the rows.
    """
    if width == 1:
        return kernel(_one_member)
    if config.DISABLE_JIT:
        raise RuntimeError(f"interpreted kernels run 1 member at a time, got {width} lanes")

    @kernel
    def rows(block):
        return _lane_pointer(block, width)

    return rows
