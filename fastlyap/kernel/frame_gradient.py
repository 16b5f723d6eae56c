"""Exponents differentiated: a state and its k tangents as one state, factorised from time to time, and the way back.

Rows of `S`: x (n), then the tangents (k, n), then parameters that stand still; covectors of the whole lie behind (see
`layout`). After each factorisation V' = Q R the exponents gain log R_jj. Backward, with covectors q of the vectors of Q
and weights w of the log R_jj,
    v R' = q + C Q,    C_ij = C_ji = w_i [i = j] - q_i Q_j,  i >= j
is the covector of V. Sources: the reverse rule of QR, Walter & Lehmann, Optim. Methods Softw. 28 (2013); gradient
flossing, Engelken, arXiv 2312.17306.
"""

import math

from fastlyap.kernel import layout, vectors
from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import like, select, slot
from fastlyap.kernel.sensitivity import examine, keep_state, recall

LOST = (8.0 * 2.0**-52) ** 2  # of the square of a vector; what is left of it then is rounding noise


@kernel_call
def factor(n, k, S, o, R, r):
    """The k vectors at row `o` become orthonormal, by modified Gram-Schmidt gone through twice; R (k, k) at row `r`.

    R_jj = 0 where a vector is lost in rounding; nothing behind it is of use then.
    """
    for j in range(k):
        v = slot(S, o + j * n, n)
        before = vectors.dot(n, v, v)
        for i in range(j):
            R[r + i * k + j] = like(S[o], 0.0)
        for _again in range(2):
            for i in range(j):
                u = slot(S, o + i * n, n)
                s = vectors.dot(n, u, v)
                R[r + i * k + j] = R[r + i * k + j] + s
                vectors.axpy(n, -s, u, v, v)
        square = vectors.dot(n, v, v)
        length = select(square <= like(before, LOST) * before, before - before, math.sqrt(square))
        R[r + j * k + j] = length
        vectors.scale(n, like(length, 1.0) / length, v, v)


@kernel_call
def pull_factor(n, k, S, o, c, R, r, F, w, C):
    """The covectors of Q at row `c`, Q at `o`, become those of V; weights at row `w` of F; scratch `C` (k, k)."""
    for i in range(k):
        for j in range(i + 1):
            s = vectors.dot(n, slot(S, c + i * n, n), slot(S, o + j * n, n))
            C[i * k + j] = F[w + i] - s if i == j else -s
            C[j * k + i] = C[i * k + j]
    for i in range(k):
        q = slot(S, c + i * n, n)
        for j in range(k):
            vectors.axpy(n, C[i * k + j], slot(S, o + j * n, n), q, q)
    for back in range(k):
        i = k - 1 - back
        v = slot(S, c + i * n, n)
        for j in range(i + 1, k):
            vectors.axpy(n, -R[r + i * k + j], slot(S, c + j * n, n), v, v)
        vectors.scale(n, like(v[0], 1.0) / R[r + i * k + i], v, v)


@kernel
def closes(s, n_steps, every):
    """Whether a factorisation follows step number s of n_steps."""
    return (s + 1) % every == 0 or s + 1 == n_steps


@kernel
def grow(model, advance, S, A, P, W, R, n, k, t0, dt, first, n_steps, every, radius, rtol, atol):
    """Advance by `n_steps`, factorising every so many steps and at the end; the factors one after another to `R`."""
    at = 0
    for s in range(n_steps):
        advance(model, t0 + (first + s) * dt, dt, S, A, P, W, 0, False, rtol, atol)
        examine(S, A, n, first + s + 1, radius)
        if closes(s, n_steps, every):
            factor(n, k, S, n, R, at)
            at += k * k


@kernel
def grow_back(
    model, advance, back, S, A, P, W, X, R, F, n, k, count, t0, dt, first, n_steps, every, rtol, atol
):  # fmt: skip
    """Pull `count` covectors back over the steps from `first`, at whose start the state is now.

    F : rows (count, k), the weights of the logarithms of R_jj; X, R : room for the states and factors of all steps.
    """
    whole, own = model.n, n * (1 + k)
    row = own + 1
    at = 0
    for s in range(n_steps):
        keep_state(own, whole, S, X, s * row)
        advance(model, t0 + (first + s) * dt, dt, S, A, P, W, 0, False, rtol, atol)
        if closes(s, n_steps, every):
            factor(n, k, S, n, R, at)
            at += k * k
    keep_state(own, whole, S, X, n_steps * row)
    C = slot(X, (n_steps + 1) * row, k * k)
    Z = slot(X, (n_steps + 1) * row + k * k, layout.INNER_STEPS * (whole + 2))
    for j in range(n_steps):
        s = n_steps - 1 - j
        if closes(s, n_steps, every):
            at -= k * k
            recall(own, whole, S, X, (s + 1) * row)
            for c in range(count):
                pull_factor(n, k, S, n, whole + 1 + c * whole + n, R, at, F, c * k, C)
        recall(own, whole, S, X, s * row)
        back(t0 + (first + s) * dt, dt, S, A, P, W, Z, F, 0, 1.0, count, rtol, atol)
    recall(own, whole, S, X, 0)
