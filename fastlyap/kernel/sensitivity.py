"""Objectives along an orbit, and the loop that pulls their covectors back through it.

States are augmented (`trace.augment`): rows 0 .. own-1 of `S` are x, the others up to n the parameters, which stand
still; row n counts (see `layout`). Covectors (w, g) lie behind. A segment's states are recomputed from its first.
"""

from fastlyap import status
from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import both, like, negate, select, slot


@kernel
def examine(S, A, own, step, radius):
    """Give a status to members whose state left the ball or holds a NaN."""
    inside = abs(S[0]) <= like(S[0], radius)
    valid = S[0] == S[0]
    for i in range(1, own):
        inside = both(inside, abs(S[i]) <= like(S[0], radius))
        valid = both(valid, S[i] == S[i])
    fresh = both(A[layout.STATUS] == 0.0, negate(inside))
    code = select(valid, like(A[0], status.ESCAPED), like(A[0], status.NOT_FINITE))
    A[layout.STATUS] = select(fresh, code, A[layout.STATUS])
    unnamed = both(A[layout.STATUS] > 0.0, A[layout.FAILED_STEP] < 0.0)
    A[layout.FAILED_STEP] = select(unnamed, like(A[0], step), A[layout.FAILED_STEP])


@kernel
def observe_orbit(
    model, advance, observe, S, A, P, W, F, own, count, t0, dt, first, n_steps, radius, rtol, atol
):  # fmt: skip
    """Advance, writing the `count` objectives at the start of each step to the rows `F`."""
    for s in range(n_steps):
        t = t0 + (first + s) * dt
        observe(t, S, P, W, F, s * count)
        advance(model, t, dt, S, A, P, W, 0, False, rtol, atol)
        examine(S, A, own, first + s + 1, radius)


@kernel
def wander(model, advance, S, A, P, W, X, own, t0, dt, first, n_steps, stride, radius, rtol, atol):
    """Advance, writing the states x to the rows `X` after every `stride` steps."""
    for s in range(n_steps):
        advance(model, t0 + (first + s) * dt, dt, S, A, P, W, 0, False, rtol, atol)
        examine(S, A, own, first + s + 1, radius)
        if (s + 1) % stride == 0:
            row = (s // stride) * own
            for i in range(own):
                X[row + i] = S[i]


@kernel
def keep_state(own, n, S, X, o):
    """Copy state and counter to the rows `X` from o on."""
    for i in range(own):
        X[o + i] = S[i]
    X[o + own] = S[n]


@kernel
def recall(own, n, S, X, o):
    """Take state and counter from there."""
    for i in range(own):
        S[i] = X[o + i]
    S[n] = X[o + own]


@kernel
def go_again(model, advance, S, A, P, W, X, own, t0, dt, first, n_steps, rtol, atol):
    """Go over a stretch again: state and counter before each step to `X`, own + 1 rows each."""
    for s in range(n_steps):
        keep_state(own, model.n, S, X, s * (own + 1))
        if s < n_steps - 1:
            advance(model, t0 + (first + s) * dt, dt, S, A, P, W, 0, False, rtol, atol)


@kernel
def pull_segment(
    model, advance, back, feed, S, A, P, W, X, F, own, k, t0, dt, first, n_steps, last, cut, weight, keep, rtol, atol
):  # fmt: skip
    """Pull the k covectors back over the steps first .. first + n_steps - 1, of which the state in `S` is the start.

    After each step the derivatives of the objectives, times `weight` if that is not 0, are added. Every `cut` steps
    (0: never), counted back from step `last`, covectors of the state are dropped. `back` pulls one step; it is given
    the place in the rows `F` of the k numbers of the step, and the step's entry of `keep` (one entry: of all steps).
    """
    n = model.n
    row = own + 1
    go_again(model, advance, S, A, P, W, X, own, t0, dt, first, n_steps, rtol, atol)
    Z = slot(X, n_steps * row, layout.INNER_STEPS * (n + 2))
    for j in range(n_steps):
        s = n_steps - 1 - j
        step = first + s
        t = t0 + step * dt
        recall(own, n, S, X, s * row)
        back(t, dt, S, A, P, W, Z, F, s * k, keep[min(step, len(keep) - 1)], k, rtol, atol)
        recall(own, n, S, X, s * row)
        if cut > 0 and (last - step) % cut == 0:
            for c in range(k):
                for i in range(own):
                    S[n + 1 + c * n + i] = like(S[0], 0.0)
        if weight != 0.0:
            feed(t, weight, S, k, P, W)
