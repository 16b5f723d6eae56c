"""One step of a noisy system pulled back, a share of the covectors handed to the noise: the path-kernel.

x' = step(x) + s(x) V w, w the scaled normals of the step. With B, A the derivatives of the step alone, psi what the
objective gains later, b / s the score of the noise (component by component, or along the directions V) and Pi the
projection onto where there is noise, one step of the path-kernel is

    mu = (1 - beta Pi)' nu' + beta psi b / s,   g += B' mu + (s_theta V w) . nu',   nu = A' mu + (s_x V w) . nu'.

In the place of beta there may be a matrix K, mu = nu' + (Pi K)' (psi b / s - Pi' nu'). beta = 0 is backpropagation,
beta = 1 kernel differentiation (see `likelihood`, which needs no nu) but for parameters of the noise itself. Source:
Ni, Adjoint path-kernel (2025), in discrete time.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import types

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, narrow_like, select, slot
from fastlyap.kernel.masks import everywhere


class Score(NamedTuple):
    """The noise of one system: its functions, its sizes, and where things lie."""

    own: int  # states x
    q: int  # normals of a step
    normals: int  # the row of P with the first of them
    share: int  # the row of P with the member's 1 - beta
    far: int  # the first of 4 n + rows of scratch that a step leaves alone
    rows: int  # of the blocks of the functions below
    directed: bool  # whether there are directions V (then all sizes are the same)
    varies: bool  # whether the size depends on states or on parameters that are states
    spread: object  # (own, q) V+', the score of the normals as a covector of the state
    inside: object  # (own, own) Pi
    sizes: Callable  # (t, x, P, J, o, out) -> s, and zeros
    sizes_linearise: Callable
    sizes_adjoint: Callable  # (J, o, P, w, out) -> (s_x, s_theta)' w
    push_linearise: Callable  # the same of s V w
    push_adjoint: Callable


@kernel
def ratio(z, a, b):
    """a / b, and 0 where b is 0."""
    none = b == like(z, 0.0)
    return select(none, like(z, 0.0), a / select(none, like(z, 1.0), b))


@kernel
def blend(nu, score, size, psi, keep, share):
    """keep nu + share psi score of a component, nu where there is no noise; nu may be infinite where keep = 0."""
    zero = like(nu, 0.0)
    rest = select(keep == zero, zero, keep * nu)
    return select(size == zero, nu, rest + share * psi * score)


@kernel
def _scores(model, score, t, dt, square, S, P, W):
    """Write b / (scale s) to `own` rows of scratch and the sizes s to others; where s = 0 there is no score."""
    n = model.n
    far = score.far + score.rows
    s = score.sizes(like(S[0], t), model.get(S, 0), P, W, score.far, slot(W, far, n))
    model.put(W, far + n, s)
    inverse = like(S[0], 1.0 / square)
    if score.directed:
        for i in range(score.own):
            total = like(S[0], 0.0)
            for j in range(score.q):
                total = total + like(total, score.spread[i, j]) * P[score.normals + j]
            W[far + 2 * n + i] = ratio(total, total * inverse, W[far + n])
    else:
        for i in range(score.own):
            w = P[score.normals + i]
            W[far + 2 * n + i] = ratio(w, w * inverse, W[far + n + i])


@kernel
def _mix(model, score, S, o, W, psi, keep, share):
    """nu <- (1 - share Pi) nu + share psi b / s; where nothing is kept, nu may be infinite."""
    n = model.n
    zero = like(S[0], 0.0)
    b = score.far + score.rows + 2 * n
    size = score.far + score.rows + n
    if score.directed:
        Y = slot(W, score.far + score.rows, n)
        for i in range(score.own):
            total = zero
            for j in range(score.own):
                total = total + like(zero, score.inside[i, j]) * S[o + j]
            Y[i] = total
        for i in range(score.own):
            rest = select(share == zero, S[o + i], S[o + i] - share * Y[i])
            S[o + i] = rest + share * psi * W[b + i]
    else:
        for i in range(score.own):
            S[o + i] = blend(S[o + i], W[b + i], W[size + i], psi, keep, share)


@kernel
def _by_share(model, score, S, o, W, P, psi, keep):
    kept = like(S[0], keep) * P[score.share]
    _mix(model, score, S, o, W, psi, kept, like(S[0], 1.0) - kept)


@kernel
def _by_matrix(model, score, S, o, W, P, psi, K):
    n = model.n
    zero = like(S[0], 0.0)
    far = score.far + score.rows
    D = slot(W, far, n)
    for i in range(score.own):
        met = S[o + i]
        if score.directed:
            met = zero
            for j in range(score.own):
                met = met + like(zero, score.inside[i, j]) * S[o + j]
        met = psi * W[far + 2 * n + i] - met
        D[i] = met if score.directed else select(W[far + n + i] == zero, zero, met)
    for j in range(score.own):
        total = S[o + j]
        for i in range(score.own):
            total = total + like(zero, K[i, j]) * D[i]
        S[o + j] = total


def hand_over(model, score, S, o, W, P, psi, keep):
    """Hand the noise its part of the covector at row `o`: 1 - `keep` of it, or what the matrix `keep`, K, takes."""
    if np.ndim(keep) == 2:
        _by_matrix(model, score, S, o, W, P, psi, keep)
    else:
        _by_share(model, score, S, o, W, P, psi, keep)


@everywhere(hand_over)
def _ov_hand_over(model, score, S, o, W, P, psi, keep):
    if isinstance(keep, types.Array):
        return lambda model, score, S, o, W, P, psi, keep: _by_matrix(model, score, S, o, W, P, psi, keep)
    return lambda model, score, S, o, W, P, psi, keep: _by_share(model, score, S, o, W, P, psi, keep)


@kernel
def _advanced(model, score, advance, t, dt, square, S, A, P, W, rtol, atol):
    """Advance; the state stays as it was, the new one goes to rows of scratch, the scores of the step beside it."""
    n = model.n
    X = slot(W, score.far + score.rows + 3 * n, score.own + 1)
    for i in range(score.own):
        X[i] = S[i]
    X[score.own] = S[n]
    advance(model, t, dt, S, A, P, W, 0, False, rtol, atol)
    for i in range(score.own):
        new = S[i]
        S[i] = X[i]
        X[i] = new
    new = S[n]
    S[n] = X[score.own]
    X[score.own] = new
    _scores(model, score, t, dt, square, S, P, W)


@kernel
def path_step(model, score, advance, pull, t, dt, square, S, A, P, W, F, place, keep, k, rtol, atol):
    """Pull k covectors (nu, g) back through the step that starts at the state in `S`, which stays.

    keep : 1 - beta of the step, or its matrix K
    """
    n = model.n
    far = score.far + score.rows
    _advanced(model, score, advance, t, dt, square, S, A, P, W, rtol, atol)
    E = slot(W, far + 4 * n + 1, n)
    if score.varies:
        score.push_linearise(like(S[0], t), model.get(S, 0), P, W, score.far, slot(W, far, n))
    for c in range(k):
        o = n + 1 + c * n
        if score.varies:
            model.put(E, 0, score.push_adjoint(W, score.far, P, model.get(S, o), slot(W, far, n)))
        hand_over(model, score, S, o, W, P, narrow_like(F[place + c], S[0]), keep)
        pull(model, dt, S, o, n, P, W)
        if score.varies:
            for i in range(n):
                S[o + i] = S[o + i] + E[i]
