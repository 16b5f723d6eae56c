"""The unstable part of a linear response: tangents forward, then covectors back with the equivariant divergence.

Beside the covectors v of the objectives (see `segments`) walks one more, nut, with the source sum over c of
eps_c f_xx e_c, where tangents e span the unstable directions and eps are their duals among the homogeneous covectors W.
W e' is constant along a segment, so that with the tangents turned once, W e' = 1, the duals are W itself. What step n
adds to the gradients counts with psi_{n+1}, one number for each of `columns`. Source: Ni, "Fast adjoint algorithm for
linear responses of hyperbolic chaos" (2111.07692), "Equivariant divergence formula" (2108.13863).

Rows V of a segment: v's gradients (count, p); with weights psi nut's (columns, p) and those of W (columns, modes, p).
"""

import math

from fastlyap.kernel import segments
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, wide
from fastlyap.kernel.segment_solve import factor, lower, upper
from fastlyap.kernel.sensitivity import keep_state, recall


@kernel
def response_rows(modes, count, columns, p):
    """Rows of `V` for a segment."""
    return (count + columns + columns * modes) * p


@kernel
def _orthonormalise(own, n, T, modes):
    """Make the tangents orthonormal, by modified Gram-Schmidt gone through twice."""
    for j in range(modes):
        e = n + 1 + j * n
        for _again in range(2):
            for i in range(j):
                u = n + 1 + i * n
                r = segments.dot(own, T, u, e)
                for s in range(own):
                    T[e + s] = T[e + s] - r * T[u + s]
        length = math.sqrt(segments.dot(own, T, e, e))
        for s in range(own):
            T[e + s] = T[e + s] / length


@kernel
def push_forward(model, advance, T, A, P, W, E, own, modes, length, t0, dt, first, n_segments, rtol, atol):
    """Carry the tangents in `T` along over whole segments; those at each segment's start, orthonormal, go to `E`."""
    n = model.n
    for k in range(n_segments):
        _orthonormalise(own, n, T, modes)
        for i in range(modes):
            for s in range(own):
                E[(k * modes + i) * own + s] = T[n + 1 + i * n + s]
        for s in range(length):
            t = t0 + (first + k * length + s) * dt
            advance(model, t, dt, T, A, P, W, modes, False, rtol, atol)


