"""LLVM values with Python's operators, without fast-math flags: code that lives on exact roundings."""

from llvmlite import ir

from fastlyap.kernel.lane_ops import call_intrinsic


class Value:
    """A vector of float64, of int64 or of truth values while code is generated."""

    __slots__ = ("builder", "value")

    def __init__(self, builder, value):
        self.builder, self.value = builder, value

    def constant(self, number):
        """``number`` in all lanes, of this value's type."""
        kind = self.value.type
        return Value(self.builder, ir.Constant(kind, [kind.element(number)] * kind.count))

    def _emit(self, instruction, *others):
        values = [o.value if isinstance(o, Value) else self.constant(o).value for o in others]
        return Value(self.builder, getattr(self.builder, instruction)(self.value, *values))

    def _compare(self, sign, other):
        other = other if isinstance(other, Value) else self.constant(other)
        return Value(self.builder, self.builder.fcmp_ordered(sign, self.value, other.value))

    def _cast(self, element):
        return Value(
            self.builder, self.builder.bitcast(self.value, ir.VectorType(element, self.value.type.count))
        )

    def __add__(self, other):
        return self._emit("fadd", other)

    def __sub__(self, other):
        return self._emit("fsub", other)

    def __mul__(self, other):
        return self._emit("fmul", other)

    def __truediv__(self, other):
        return self._emit("fdiv", other)

    def __radd__(self, other):
        return self.constant(other) + self

    def __rsub__(self, other):
        return self.constant(other) - self

    def __rmul__(self, other):
        return self.constant(other) * self

    def __rtruediv__(self, other):
        return self.constant(other) / self

    def __abs__(self):
        return Value(self.builder, call_intrinsic(self.builder, "llvm.fabs", self.value))

    def __lt__(self, other):
        return self._compare("<", other)

    def __gt__(self, other):
        return self._compare(">", other)

    def equals(self, other):
        """Mask of equal lanes."""
        return self._compare("==", other)

    def bits(self):
        """The float64 bits as int64."""
        return self._cast(ir.IntType(64))

    def floats(self):
        """The int64 bits as float64."""
        return self._cast(ir.DoubleType())

    def plus(self, other):
        """Integer sum."""
        return self._emit("add", other)

    def minus(self, other):
        """Integer difference."""
        return self._emit("sub", other)

    def __and__(self, other):
        return self._emit("and_", other)

    def __or__(self, other):
        return self._emit("or_", other)

    def __xor__(self, other):
        return self._emit("xor", other)

    def __lshift__(self, count):
        return self._emit("shl", count)

    def __rshift__(self, count):
        return self._emit("lshr", count)

    def with_sign_of(self, other):
        """This magnitude with the sign of ``other``."""
        return Value(self.builder, call_intrinsic(self.builder, "llvm.copysign", self.value, other.value))


def where(mask, a, b):
    """Lanes of ``a`` where the mask is true, of ``b`` elsewhere; one of the two may be a number."""
    a = a if isinstance(a, Value) else b.constant(a)
    b = b if isinstance(b, Value) else a.constant(b)
    return Value(a.builder, a.builder.select(mask.value, a.value, b.value))


def polynomial(x, *coefficients):
    """Horner's rule, highest power first; fused multiply-add where the machine has it."""
    total = x.constant(coefficients[0])
    for c in coefficients[1:]:
        fused = call_intrinsic(x.builder, "llvm.fmuladd", total.value, x.value, x.constant(c).value)
        total = Value(x.builder, fused)
    return total


def per_lane(builder, scalar, *args):
    """Apply ``scalar(*values) -> value`` lane by lane."""
    result = ir.Constant(args[0].type, ir.Undefined)
    for i in range(args[0].type.count):
        lane = ir.Constant(ir.IntType(32), i)
        value = scalar(*(builder.extract_element(a, lane) for a in args))
        result = builder.insert_element(result, value, lane)
    return result
