"""Activation functions y = phi(z) and their slopes phi'(z), of one lane value and of runs of numbers.

Forms that neither overflow nor cancel: with e = exp(-|z|), sigmoid'(z) = e / (1 + e)^2, and with e = exp(-2 |z|),
tanh'(z) = 4 e / (1 + e)^2, where 1 - tanh(z)^2 is 0 for |z| > 19. At a kink the slope is the one on its left.
Names as in `fastlyap.networks.activations`; kernels know them by their codes.
"""

import math

from fastlyap.kernel import elementary as f
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, maximum, minimum, select, slot

NAMES = (
    "identity", "tanh", "relu", "sigmoid", "erf", "leaky_relu", "elu", "softplus", "silu", "gelu", "sin", "cos",
)  # fmt: skip
CODES = {name: code for code, name in enumerate(NAMES)}
IDENTITY, TANH, RELU, SIGMOID, ERF, LEAKY_RELU, ELU, SOFTPLUS, SILU, GELU, SIN, COS = range(len(NAMES))
LEAK = 0.01
HALF_ROOT_PI = 0.5 * math.sqrt(math.pi)
ROOT_HALF = math.sqrt(0.5)
ROOT_2_PI = math.sqrt(2.0 * math.pi)
NEAR = 0.125  # where the terms of the series below fall under 2^-58
SERIES = (1.0, -1 / 3, 2 / 15, -17 / 315, 62 / 2835, -1382 / 155925, 21844 / 6081075, -929569 / 638512875)


@kernel
def _normal_below(z):
    """Probability of a standard normal number below z, which keeps its digits where it is small."""
    return 0.5 * f.erfc(-ROOT_HALF * z)


@kernel
def _tanh_pair(z):
    """tanh and its slope from one exponential; near 0, where 1 - e loses digits, Taylor's series."""
    one = like(z, 1.0)
    e = f.exp(-2.0 * f.absolute(z))
    r = one / (one + e)
    far = (one - e) * r
    s = z * z
    s2 = s * s
    low = SERIES[0] + SERIES[1] * s + s2 * (SERIES[2] + SERIES[3] * s)
    near = low + s2 * s2 * (SERIES[4] + SERIES[5] * s + s2 * (SERIES[6] + SERIES[7] * s))
    t = select(f.absolute(z) < like(z, NEAR), z * near, select(z < like(z, 0.0), -far, far))
    return t, 4.0 * e * r * r


@kernel
def _sigmoid_pair(z):
    """1 / (1 + exp(-z)) and its slope from one exponential."""
    one = like(z, 1.0)
    e = f.exp(-f.absolute(z))
    r = one / (one + e)
    return select(z < like(z, 0.0), e, one) * r, e * r * r


@kernel
def value(code, z):
    """phi(z) of the activation with this code."""
    zero = like(z, 0.0)
    if code == IDENTITY:
        return z
    elif code == TANH:
        return _tanh_pair(z)[0]
    elif code == RELU:
        return maximum(z, zero)
    elif code == SIGMOID:
        return _sigmoid_pair(z)[0]
    elif code == ERF:
        return f.erf(like(z, HALF_ROOT_PI) * z)
    elif code == LEAKY_RELU:
        return select(z > zero, z, like(z, LEAK) * z)
    elif code == ELU:
        return select(z > zero, z, f.expm1(minimum(z, zero)))
    elif code == SOFTPLUS:
        return f.softplus(z)
    elif code == SILU:
        return z * f.sigmoid(z)
    elif code == GELU:
        return z * _normal_below(z)
    elif code == SIN:
        return f.sin(z)
    else:
        return f.cos(z)


@kernel
def _silu_slope(z):
    """s(z) (1 + z s(-z)), both sigmoids s from one exponential."""
    zero, one = like(z, 0.0), like(z, 1.0)
    e = f.exp(-f.absolute(z))
    upper = select(z < zero, e, one) / (one + e)
    lower = select(z < zero, one, e) / (one + e)
    return upper * (one + z * lower)


@kernel
def slope(code, z):
    """phi'(z) of the activation with this code."""
    zero, one = like(z, 0.0), like(z, 1.0)
    if code == IDENTITY:
        return one
    elif code == TANH:
        return _tanh_pair(z)[1]
    elif code == RELU:
        return select(z > zero, one, zero)
    elif code == SIGMOID:
        return _sigmoid_pair(z)[1]
    elif code == ERF:
        return f.exp(like(z, -HALF_ROOT_PI * HALF_ROOT_PI) * z * z)
    elif code == LEAKY_RELU:
        return select(z > zero, one, like(z, LEAK))
    elif code == ELU:
        return f.exp(minimum(z, zero))
    elif code == SOFTPLUS:
        return f.sigmoid(z)
    elif code == SILU:
        return _silu_slope(z)
    elif code == GELU:
        return _normal_below(z) + z * f.exp(-0.5 * z * z) / ROOT_2_PI
    elif code == SIN:
        return f.cos(z)
    else:
        return -f.sin(z)


@kernel
def pair(code, z):
    """phi(z) and phi'(z)."""
    if code == TANH:
        return _tanh_pair(z)
    elif code == SIGMOID:
        return _sigmoid_pair(z)
    else:
        return value(code, z), slope(code, z)


@kernel
def _each(function, lanes, width, code, n, Z, Y):
    """Y = function(code, Z) of n consecutive numbers; Y may be Z.

    `lanes` is `rows_of(width)`: rows of `width` numbers go through the vector library. The last row overlaps the one
    before where n is no multiple; it is read before anything is written.
    """
    if n < width:
        for i in range(n):
            Y[i] = function(code, Z[i])
    else:
        z, y = lanes(Z), lanes(Y)
        last = function(code, lanes(slot(Z, n - width, width))[0])
        for i in range(n // width):
            y[i] = function(code, z[i])
        end = lanes(slot(Y, n - width, width))
        end[0] = last


@kernel
def values(lanes, width, code, n, Z, Y):
    """Y = phi(Z) of n consecutive numbers; Y may be Z; `lanes` is `rows_of(width)`."""
    _each(value, lanes, width, code, n, Z, Y)


@kernel
def slopes(lanes, width, code, n, Z, D):
    """D = phi'(Z) of n consecutive numbers; D may be Z."""
    _each(slope, lanes, width, code, n, Z, D)


@kernel
def pairs(lanes, width, code, n, Z, Y, D):
    """Y = phi(Z) and D = phi'(Z) of n consecutive numbers; Y or D may be Z."""
    if n < width:
        for i in range(n):
            Y[i], D[i] = pair(code, Z[i])
    else:
        z, y, d = lanes(Z), lanes(Y), lanes(D)
        last_value, last_slope = pair(code, lanes(slot(Z, n - width, width))[0])
        for i in range(n // width):
            y[i], d[i] = pair(code, z[i])
        end_of_values, end_of_slopes = lanes(slot(Y, n - width, width)), lanes(slot(D, n - width, width))
        end_of_values[0] = last_value
        end_of_slopes[0] = last_slope
