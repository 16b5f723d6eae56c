"""Counting in lanes: every member adds to a row of its own choice."""

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from fastlyap.kernel.lane_types import INT32, LaneArray
from fastlyap.kernel.masks import everywhere


def tally(rows, start, place, amount):
    """Add `amount` to row ``start + floor(place)``, in every lane to a row of its own; `place` must not be negative."""
    rows[start + int(place)] += amount


@intrinsic
def _scatter(context, rows, start, place, amount):
    def emit(context, builder, sig, args):
        base, first, places, amounts = args
        whole = ir.IntType(64)
        width = sig.args[0].width
        for lane in range(width):
            at = ir.Constant(INT32, lane)
            row = builder.add(first, builder.fptosi(builder.extract_element(places, at), whole))
            flat = builder.add(builder.mul(row, ir.Constant(whole, width)), ir.Constant(whole, lane))
            pointer = builder.gep(base, [flat], inbounds=True)
            total = builder.fadd(builder.load(pointer), builder.extract_element(amounts, at))
            builder.store(total, pointer)
        return context.get_dummy_value()

    return types.none(rows, types.intp, place, amount), emit


@everywhere(tally)
def _tally(rows, start, place, amount):
    if isinstance(rows, LaneArray):
        return lambda rows, start, place, amount: _scatter(rows, start, place, amount)
    if isinstance(rows, types.Array):

        def one(rows, start, place, amount):
            rows[start + int(place)] += amount

        return one
