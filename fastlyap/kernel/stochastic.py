"""Steps with noise: the normals of a step, and Heun's method for Stratonovich equations.

Row n of `S` counts the steps, so that whoever carries the state carries the place in the sequence of random numbers
with it: a run that is resumed, and one that is walked backward, draw the same ones again.
"""

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, narrow_like, slot, wide
from fastlyap.kernel.normal import four_normals, normal
from fastlyap.kernel.random import two_blocks, uniform, words


@kernel
def _store(P, o, left, a, b, c, d, scale):
    """`scale` times the normals of one block's words, as many as are `left`."""
    if left == 1:
        P[o] = scale * narrow_like(normal(uniform(a)), scale)
        return
    a, b, c, d = four_normals(uniform(a), uniform(b), uniform(c), uniform(d))
    P[o] = scale * narrow_like(a, scale)
    P[o + 1] = scale * narrow_like(b, scale)
    if left > 2:
        P[o + 2] = scale * narrow_like(c, scale)
    if left > 3:
        P[o + 3] = scale * narrow_like(d, scale)


@kernel
def draw(n, q, at, S, P, scale):
    """Write `scale` times the q normals of step S[n] behind the keys at row `at` of `P`, and count the step."""
    step = S[n]
    key = (P[at], P[at + 1], P[at + 2], P[at + 3], P[at + 4])
    first = at + layout.KEYS
    blocks = (q + 3) // 4
    for pair in range(blocks // 2):
        o = 8 * pair
        a, b, c, d, e, f, g, h = two_blocks(step, key, 2 * pair)
        _store(P, first + o, 4, a, b, c, d, scale)
        _store(P, first + o + 4, q - o - 4, e, f, g, h, scale)
    if blocks % 2:
        o = 4 * (blocks - 1)
        a, b, c, d = words(step, key, blocks - 1)
        _store(P, first + o, q - o, a, b, c, d, scale)
    S[n] = step + like(step, 1.0)


@kernel
def heun(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """y = x + h F(x); x' = x + h (F(x) + F(y)) / 2."""
    n = model.n
    m = model.m
    free = model.free
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    span = model.span(k)
    K = slot(W, free, span)
    Y = slot(W, free + span, span)
    R = slot(W, free + 2 * span, span)
    x = model.get(S, 0)
    f = model.linearise(like(h, t), x, P, W, 0, K)
    r = model.axpy(half, f, x, R)
    f = model.linearise(like(h, t + dt), model.axpy(h, f, x, Y), P, W, m, K)
    model.put(S, 0, model.axpy(half, f, r, R))
    if full:
        A[layout.DIVERGENCE] = A[layout.DIVERGENCE] + wide(
            half * (model.divergence(W, 0, P) + model.divergence(W, m, P))
        )
    for o in range(n + 1, n + 1 + k * n, span):
        v = model.bundle(S, o, span)
        r, w = model.stage(W, 0, P, v, v, v, half, h, R, Y, K)
        model.put(S, o, model.add(W, m, P, w, r, half, slot(S, o, span), K))


@kernel
def pull_heun(model, dt, S, o, span, P, W):
    """The transpose of the step: a = h/2 J_y' w; w <- w + a + J_x' (h/2 w + h a)."""
    m = model.m
    free = model.free
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    one = like(h, 1.0)
    K = slot(W, free, span)
    Y = slot(W, free + span, span)
    R = slot(W, free + 2 * span, span)
    w = model.bundle(S, o, span)
    a = model.adjoint(W, m, P, model.scale(half, w, Y), K)
    r = model.axpy(one, a, w, R)
    b = model.axpy(half, w, model.scale(h, a, Y), Y)
    model.put(S, o, model.axpy(one, model.adjoint(W, 0, P, b, K), r, R))
