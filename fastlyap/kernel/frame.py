"""Reorthonormalisation of a tangent frame by modified Gram-Schmidt, and the volume it spans.

V = R' Q with R'_jj = r_j >= 0: the growth of the j-th volume direction. Source: Benettin et al. (1980), part 2;
Shimada & Nagashima (1979). A vector whose remainder is lost in rounding gets r_j = 0 and is replaced by a unit
vector orthogonal to the others, so that the rest of the spectrum goes on.
"""

import math

from fastlyap.kernel import vectors
from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import any_lane, both, is_finite, like, negate, select, slot, smallest, split

LOST = 8.0  # a remainder below LOST * eps * (norm before) is rounding noise


@kernel
def reorthonormalise(model, S, k, R, Z, eps):
    """Orthonormalise the k vectors of the frame in `S`; the diagonal of R goes to the rows `R`; `Z` is scratch."""
    n = model.n
    first = n + 1
    for j in range(k):
        v = model.get(S, first + j * n)
        R[j] = model.dot(v, v)
    for j in range(k):
        o = first + j * n
        v = model.get(S, o)
        square = model.dot(v, v)
        noise = like(square, LOST) * like(square, eps)
        finite = is_finite(R[j])
        square = select(finite, square, R[j])  # too long to be measured: its r must not look like a number
        lost = both(square <= noise * noise * R[j], finite)
        if any_lane(lost):
            model.replace(model.n, S, j, lost)
            square = select(lost, like(square, 1.0), square)
            v = model.get(S, o)
        r = math.sqrt(square)
        model.put(S, o, model.scale(like(r, 1.0) / r, v, slot(S, o, n)))
        model.project(S, first, j, k, Z)
        R[j] = select(lost, r - r, r)


@kernel_call
def replace(n, S, j, lost):
    """Put a unit vector orthogonal to the first j vectors where `lost`, trying the axes in turn."""
    first = n + 1
    o = first + j * n
    missing = lost
    for axis in range(n):
        for i in range(n):
            S[o + i] = select(missing, like(S[o], 1.0 if i == axis else 0.0), S[o + i])
        for _ in range(2):  # twice is enough (Kahan, Parlett)
            for m in range(j):
                s = S[o] * S[first + m * n]
                for i in range(1, n):
                    s = s + S[o + i] * S[first + m * n + i]
                for i in range(n):
                    S[o + i] = select(missing, S[o + i] - s * S[first + m * n + i], S[o + i])
        s = S[o] * S[o]
        for i in range(1, n):
            s = s + S[o + i] * S[o + i]
        good = both(missing, s * like(s, 2.0) * like(s, n) > like(s, 1.0))
        scale = like(s, 1.0) / math.sqrt(s)
        for i in range(n):
            S[o + i] = select(good, scale * S[o + i], S[o + i])
        missing = both(missing, negate(good))
        if not any_lane(missing):
            break


@kernel
def normalise(value):
    """A number >= 0 as (mantissa in [1, 2), exponent); what has lost its bits or is not finite stays as it is."""
    normal = both(negate(value < smallest(value)), is_finite(value))
    mantissa, exponent = split(select(normal, value, like(value, 1.0)))
    return select(normal, mantissa, value), exponent


@kernel_call
def volume(n, S, V):
    """|det| of the n frame vectors in `S` by Householder reflections in the scratch rows `V` (n * n).

    Returned as (mantissa, exponent): the product of many lengths may be out of range.

    The reflector of a column is scaled to w - (u w) u, and four of them are applied to the later vectors together.
    """
    for i in range(n * n):
        V[i] = S[n + 1 + i]
    product = like(S[0], 1.0)
    total = product - product
    for c in range(n):
        o = c * n + c
        before = c % 4
        u = slot(V, o, n - c)
        length = math.sqrt(vectors.dot(n - c, u, u))
        product = product * length
        beta = select(u[0] < like(length, 0.0), u[0] - length, u[0] + length)
        scale = length * abs(beta)
        factor = select(scale > like(scale, 0.0), like(scale, 1.0) / math.sqrt(scale), scale)
        u[0] = beta
        vectors.scale(n - c, factor, u, u)
        vectors.take_out(n - c, n, V, o, o + n, min(3 - before, n - 1 - c))
        for i in range(before):
            V[o - 1 - i] = like(length, 0.0)
        if before == 3:
            product, exponent = normalise(product)
            total = total + exponent
        if before == 3 and c < n - 1:
            vectors.take_out_four(n - c + 3, n, V, o - 3 * n - 3, o + n - 3, n - 1 - c)
    return product, total
