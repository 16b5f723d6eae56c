"""Projection onto a subspace that the dynamics keeps, and off it, against what rounding adds.

Off the subspace vectors may grow faster than on it, so that rounding errors would take over the frame. The orthonormal
rows u_0, u_1 ... lie in `P` from row `at` on, n for each.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like


@kernel
def _dot(n, u, o, S, P):
    s = P[u] * S[o]
    for i in range(1, n):
        s = s + P[u + i] * S[o + i]
    return s


@kernel
def remove(n, count, at, S, o, P, W):
    """v - sum of (u v) u for the vector at row o of `S`."""
    for c in range(count):
        u = at + c * n
        s = _dot(n, u, o, S, P)
        for i in range(n):
            S[o + i] = S[o + i] - s * P[u + i]


@kernel
def keep(n, count, at, S, o, P, W):
    """sum of (u v) u for the vector at row o of `S`; `W` is scratch."""
    for i in range(n):
        W[i] = like(S[0], 0.0)
    for c in range(count):
        u = at + c * n
        s = _dot(n, u, o, S, P)
        for i in range(n):
            W[i] = W[i] + s * P[u + i]
    for i in range(n):
        S[o + i] = W[i]
