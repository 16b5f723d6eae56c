"""ETDRK4: x' = c x + N(t, x) with fast linear rates c, the linear part solved exactly.

a = E2 x + Q N(x), b = E2 x + Q N(a), d = E2 a + Q (2 N(b) - N(x)),
x' = E x + F1 N(x) + F2 (N(a) + N(b)) + F3 N(d), all factors diagonal. They depend on the step and on the rates, so
they are rows of `P`: E, E2, Q, F1, F2, F3 from row `at` on, n of each, then the sum of h c, and c. Sources: Cox &
Matthews, J. Comp. Phys. 176 (2002) 430; Kassam & Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214.

`damp(P, o, a, out)` is D a and `push(P, o, a, x, out)` is x + D a for the diagonal D at row o.
"""

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot, wide


@kernel
def advance(model, damp, push, at, t, dt, S, A, P, W, k, full):
    """One step of the state and of its tangent vectors; stages in a loop, so that the rule is compiled once."""
    n = model.n
    m = model.m
    free = model.free
    h = like(S[0], dt)
    span = model.span(k)
    x = model.get(S, 0)
    y = x
    b = x
    f0 = x
    r = x
    for s in range(4):
        now = t if s == 0 else t + dt if s == 3 else t + 0.5 * dt
        f = model.linearise(like(h, now), y, P, W, s * m, slot(W, free + (s > 0) * span, n))
        if s == 0:
            f0 = f
        y, b, r = _stage(model, damp, push, at, s, P, x, y, b, f0, f, r, W, free, span)
    model.put(S, 0, r)
    if full:
        ends = model.divergence(W, 0, P) + model.divergence(W, 3 * m, P)
        middle = model.divergence(W, m, P) + model.divergence(W, 2 * m, P)
        nonlinear = h / like(h, 6.0) * (ends + middle + middle)
        A[layout.DIVERGENCE] = A[layout.DIVERGENCE] + wide(nonlinear + P[at + 6 * n])
    for o in range(n + 1, n + 1 + k * n, span):
        v = model.bundle(S, o, span)
        w = v
        b = v
        f0 = v
        r = v
        for s in range(4):
            f = model.tangent(W, s * m, P, w, slot(W, free + (s > 0) * span, span))
            if s == 0:
                f0 = f
            w, b, r = _stage(model, damp, push, at, s, P, v, w, b, f0, f, r, W, free, span)
        model.put(S, o, r)


@kernel
def _stage(model, damp, push, at, s, P, x, y, a, f0, f, r, W, free, span):
    """(next point, a, what the step has come to) after stage s, whose slope f was taken at the point y."""
    n = model.n
    one = like(P[at], 1.0)
    Y = slot(W, free + 2 * span, span)
    B = slot(W, free + 3 * span, span)
    R = slot(W, free + 4 * span, span)
    if s == 0:
        r = push(P, at + 3 * n, f, damp(P, at, x, R), R)
        a = push(P, at + 2 * n, f, damp(P, at + n, x, B), B)
        y = a
    elif s == 1:
        r = push(P, at + 4 * n, f, r, R)
        y = push(P, at + 2 * n, f, damp(P, at + n, x, Y), Y)
    elif s == 2:
        r = push(P, at + 4 * n, f, r, R)
        f = model.axpy(-one, f0, model.scale(one + one, f, Y), Y)
        y = push(P, at + 2 * n, f, damp(P, at + n, a, B), B)
    else:
        r = push(P, at + 5 * n, f, r, R)
    return y, a, r


@kernel
def pull(model, damp, push, at, dt, S, o, span, P, W):
    """The transpose of the step, through the stored stages from the last."""
    n = model.n
    m = model.m
    free = model.free
    one = like(S[0], 1.0)
    w = model.bundle(S, o, span)
    K = slot(W, free, span)
    D = slot(W, free + span, span)
    B = slot(W, free + 2 * span, span)
    C = slot(W, free + 3 * span, span)
    R = slot(W, free + 4 * span, span)
    d = model.adjoint(W, 3 * m, P, damp(P, at + 5 * n, w, K), D)
    half = damp(P, at + 4 * n, w, C)
    b = model.adjoint(W, 2 * m, P, push(P, at + 2 * n, model.scale(one + one, d, K), half, K), B)
    half = damp(P, at + 4 * n, w, C)
    a = model.adjoint(W, m, P, push(P, at + 2 * n, b, half, K), C)
    a = push(P, at + n, d, a, C)
    r = damp(P, at, w, R)
    r = push(P, at + n, a, push(P, at + n, b, r, R), R)
    x = damp(P, at + 3 * n, w, B)
    x = push(P, at + 2 * n, model.axpy(-one, d, a, D), x, B)
    model.put(S, o, model.axpy(one, model.adjoint(W, 0, P, x, K), r, R))
