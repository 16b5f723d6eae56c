"""Shadowing covectors: an orbit walked backward in segments, and what each segment leaves in its block of rows.

nu_n = A_n' nu_{n+1} + phi_x(x_n) is sought as v + W a: one covector v for every objective (`count` of them, first in
the frame) and `modes` homogeneous ones W behind them. At the start of a segment W = Q R by Gram-Schmidt, b = Q' v, and
Q and v - Q b go on. Sources: Ni & Talnikar, JCP 395 (2019), "NILSAS"; Ni, Nonlinearity (2024).

Rows of a block, q columns in b and d (`count` and, of a flow, one more for its direction F):
R, D, G, C (modes, modes), b, d (modes, q), gW (modes, p). R as above; C = sum of W W', d = sum of W v and W F, gW =
sum of B' W over the segment; D and G belong to `segment_solve`. Behind the last block: q rows of p, q, q numbers, of
which the last are the sums of v F over all segments.
"""

import math

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot, wide
from fastlyap.kernel.second_sweep import keep_end
from fastlyap.kernel.sensitivity import go_again, recall


@kernel
def block_rows(modes, q, p):
    """Rows of the block of a segment."""
    return 4 * modes * modes + 2 * modes * q + modes * p


@kernel
def dot(own, S, a, b):
    """Scalar product of the first `own` components of the vectors at rows `a` and `b`."""
    total = S[a] * S[b]
    for i in range(1, own):
        total = total + S[a + i] * S[b + i]
    return total


@kernel
def clear(Y, o, rows):
    """Set rows to zero."""
    for i in range(rows):
        Y[o + i] = like(Y[o + i], 0.0)


@kernel
def _accumulate(own, n, S, Y, o, count, modes, q, width, field, W):
    """Add the scalar products of the covectors to C and d of the block at row `o`; F, if any, at row `field` of W."""
    first = n + 1 + count * n
    C = o + 3 * modes * modes
    d = C + modes * modes + modes * q
    for i in range(modes):
        a = first + i * n
        for j in range(i + 1):
            Y[C + i * modes + j] = Y[C + i * modes + j] + wide(dot(own, S, a, first + j * n))
        for j in range(count):
            Y[d + i * q + j] = Y[d + i * q + j] + wide(dot(own, S, a, n + 1 + j * n))
        if q > count:
            total = S[a] * W[field]
            for s in range(1, own):
                total = total + S[a + s] * W[field + s]
            Y[d + i * q + count] = Y[d + i * q + count] + wide(total)
    if q > count:
        for j in range(count):
            v = n + 1 + j * n
            total = S[v] * W[field]
            for s in range(1, own):
                total = total + S[v + s] * W[field + s]
            Y[width + j] = Y[width + j] + wide(total)


@kernel
def orthonormalise(own, n, S, Y, o, count, modes, q):
    """W = Q R, b = Q' v, W <- Q, v <- v - Q b by modified Gram-Schmidt, gone through twice; R and b to the block."""
    first = n + 1 + count * n
    R = o
    b = o + 4 * modes * modes
    for j in range(modes):
        w = first + j * n
        for _again in range(2):
            for i in range(j):
                u = first + i * n
                r = dot(own, S, u, w)
                Y[R + i * modes + j] = Y[R + i * modes + j] + wide(r)
                for s in range(own):
                    S[w + s] = S[w + s] - r * S[u + s]
        length = math.sqrt(dot(own, S, w, w))
        Y[R + j * modes + j] = wide(length)
        for s in range(own):
            S[w + s] = S[w + s] / length
    for j in range(count):
        v = n + 1 + j * n
        for _again in range(2):
            for i in range(modes):
                u = first + i * n
                r = dot(own, S, u, v)
                Y[b + i * q + j] = Y[b + i * q + j] + wide(r)
                for s in range(own):
                    S[v + s] = S[v + s] - r * S[u + s]


@kernel
def _take_gradient(own, n, S, Y, o, count, modes, q):
    """Move the parameters' part of W to the block."""
    p = n - own
    g = o + 4 * modes * modes + 2 * modes * q
    for i in range(modes):
        w = n + 1 + (count + i) * n + own
        for s in range(p):
            Y[g + i * p + s] = wide(S[w + s])
            S[w + s] = like(S[w + s], 0.0)


@kernel
def walk_back(
    model, advance, puller, step_back, feed, S, A, P, W, X, Y, V, own, count, modes, flow, keep, length, segment, tail,
    t0, dt, first, n_steps, rtol, atol,
):  # fmt: skip
    """Pull v and W back over the steps first .. first + n_steps - 1, whole segments of `length` steps.

    The state in `S` is that of step `first`, which begins segment number `segment`; `tail` is the row of `Y` behind
    all blocks. With `keep`, the covectors at the ends of segments go to the rows `V`.
    """
    n = model.n
    q = count + (1 if flow else 0)
    k = count + modes
    row = own + 1
    rows = block_rows(modes, q, n - own)
    go_again(model, advance, S, A, P, W, X, own, t0, dt, first, n_steps, rtol, atol)
    Z = slot(X, n_steps * row, layout.INNER_STEPS * (n + 2))
    for back in range(n_steps):
        s = n_steps - 1 - back
        t = t0 + (first + s) * dt
        o = (segment + s // length) * rows
        if (s + 1) % length == 0:
            clear(Y, o, rows)
            if keep:
                keep_end(own, n, k, S, V, (segment + s // length) * k * own)
        recall(own, n, S, X, s * row)
        step_back(model, advance, puller, t, dt, S, A, P, W, Z, k, rtol, atol)
        recall(own, n, S, X, s * row)
        feed(t, 1.0, S, count, P, W)
        field = model.free + n
        if flow:
            f = model.rule(like(S[0], t), model.get(S, 0), P, W, 0, slot(W, model.free, n))
            model.put(W, field, f)
        _accumulate(own, n, S, Y, o, count, modes, q, tail + q * (n - own) + q, field, W)
        if s % length == 0:
            orthonormalise(own, n, S, Y, o, count, modes, q)
            _take_gradient(own, n, S, Y, o, count, modes, q)
