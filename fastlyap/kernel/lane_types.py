"""Numba types of lane values: vectors, masks and rows of vectors, with their LLVM models and casts."""

from llvmlite import ir
from numba import types
from numba.core.typeconv import Conversion
from numba.extending import lower_cast, models, register_model

INT32 = ir.IntType(32)


def _check_width(width: int) -> None:
    if width < 2 or width & (width - 1):
        raise ValueError(f"`width` of lanes: expected a power of two from 2 on, got {width}")


class VecType(types.Type):
    """``width`` members side by side; ``dtype`` is numba's float64 or float32.

    Real scalars convert to it (copied to all lanes), so ``total = 0.0`` may start a sum of lanes.
    """

    def __init__(self, dtype, width: int):
        _check_width(width)
        self.dtype, self.width = dtype, width
        super().__init__(name=f"lanes_{dtype}x{width}")

    def can_convert_from(self, typing_context, other):
        """Real scalars convert; lanes of another kind do not."""
        return Conversion.safe if is_real(other) else None


class MaskType(types.Type):
    """One truth value per lane."""

    def __init__(self, width: int):
        _check_width(width)
        self.width = width
        super().__init__(name=f"mask_x{width}")

    def can_convert_from(self, typing_context, other):
        """A scalar truth value converts."""
        return Conversion.safe if isinstance(other, types.Boolean) else None


class LaneArray(types.Type):
    """Rows of lanes: a bare pointer; the array it was made from must outlive it (be an argument)."""

    def __init__(self, dtype, width: int):
        _check_width(width)
        self.dtype, self.width = dtype, width
        self.vector = VecType(dtype, width)
        super().__init__(name=f"rows_{dtype}x{width}")


def is_real(t) -> bool:
    """Whether a numba type is a real scalar."""
    return isinstance(t, (types.Integer, types.Float))


def element_type(dtype):
    """LLVM type of one lane."""
    return ir.DoubleType() if dtype == types.float64 else ir.FloatType()


@register_model(VecType)
class _VecModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(element_type(fe_type.dtype), fe_type.width))


@register_model(MaskType)
class _MaskModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, ir.VectorType(ir.IntType(1), fe_type.width))


@register_model(LaneArray)
class _LaneArrayModel(models.PrimitiveModel):
    def __init__(self, manager, fe_type):
        super().__init__(manager, fe_type, element_type(fe_type.dtype).as_pointer())


def splat(builder, value, width: int):
    """A scalar copied to all lanes."""
    vector = ir.VectorType(value.type, width)
    if isinstance(value, ir.Constant):
        return ir.Constant(vector, [value] * width)
    undefined = ir.Constant(vector, ir.Undefined)
    first = builder.insert_element(undefined, value, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, undefined, ir.Constant(ir.VectorType(INT32, width), [0] * width))


@lower_cast(types.Number, VecType)
def _scalar_to_lanes(context, builder, fromty, toty, value):
    return splat(builder, context.cast(builder, value, fromty, toty.dtype), toty.width)


@lower_cast(types.Boolean, MaskType)
def _bool_to_mask(context, builder, fromty, toty, value):
    return splat(builder, builder.trunc(value, ir.IntType(1)) if value.type.width > 1 else value, toty.width)