@kernel
def _again(model, advance, S, T, A, P, W, X, E, own, modes, length, segment, t0, dt, first, n_steps, rtol, atol):
    """Go over a stretch again: state, counter and tangents before each step, and at each segment's end, to `X`."""
    n = model.n
    row = own + 1 + modes * own
    ends = n_steps * row
    for i in range(n + 1):
        T[i] = S[i]
    for s in range(n_steps):
        if s % length == 0:
            k = segment + s // length
            for i in range(modes):
                for c in range(own):
                    T[n + 1 + i * n + c] = E[(k * modes + i) * own + c]
                for c in range(own, n):
                    T[n + 1 + i * n + c] = like(T[0], 0.0)
        keep_state(own, n, T, X, s * row)
        for i in range(modes):
            for c in range(own):
                X[s * row + own + 1 + i * own + c] = T[n + 1 + i * n + c]
        advance(model, t0 + (first + s) * dt, dt, T, A, P, W, modes, False, rtol, atol)
        if (s + 1) % length == 0:
            for i in range(modes):
                for c in range(own):
                    X[ends + (s // length * modes + i) * own + c] = T[n + 1 + i * n + c]


@kernel
def _turn(own, n, S, X, at, Z, first, modes):
    """Z (modes, modes) <- (G'G)^-1 G', G = W e': the tangents e at row `at` of X times it are dual to the W of `S`."""
    mm = modes * modes
    for a in range(modes):
        for c in range(modes):
            total = S[first + a * n] * X[at + c * own]
            for s in range(1, own):
                total = total + S[first + a * n + s] * X[at + c * own + s]
            Z[c * modes + a] = total  # G'
    for i in range(modes):
        for j in range(modes):
            total = Z[i * modes] * Z[j * modes]
            for s in range(1, modes):
                total = total + Z[i * modes + s] * Z[j * modes + s]
            Z[mm + i * modes + j] = total
    factor(Z, mm, modes)
    lower(Z, mm, modes, Z, 0, modes)
    upper(Z, mm, modes, Z, 0, modes)


@kernel
def _sources(model, curve, t, S, P, W, X, at, Z, own, count, modes, pairs):
    """Add eps f_xx e, and its part by the parameters, of all pairs to nut; eps are in Z behind the matrices."""
    mm = modes * modes
    for b in range(modes):
        for s in range(own):
            P[pairs + s] = Z[2 * mm + b * own + s]
            total = Z[b] * X[at + s]
            for c in range(1, modes):
                total = total + Z[c * modes + b] * X[at + c * own + s]
            P[pairs + own + s] = total
        curve(t, S, model.n + 1 + count * model.n, P, W)


@kernel
def _weigh(own, n, S, Y, V, F, o, g, at, count, modes, columns):
    """Count what a step has added to the gradients of nut and W, with the weights at row `at` of `F`; set them to 0."""
    p = n - own
    nut = n + 1 + count * n + own
    for s in range(p):
        for c in range(columns):
            place = g + (count + c) * p + s
            V[place] = V[place] + F[at + c] * wide(S[nut + s])
        S[nut + s] = like(S[0], 0.0)
    for i in range(modes):
        w = nut + (1 + i) * n
        for s in range(p):
            new = wide(S[w + s])
            Y[o + i * p + s] = Y[o + i * p + s] + new
            for c in range(columns):
                place = g + (count + columns + c * modes + i) * p + s
                V[place] = V[place] + F[at + c] * new
            S[w + s] = like(S[0], 0.0)


@kernel
def respond_back(
    model, advance, puller, step_back, feed, curve, S, T, A, P, W, X, Y, V, E, F, Z, own, count, modes, columns, pairs,
    length, segment, t0, dt, first, n_steps, at, rtol, atol,
):  # fmt: skip
    """Walk back over whole segments as `segments.walk_back` does, and collect both parts of the response.

    The weights of step first + s are `columns` rows of `F` from row `at` + s columns; `pairs` is the first of twice
    `own` rows of P that `curve` reads. Scratch Z: 2 modes^2 + modes own rows.
    """
    n = model.n
    p = n - own
    q = count + 1
    k = q + modes
    row = own + 1 + modes * own
    rows = segments.block_rows(modes, q, p)
    more = response_rows(modes, count, columns, p)
    frame = n + 1 + q * n
    _again(model, advance, S, T, A, P, W, X, E, own, modes, length, segment, t0, dt, first, n_steps, rtol, atol)
    for back in range(n_steps):
        s = n_steps - 1 - back
        t = t0 + (first + s) * dt
        part = segment + s // length
        o = part * rows
        if (s + 1) % length == 0:
            segments.clear(Y, o, rows)
            segments.clear(V, part * more, more)
            _turn(own, n, S, X, n_steps * row + s // length * modes * own, Z, frame, modes)
        for i in range(modes):
            for c in range(own):
                Z[2 * modes * modes + i * own + c] = S[frame + i * n + c]
        recall(own, n, S, X, s * row)
        step_back(model, advance, puller, t, dt, S, A, P, W, X, k, rtol, atol)
        recall(own, n, S, X, s * row)
        feed(t, 1.0, S, count, P, W)
        _sources(model, curve, t, S, P, W, X, s * row + own + 1, Z, own, count, modes, pairs)
        g = part * more
        _weigh(own, n, S, Y, V, F, o + 4 * modes * modes + 2 * modes * q, g, at + s * columns, count, modes, columns)
        if s % length == 0:
            segments.orthonormalise(own, n, S, Y, o, q, modes, q)
            for j in range(count):
                for c in range(p):
                    V[g + j * p + c] = wide(S[n + 1 + j * n + own + c])
                    S[n + 1 + j * n + own + c] = like(S[0], 0.0)
