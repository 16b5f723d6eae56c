"""Covariant vectors: what a QR sweep leaves behind at each point, and the sweep that goes back over it.

At point s the frame is V_s = Q_s' R_s, its rows the vectors before reorthonormalisation; with upper-triangular C_s of
unit columns the vectors v = C_s' Q_s satisfy A v_{s-1} = v_s (up to length) if C_{s-1} = R_s^-1 C_s. Iterated against
the recording, almost every C converges. The recording may be of the tangent dynamics, forward in time (covariant
vectors), or of the adjoint, backward in time (adjoint covariant vectors, the sweep then runs forward in time). Ginelli
et al., Phys. Rev. Lett. 99 (2007), 130601.

Rows of a point in `X`: R packed by columns, k cosines of frame and flow, and if `whole` the rows of `S`. Rows `C`:
C packed by columns. Rows `D` (float64): growth of the k vectors in the window, k mantissas and k exponents to base 2;
the same of the frame over all that was swept; smallest |cosine| of each vector and the flow, largest |cosine| of each
pair, 64 counts of each pair's angle. Rows of an output in `Y`: k log growths, n states, k vectors.
"""

import math

from fastlyap.kernel import elementary, growth, layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import both, like, minimum, select, slot, wide
from fastlyap.kernel.tally import tally

N_BINS = 64
PER_RADIAN = N_BINS / (0.5 * math.pi)
STEEP = 1e12  # stands for 1/0 where a direction is lost: the vector turns into the kernel


