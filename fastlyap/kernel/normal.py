"""Standard normal numbers from uniform ones, by the inverse of their distribution function.

Rational functions of degree 7 on three ranges: AS 241 (PPND16), Wichura, Applied Statistics 37 (1988). Error at most
`ULPS` units in the last place, held by tests/kernel/test_random.py against scipy.special.ndtri; devices with other
logarithms differ by no more.
"""

import math

from fastlyap.kernel import elementary
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import any_lane, like, minimum, select

ULPS = 8
CENTRE = 0.425  # |u - 1/2| up to which no logarithm is needed
FAR = 5.0  # sqrt(-log u) beyond which the third range begins: one number in 4e10


@kernel
def _ratio(x, a0, a1, a2, a3, a4, a5, a6, a7, b1, b2, b3, b4, b5, b6, b7):
    """A ratio of polynomials, Horner."""
    above = ((((((a7 * x + a6) * x + a5) * x + a4) * x + a3) * x + a2) * x + a1) * x + a0
    below = ((((((b7 * x + b6) * x + b5) * x + b4) * x + b3) * x + b2) * x + b1) * x + like(x, 1.0)
    return above / below


@kernel
def _central(q):
    r = like(q, 0.180625) - q * q
    return q * _ratio(
        r, 3.3871328727963666080e0, 1.3314166789178437745e2, 1.9715909503065514427e3, 1.3731693765509461125e4,
        4.5921953931549871457e4, 6.7265770927008700853e4, 3.3430575583588128105e4, 2.5090809287301226727e3,
        4.2313330701600911252e1, 6.8718700749205790830e2, 5.3941960214247511077e3, 2.1213794301586595867e4,
        3.9307895800092710610e4, 2.8729085735721942674e4, 5.2264952788528545610e3,
    )  # fmt: skip


@kernel
def _tail(r):
    return _ratio(
        r - like(r, 1.6), 1.42343711074968357734e0, 4.63033784615654529590e0, 5.76949722146069140550e0,
        3.64784832476320460504e0, 1.27045825245236838258e0, 2.41780725177450611770e-1, 2.27238449892691845833e-2,
        7.74545014278341407640e-4, 2.05319162663775882187e0, 1.67638483018380384940e0, 6.89767334985100004550e-1,
        1.48103976427480074590e-1, 1.51986665636164571966e-2, 5.47593808499534494600e-4, 1.05075007164441684324e-9,
    )  # fmt: skip


@kernel
def _far_tail(r):
    return _ratio(
        r - like(r, 5.0), 6.65790464350110377720e0, 5.46378491116411436990e0, 1.78482653991729133580e0,
        2.96560571828504891230e-1, 2.65321895265761230930e-2, 1.24266094738807843860e-3, 2.71155556874348757815e-5,
        2.01033439929228813265e-7, 5.99832206555887937690e-1, 1.36929880922735805310e-1, 1.48753612908506148525e-2,
        7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15,
    )  # fmt: skip


@kernel
def normal(u):
    """The number below which a standard normal one lies with probability u, for u in (0, 1)."""
    q = u - like(u, 0.5)
    found = _central(q)
    outside = abs(q) > like(q, CENTRE)
    if any_lane(outside):
        r = math.sqrt(-elementary.log(minimum(u, like(u, 1.0) - u)))
        tail = _tail(r)
        far = r > like(r, FAR)
        if any_lane(far):
            tail = select(far, _far_tail(r), tail)
        found = select(outside, select(q < like(q, 0.0), -tail, tail), found)
    return found
