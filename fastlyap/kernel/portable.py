"""exp, log, log1p, sin, cos and tanh on float64 lanes without any library; branch-free but for huge angles.

Bounds, held by tests/kernel/test_elementary.py: exp, log, sin, cos 1 ulp, log1p (on [0, 1]) and tanh 2 ulp.
NaN, infinities, signed zeros, overflow and denormals come out as in C.
Sources: coefficients and reductions of fdlibm (exp: plain Taylor), tanh near 0 of Cephes.
"""

from llvmlite import ir

from fastlyap.kernel.emit import Value, per_lane, polynomial, where

LN2_HIGH, LN2_LOW = 6.93147180369123816490e-01, 1.90821492927058770002e-10
ROUND = 6755399441055744.0  # 1.5 * 2**52: adding it leaves the nearest integer in the low bits
HALF_PI = (  # three pieces of 33 bits, and the rest
    1.57079632673412561417,
    6.07710050630396597660e-11,
    2.02226624871116645580e-21,
    8.47842766036889956997e-32,
)
LARGEST_ANGLE = 1.0e6  # beyond it the pieces times the quadrant are no longer exact

# 1/13!, 1/12!, ..., 1/2!
EXP = (
    1.6059043836821613e-10, 2.08767569878681e-09, 2.505210838544172e-08, 2.755731922398589e-07,
    2.7557319223985893e-06, 2.48015873015873e-05, 0.0001984126984126984, 0.001388888888888889,
    0.008333333333333333, 0.041666666666666664, 0.16666666666666666, 0.5,
)  # fmt: skip
LOG = (
    1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01, 2.222219843214978396e-01,
    2.857142874366239149e-01, 3.999999999940941908e-01, 6.666666666666735130e-01,
)  # fmt: skip
SIN = (
    1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
    -1.98412698298579493134e-04, 8.33333333332248946124e-03,
)  # fmt: skip
COS = (
    -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
    2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
)  # fmt: skip
TANH_P = (-9.64399179425052238628e-1, -9.92877231001918586564e1, -1.61468768441708447952e3)
TANH_Q = (1.0, 1.12811678491632931402e2, 2.23548839060100448583e3, 4.84406305325125486048e3)


def exp(x):
    """2**n * exp(r) with |r| <= log(2)/2; the power in two factors, for denormals."""
    x = where(x > 710.0, 710.0, x)
    x = where(x < -746.0, -746.0, x)
    shifted = x * 1.4426950408889634 + ROUND
    n = shifted - ROUND
    high, low = x - n * LN2_HIGH, n * LN2_LOW
    r = high - low
    tail = (high - r) - low
    value = 1.0 + (r + (r * r * polynomial(r, *EXP) + tail))
    power = shifted.bits().plus(2046) & 0xFFF  # n + 2046, positive
    half = power >> 1
    return value * (half << 52).floats() * (power.minus(half) << 52).floats()


def log(x):
    """log(m) + k log(2) with m in [sqrt(1/2), sqrt(2)]."""
    tiny = x < 2.2250738585072014e-308
    scaled = where(tiny, x * 18014398509481984.0, x)  # 2**54
    bits = scaled.bits()
    m = ((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000).floats()
    k = ((bits >> 52) | 0x4330000000000000).floats() - (4503599627370496.0 + 1023.0)
    k = where(tiny, k - 54.0, k)
    upper = m > 1.4142135623730951
    m, k = where(upper, m * 0.5, m), where(upper, k + 1.0, k)
    f = m - 1.0
    s = f / (2.0 + f)
    z = s * s
    half_square = 0.5 * f * f
    rest = s * (half_square + z * polynomial(z, *LOG)) + k * LN2_LOW
    value = k * LN2_HIGH - ((half_square - rest) - f)
    value = where(x.equals(0.0), float("-inf"), value)
    value = where(x < 0.0, float("nan"), value)
    return where(x < float("inf"), value, x)  # infinity and NaN stay


def log1p(x):
    """log(1 + x) for x in [0, 1]: log of the rounded sum, and the rounding made good."""
    total = 1.0 + x
    return log(total) + (x - (total - 1.0)) / total


def tanh(x):
    """A rational function below 0.625, 1 - 2 / (exp(2 |x|) + 1) above."""
    size = abs(x)
    z = x * x
    small = x + x * (z * polynomial(z, *TANH_P) / polynomial(z, *TANH_Q))
    large = 1.0 - 2.0 / (exp(where(size > 20.0, 20.0, size) * 2.0) + 1.0)
    return where(size < 0.625, small, large.with_sign_of(x)).with_sign_of(x)


def _reduce(x):
    """Quadrant bits, and x minus the multiple of pi/2 as a sum high + low."""
    shifted = x * 0.63661977236758134 + ROUND
    n = shifted - ROUND
    first = x - n * HALF_PI[0]
    piece = n * HALF_PI[1]
    second = first - piece
    back = first - second
    error = (first - (second + back)) + (back - piece)
    correction = n * HALF_PI[2] - error
    high = second - correction
    low = ((second - high) - correction) - n * HALF_PI[3]
    return shifted.bits(), high, low


def _sine_or_cosine(x, shift, scalar):
    """sin(x + shift pi/2); lanes with huge angles by the scalar function."""
    bits, r, low = _reduce(x)
    quadrant = bits.plus(shift)
    z = r * r
    cube = z * r
    sine = r - ((z * (0.5 * low - cube * polynomial(z, *SIN)) - low) - cube * -1.66666666666666324348e-01)
    half = 0.5 * z
    near_one = 1.0 - half
    cosine = near_one + (((1.0 - near_one) - half) + (z * z * polynomial(z, *COS) - r * low))
    odd = (quadrant << 63).floats()  # sign bit set where the other function is due
    value = where(_negative(odd), cosine, sine)
    sign = (quadrant << 62) & (1 << 63)
    return _repair(x, (value.bits() ^ sign).floats(), scalar)


def _negative(x):
    """Mask of set sign bits."""
    zero = x.bits().constant(0)
    return Value(x.builder, x.builder.icmp_signed("<", x.bits().value, zero.value))


def _repair(x, value, scalar):
    """Replace the lanes with |x| > LARGEST_ANGLE by the scalar function, if there are any."""
    builder, kind = x.builder, x.value.type
    huge = abs(x) > LARGEST_ANGLE
    flags = builder.bitcast(huge.value, ir.IntType(kind.count))
    start = builder.block
    with builder.if_then(builder.icmp_unsigned("!=", flags, ir.Constant(flags.type, 0)), likely=False):
        exact = Value(builder, per_lane(builder, scalar, x.value))
        repaired = where(huge, exact, value)
        end = builder.block
    result = builder.phi(kind)
    result.add_incoming(value.value, start)
    result.add_incoming(repaired.value, end)
    return Value(builder, result)


def sin(x, scalar):
    """Sine; ``scalar`` computes huge angles."""
    return where(x.equals(0.0), x, _sine_or_cosine(x, 0, scalar))


def cos(x, scalar):
    """Cosine; ``scalar`` computes huge angles."""
    return _sine_or_cosine(x, 1, scalar)
