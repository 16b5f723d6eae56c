"""Operations on vectors that are runs of n rows: the functions of `model.Model` for larger systems.

A result goes to the rows `out`, which may be an operand; it is returned as well.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, maximum, select, slot


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
def project(n, S, q, v, count):
    """Take the part along the unit vector at row q out of `count` vectors at rows v, v+n ...

    Four vectors at a time, so that the unit vector is loaded once for all of them.
    """
    for g in range(count // 4):
        a = v + 4 * g * n
        b = a + n
        c = b + n
        d = c + n
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
        w = slot(S, v + m * n, n)
        p = dot(n, slot(S, q, n), w)
        for i in range(n):
            w[i] = w[i] - p * S[q + i]
