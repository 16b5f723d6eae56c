"""The noise of a recurrent cell in a step that is pulled back: a share of the covectors is handed to it.

The formulas of `kernel.score` for noise of constant size s along all states or directions V, one member at a time:
mu = (1 - beta Pi)' nu' + beta psi b / s, and the share of the noise's size in the gradient, (V w) . nu' on the path; of
kernel differentiation, which propagates nothing, mu = psi b / s and psi (b^2 - 1) / s.
"""

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cell_adjoint import GRADIENT, INVERSE, MIXED, OF_LAYER, WHERE, length, seat
from fastlyap.kernel.cells import DIRECTIONS, PLACES, matrix
from fastlyap.kernel.lanes import like, slot
from fastlyap.kernel.score import blend, ratio


@kernel
def _size_of(P, c):
    """Where the sizes of the noise lie among the gradients of covector c; -1 where they are not wanted."""
    at = P[WHERE][len(P[WHERE]) - 2]
    return at if at < 0 else c * length(P) + at


@kernel
def _each_state(n, sizes, path, S, o, P, psi, keep, c):
    """Of noise along each state."""
    N = P[2]
    w = slot(N, sizes + layout.KEYS, n)
    at, share = _size_of(P, c), like(S[o], 1.0) - keep
    for i in range(n):
        s, j = N[min(i, sizes - 1)], min(i, sizes - 1)
        if at >= 0:
            gain = w[i] * S[o + i] if path else psi * ratio(s, w[i] * w[i] - 1.0, s)
            P[GRADIENT][at + j] = P[GRADIENT][at + j] + gain
        kept = S[o + i] if path else like(S[o], 0.0)
        S[o + i] = blend(kept, ratio(s, w[i], s), s, psi, keep, share)


@kernel
def _directed(z, n, q, path, S, o, P, psi, keep, c):
    """Of noise along q directions, of one size."""
    N, s = P[2], P[2][0]
    w = slot(N, 1 + layout.KEYS, q)
    V, T = matrix(P, PLACES * z.layers + DIRECTIONS, n, q), seat(P, OF_LAYER * z.layers + MIXED, q)
    at, share = _size_of(P, c), like(S[o], 1.0) - keep
    for j in range(q):
        total = V[0, j] * S[o]
        for i in range(1, n):
            total = total + V[i, j] * S[o + i]
        T[j] = total
    if at >= 0:
        for j in range(q):
            gain = w[j] * T[j] if path else psi * ratio(s, w[j] * w[j] - 1.0, s)
            P[GRADIENT][at] = P[GRADIENT][at] + gain
    for i in range(n):
        inside = like(S[o], 0.0)
        score = like(S[o], 0.0)
        for j in range(q):
            inside = inside + P[INVERSE][j, i] * T[j]
            score = score + P[INVERSE][j, i] * w[j]
        if not path:
            S[o + i] = psi * ratio(s, score, s)
        elif s != 0.0 and share != 0.0:
            S[o + i] = S[o + i] - share * inside + share * psi * (score / s)


@kernel
def hand_over(z, n, q, sizes, mixed, path, S, P, F, at, keep, k):
    """(nu', g) <- (mu, g + the noise's own part) of the k covectors; their numbers psi are in `F` from row `at`.

    A member's share 1 - beta lies behind its normals; `keep` multiplies it.
    """
    kept = keep * P[2][sizes + layout.KEYS + q]
    for c in range(k):
        o = n + 1 + c * n
        if mixed:
            _directed(z, n, q, path, S, o, P, F[at + c], kept, c)
        else:
            _each_state(n, sizes, path, S, o, P, F[at + c], kept, c)
