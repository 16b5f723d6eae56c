"""Standard normal numbers from uniform ones, by the inverse of their distribution function.

Near the middle x = (u - 1/2) P(w), w = -log2(4 u (1 - u)): P has no singularity where numbers are found, so that one
polynomial serves all but one number in 500 (the variable is that of Giles, Approximating the erfinv function, GPU
Computing Gems 2, 2011). Further out rational functions on two ranges: AS 241 (PPND16), Wichura, Applied Statistics 37
(1988). Error at most `ULPS` units in the last place, held by tests/kernel/test_random.py against scipy.special.ndtri;
devices with other logarithms differ by no more.
"""

import math

from llvmlite import ir
from numba.extending import intrinsic

from fastlyap.kernel import elementary
from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import any_lane, either, like, minimum, select, split
from fastlyap.kernel.masks import exactly

ULPS = 8
CENTRE = 4.0  # t = w - 4 up to which the polynomial holds, u = .00098
MIDDLE = -6.5
ROOT_TWO = 1.4142135623730951
FAR = 5.0  # sqrt(-log u) beyond which the third range begins: one number in 4e10


@kernel
def _ratio(x, a0, a1, a2, a3, a4, a5, a6, a7, b1, b2, b3, b4, b5, b6, b7):
    """A ratio of polynomials, Horner."""
    above = ((((((a7 * x + a6) * x + a5) * x + a4) * x + a3) * x + a2) * x + a1) * x + a0
    below = ((((((b7 * x + b6) * x + b5) * x + b4) * x + b3) * x + b2) * x + b1) * x + like(x, 1.0)
    return above / below


def _beyond(e, part):
    """What lies beyond the middle of [0, 8] in w = -2 - log2(v): v = 2^e m, log2(m) = 1/2 + part."""
    return MIDDLE - (e + part)


@intrinsic
def _exact_beyond(context, e, part):
    def emit(context, builder, sig, args):
        kind = args[0].type
        middle = ir.Constant(kind, [MIDDLE] * kind.count if isinstance(kind, ir.VectorType) else MIDDLE)
        return builder.fsub(middle, builder.fadd(*args))

    return e(e, part), emit


@exactly(_beyond)
def _ov_beyond(e, part):
    # reassociated, MIDDLE would join the large number that `split` takes off e, and part be lost beside it
    return lambda e, part: _exact_beyond(e, part)


@kernel
def _far_from_middle(v):
    """t = -6 - log2(v) within 2e-16: m = sqrt(2) (1 + s) / (1 - s), atanh(s) by Chebyshev."""
    m, e = split(v)
    s = (m - like(v, ROOT_TWO)) / (m + like(v, ROOT_TWO))
    z = s * s
    series = ((0.2429160853987535 * z + 0.2614442493522915) * z + 0.32061638813224547) * z + 0.4121984020482752
    series = ((series * z + 0.5770780172463286) * z + 0.9617966939243345) * z + 2.885390081777927
    return _beyond(e, s * series)


@kernel
def _central(q, t):
    """q P(w): Chebyshev's approximation of degree 22 on [0, 8], in powers of t = w - 4."""
    p = ((-3.0703282346951515e-23 * t - 1.2074142055639152e-22) * t + 6.98171186302226e-21) * t
    p = (((p - 1.0646742603234688e-20) * t - 7.466307982100425e-19) * t + 5.893965710913942e-18) * t
    p = (((p + 3.124253522238176e-17) * t - 8.418197445397894e-16) * t + 3.717395232775786e-15) * t
    p = (((p + 5.676239939312194e-14) * t - 8.685430396809929e-13) * t + 1.330603100024794e-12) * t
    p = (((p + 8.119379145401072e-11) * t - 8.391411265736994e-10) * t - 1.4887413020473324e-09) * t
    p = (((p + 1.0465366748335718e-07) * t - 7.818969895182818e-07) * t - 4.448192403108315e-06) * t
    p = (((p + 0.00013578719943065895) * t - 0.0009605304804153609) * t - 0.0069382939948379385) * t
    return q * ((p + 0.4785643122229971) * t + 4.435839620809844)


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
def _middle(u):
    """(x, t) of the polynomial."""
    t = _far_from_middle(u * (like(u, 1.0) - u))
    return _central(u - like(u, 0.5), t), t


@kernel_call
def _repaired(u, found, outside):
    """`found`, and in the lanes `outside` the rational functions."""
    r = math.sqrt(-elementary.log(minimum(u, like(u, 1.0) - u)))
    tail = _tail(r)
    far = r > like(r, FAR)
    if any_lane(far):
        tail = select(far, _far_tail(r), tail)
    return select(outside, select(u < like(u, 0.5), -tail, tail), found)


@kernel
def normal(u):
    """The number below which a standard normal one lies with probability u, for u in (0, 1)."""
    found, t = _middle(u)
    outside = t > like(u, CENTRE)
    if any_lane(outside):
        found = _repaired(u, found, outside)
    return found


@kernel_call
def four_normals(a, b, c, d):
    """`normal` of four numbers, whose steps need not wait for each other."""
    w, p = _middle(a)
    x, q = _middle(b)
    y, r = _middle(c)
    z, s = _middle(d)
    centre = like(a, CENTRE)
    if any_lane(either(either(p > centre, q > centre), either(r > centre, s > centre))):
        w = _repaired(a, w, p > centre)
        x = _repaired(b, x, q > centre)
        y = _repaired(c, y, r > centre)
        z = _repaired(d, z, s > centre)
    return w, x, y, z