@kernel
def _note(model, S, P, W, V, X, o, k, t, flow, whole):
    """Write a point: R from the frame before (`V`) and after, its diagonal from the first rows of `W`."""
    n = model.n
    for i in range(k):
        X[o + i * (i + 3) // 2] = W[i]
        q = model.get(S, n + 1 + i * n)
        for j in range(i + 1, k):  # what is left of the vectors is used up, so that V = Q' R whatever Q' Q is
            v = model.get(V, j * n)
            r = model.dot(q, v)
            X[o + j * (j + 1) // 2 + i] = r
            if i + 1 < j:
                model.put(V, j * n, model.axpy(-r, q, v, slot(V, j * n, n)))
    p = o + k * (k + 1) // 2
    if flow:
        f = model.rule(like(S[0], t), model.get(S, 0), P, W, 0, slot(W, model.free, n))
        square = model.dot(f, f)
        scale = select(square > like(square, 0.0), like(square, 1.0) / math.sqrt(square), square)
        for i in range(k):
            X[p + i] = scale * model.dot(model.get(S, n + 1 + i * n), f)
    if whole:
        for i in range(n + 1 + k * n):
            X[p + k + i] = S[i]


@kernel
def record(
    model, advance, S, A, P, W, X, at, width, k, keep, flow, whole, t0, dt, step, n_points, every, spare, radius,
    rtol, atol, eps,
):  # fmt: skip
    """Advance state and frame to the next `n_points` reorthonormalisations; `keep` writes them to `X` from row `at`."""
    n = model.n
    V = slot(W, spare, k * n)
    for s in range(n_points):
        for _ in range(every):
            advance(model, t0 + step * dt, dt, S, A, P, W, k, False, rtol, atol)
            step += 1
        if keep:
            for i in range(k * n):
                V[i] = S[n + 1 + i]
        growth.settle(model, S, A, W, k, False, step, radius, eps)
        if keep:
            _note(model, S, P, W, V, X, at + s * width, k, t0 + step * dt, flow, whole)


@kernel
def record_back(
    model, advance, pull, step_back, S, A, P, W, X, states, width, k, keep, whole, t0, dt, first, n_points, every,
    spare, radius, rtol, atol, eps,
):  # fmt: skip
    """Pull the frame back from step first + n_points * every to `first`; `states` holds those of all these steps."""
    n = model.n
    row = n + 1
    V = slot(W, spare, k * n)
    Z = slot(states, (n_points * every + 1) * row, layout.INNER_STEPS * (n + 2))
    number = n_points * every
    for s in range(n_points):
        for _ in range(every):
            number -= 1
            for i in range(row):
                S[i] = states[number * row + i]
            step_back(model, advance, pull, t0 + (first + number) * dt, dt, S, A, P, W, Z, k, rtol, atol)
        for i in range(row):
            S[i] = states[number * row + i]  # redoing the step moved it on
        if keep:
            for i in range(k * n):
                V[i] = S[n + 1 + i]
        growth.settle(model, S, A, W, k, False, first + number, radius, eps)
        if keep:
            _note(model, S, P, W, V, X, s * width, k, t0, False, whole)


@kernel
def _solve(C, X, o, k, inverse, G):
    """C <- R^-1 C with columns of unit length; the growth of the vectors goes to `G`."""
    for m in range(k):
        r = X[o + m * (m + 3) // 2]
        inverse[m] = select(r > like(r, 0.0), like(r, 1.0) / r, like(r, STEEP))
    for i in range(k):
        c = i * (i + 1) // 2
        square = like(C[0], 0.0)
        for m in range(i, -1, -1):
            y = C[c + m] * inverse[m]
            C[c + m] = y
            square = square + y * y
            q = o + m * (m + 1) // 2
            for r in range(m):
                C[c + r] = C[c + r] - y * X[q + r]
        scale = like(square, 1.0) / math.sqrt(square)
        for m in range(i + 1):
            C[c + m] = scale * C[c + m]
        lost = X[o + i * (i + 3) // 2] <= like(scale, 0.0)
        G[i] = select(lost, like(scale, 0.0), scale)


@kernel
def _measure(C, X, D, o, k, flow, alive):
    """The angles between the vectors at a point, and with the flow."""
    cosines = 5 * k
    counts = cosines + k * (k - 1) // 2
    pair = 0
    for j in range(1, k):
        b = j * (j + 1) // 2
        for i in range(j):
            a = i * (i + 1) // 2
            c = C[a] * C[b]
            for m in range(1, i + 1):
                c = c + C[a + m] * C[b + m]
            size = minimum(abs(c), like(c, 1.0))
            sound = both(alive, size == size)
            place = minimum(like(c, PER_RADIAN) * elementary.acos(size), like(c, N_BINS - 1))
            place = select(sound, place, like(c, 0.0))
            tally(D, counts + N_BINS * pair, place, select(sound, like(D[0], 1.0), like(D[0], 0.0)))
            more = both(sound, wide(size) > D[cosines + pair])
            D[cosines + pair] = select(more, wide(size), D[cosines + pair])
            pair += 1
    if flow:
        first = o + k * (k + 1) // 2
        for i in range(k):
            a = i * (i + 1) // 2
            c = C[a] * X[first]
            for m in range(1, i + 1):
                c = c + C[a + m] * X[first + m]
            less = both(alive, wide(abs(c)) < D[4 * k + i])
            D[4 * k + i] = select(less, wide(abs(c)), D[4 * k + i])


@kernel
def _show(C, X, Y, o, y, n, k, covary):
    """Write state and vectors of a point to an output."""
    x = o + k * (k + 3) // 2
    for i in range(n):
        Y[y + k + i] = X[x + i]
    q = x + n + 1
    v = y + k + n
    if not covary:
        for i in range(k * n):
            Y[v + i] = X[q + i]
    else:
        for i in range(k):
            a = i * (i + 1) // 2
            for r in range(n):
                total = C[a] * X[q + r]
                for m in range(1, i + 1):
                    total = total + C[a + m] * X[q + m * n + r]
                Y[v + i * n + r] = total


@kernel
def sweep(
    n, A, W, X, C, D, Y, width, k, first, n_points, n_window, stride, base, adjoint, covary, whole, flow, spare
):  # fmt: skip
    """Go back over the `n_points` recorded points of a segment that begins at place `first` of the window.

    Places count reorthonormalisations from the start of the window; a tangent recording holds the places first + 1 ...
    first + n_points, an adjoint one first + n_points - 1 ... first. Outputs are the places 1 ... n_window that are
    multiples of `stride`; the growth of an interval belongs to the output at or after its end. The first output in `Y`
    has number `base`. Without `covary` the frames themselves are shown.
    """
    tall = k + n + k * n
    inverse = slot(W, spare, k)
    G = slot(W, spare + k, k)
    alive = A[layout.STATUS] == 0.0
    if whole:
        for interval in range(max(first, 0), min(first + n_points, n_window), stride):
            for i in range(k):
                Y[(interval // stride - base) * tall + i] = like(C[0], 0.0)
    for turn in range(n_points):
        s = n_points - 1 - turn if covary else turn  # sums must not depend on how the orbit is cut into segments
        o = s * width
        place = first + n_points - 1 - s if adjoint else first + s + 1
        interval = place if adjoint else place - 1
        if place % stride == 0 and 1 <= place <= n_window:
            if covary:
                _measure(C, X, D, o, k, flow, alive)
            if whole:
                _show(C, X, Y, o, (place // stride - 1 - base) * tall, n, k, covary)
        if covary:
            _solve(C, X, o, k, inverse, G)
        inside = 0 <= interval < n_window
        y = (interval // stride - base) * tall
        for i in range(k):
            r = X[o + i * (i + 3) // 2]
            if not covary:
                G[i] = r
            if not adjoint or interval < n_window:
                growth.accumulate(D, 2 * k + i, 3 * k + i, r, alive)
            if inside:
                growth.accumulate(D, i, k + i, G[i], alive)
                if whole:
                    Y[y + i] = Y[y + i] + elementary.log(G[i])
