"""Operations on vectors that are runs of n rows: the functions of `model.Model` for larger systems.

A result goes to the rows `out`, which may be an operand; it is returned as well.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, maximum, select, slot


@kernel
def span(n, k):
    """Rows of a bundle: one vector."""
    return n


@kernel
def bundle(n, S, o, span):
    """The vector at rows o .. o+n-1: a view."""
    return slot(S, o, n)


@kernel
def get(n, S, o):
    """The vector at rows o .. o+n-1: a view."""
    return slot(S, o, n)


@kernel
def put(n, S, o, x):
    """Copy a vector to rows o .. o+n-1."""
    for i in range(n):
        S[o + i] = x[i]


@kernel
def axpy(n, h, a, x, out):
    """x + h a."""
    for i in range(n):
        out[i] = x[i] + h * a[i]
    return out


@kernel
def scale(n, s, a, out):
    """s a."""
    for i in range(n):
        out[i] = s * a[i]
    return out


@kernel
def choose(n, mask, a, b, out):
    """a where `mask`, else b."""
    for i in range(n):
        out[i] = select(mask, a[i], b[i])
    return out


@kernel
def zero(n, x, out):
    """0."""
    for i in range(n):
        out[i] = like(x[0], 0.0)
    return out


@kernel
def dot(n, a, b):
    """Scalar product; four chains of additions, since one would wait for itself."""
    s0 = like(a[0], 0.0)
    s1 = s0
    s2 = s0
    s3 = s0
    for g in range(n // 4):
        i = 4 * g
        s0 = s0 + a[i] * b[i]
        s1 = s1 + a[i + 1] * b[i + 1]
        s2 = s2 + a[i + 2] * b[i + 2]
        s3 = s3 + a[i + 3] * b[i + 3]
    for i in range(n - n % 4, n):
        s0 = s0 + a[i] * b[i]
    return (s0 + s1) + (s2 + s3)


@kernel
def mean_square(n, e, x, y, rtol, atol):
    """Mean of (e / (atol + rtol max(|x|, |y|)))^2."""
    total = like(e[0], 0.0)
    for i in range(n):
        q = e[i] / (atol + rtol * maximum(abs(x[i]), abs(y[i])))
        total = total + q * q
    return total / like(total, n)


@kernel
def take_out(n, stride, S, q, v, count):
    """w - (u w) u for `count` vectors w at rows v, v + stride ...; u is at row q.

    Four vectors at a time, so that u is loaded once for all of them.
    """
    for g in range(count // 4):
        a = v + 4 * g * stride
        b = a + stride
        c = b + stride
        d = c + stride
        p0 = like(S[q], 0.0)
        p1 = p0
        p2 = p0
        p3 = p0
        for i in range(n):
            u = S[q + i]
            p0 = p0 + u * S[a + i]
            p1 = p1 + u * S[b + i]
            p2 = p2 + u * S[c + i]
            p3 = p3 + u * S[d + i]
        for i in range(n):
            u = S[q + i]
            S[a + i] = S[a + i] - p0 * u
            S[b + i] = S[b + i] - p1 * u
            S[c + i] = S[c + i] - p2 * u
            S[d + i] = S[d + i] - p3 * u
    for m in range(count - count % 4, count):
        w = slot(S, v + m * stride, n)
        p = dot(n, slot(S, q, n), w)
        for i in range(n):
            w[i] = w[i] - p * S[q + i]


@kernel
def take_out_four(n, stride, S, q, v, count):
    """w - (u w) u for the four vectors u at rows q, q + stride ... in turn and `count` vectors w at v, v + stride ...

    All scalar products with a vector w are taken at once; those of the u with each other turn them into the ones
    that going one by one would meet. For Gram-Schmidt see Ruhe (1983), Swirydowicz et al. (2021, "inverse compact
    WY"), for reflections Joffrain et al. (2006, "UT transform"). A quarter of the stores, half the loads.
    """
    q1 = q + stride
    q2 = q1 + stride
    q3 = q2 + stride
    u0 = slot(S, q, n)
    u1 = slot(S, q1, n)
    u2 = slot(S, q2, n)
    u3 = slot(S, q3, n)
    g10 = dot(n, u1, u0)
    g20 = dot(n, u2, u0)
    g21 = dot(n, u2, u1)
    g30 = dot(n, u3, u0)
    g31 = dot(n, u3, u1)
    g32 = dot(n, u3, u2)
    for pair in range((count + 1) // 2):
        a = slot(S, v + 2 * pair * stride, n)
        b = slot(S, v + min(2 * pair + 1, count - 1) * stride, n)
        a0 = like(S[q], 0.0)
        a1 = a0
        a2 = a0
        a3 = a0
        b0 = a0
        b1 = a0
        b2 = a0
        b3 = a0
        for i in range(n):
            x = a[i]
            y = b[i]
            a0 = a0 + u0[i] * x
            b0 = b0 + u0[i] * y
            a1 = a1 + u1[i] * x
            b1 = b1 + u1[i] * y
            a2 = a2 + u2[i] * x
            b2 = b2 + u2[i] * y
            a3 = a3 + u3[i] * x
            b3 = b3 + u3[i] * y
        a1 = a1 - g10 * a0
        b1 = b1 - g10 * b0
        a2 = a2 - g20 * a0 - g21 * a1
        b2 = b2 - g20 * b0 - g21 * b1
        a3 = a3 - g30 * a0 - g31 * a1 - g32 * a2
        b3 = b3 - g30 * b0 - g31 * b1 - g32 * b2
        for i in range(n):
            x = a[i] - a0 * u0[i] - a1 * u1[i] - a2 * u2[i] - a3 * u3[i]
            y = b[i] - b0 * u0[i] - b1 * u1[i] - b2 * u2[i] - b3 * u3[i]
            a[i] = x
            b[i] = y


@kernel
def project(n, S, first, j, k, Z):
    """Vector j has become a unit vector: make the next vector orthogonal to all before it, and others if it suits.

    Vectors are at rows first + j n. The parts along four neighbours are taken out of all later vectors together.
    """
    q = first + j * n
    take_out(n, n, S, q, q + n, min(3 - j % 4, k - 1 - j))
    if j % 4 == 3 and j < k - 1:
        take_out_four(n, n, S, q - 3 * n, q + n, k - 1 - j)
