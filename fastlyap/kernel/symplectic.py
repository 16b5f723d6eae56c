"""Symplectic steps of separable flows q' = f(p), p' = g(t, q): drifts and kicks in turn, each exactly solved.

q <- q + a_i h f(p), then p <- p + b_i h g(t + c_i h, q), c_i = a_0 + ... + a_i; a last drift. Each is a shear, so the
tangent of the step is a product of shears of determinant 1, symplectic when f and g are gradients. Sources: Verlet
(1967); Yoshida, Phys. Lett. A 150 (1990) 262; Hairer, Lubich & Wanner, Geometric Numerical Integration, II.5.

A drift or kick is given by three functions, which may write over their operand, since they change only one half of it:
push(t, x, P, J, o, h, out, K) -> x + h f(t, x), leaving Jacobian entries at J[o:]; carry(J, o, P, v, h, out, K) ->
v + h J v; pull(J, o, P, w, h, out, K) -> w + h J' w. K is scratch.
"""

from typing import NamedTuple

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot


class Scheme(NamedTuple):
    """Lengths of the drifts, and of the kicks between them, in units of the step."""

    drifts: tuple[float, ...]
    kicks: tuple[float, ...]


OUTER = 1.0 / (2.0 - 2.0 ** (1.0 / 3.0))
INNER = 1.0 - 2.0 * OUTER
LEAPFROG = Scheme((0.5, 0.5), (1.0,))
YOSHIDA4 = Scheme((OUTER / 2, (OUTER + INNER) / 2, (OUTER + INNER) / 2, OUTER / 2), (OUTER, INNER, OUTER))


@kernel
def advance(model, drift, kick, carry_drift, carry_kick, scheme, t, dt, S, P, W, k):
    """One step of the state and of its tangent vectors; the stages' entries stay in `W`, drift, kick, drift ..."""
    n = model.n
    m = model.m
    last = len(scheme.kicks)
    h = like(S[0], dt)
    span = model.span(k)
    K = slot(W, model.free, span)
    X = slot(S, 0, n)
    x = model.get(S, 0)
    gone = 0.0
    for i in range(last):
        gone += scheme.drifts[i]
        x = drift(like(h, t), x, P, W, 2 * i * m, like(h, scheme.drifts[i]) * h, X, K)
        now = like(h, t + gone * dt)
        x = kick(now, x, P, W, (2 * i + 1) * m, like(h, scheme.kicks[i]) * h, X, K)
    x = drift(like(h, t + dt), x, P, W, 2 * last * m, like(h, scheme.drifts[last]) * h, X, K)
    model.put(S, 0, x)
    for o in range(n + 1, n + 1 + k * n, span):
        V = slot(S, o, span)
        v = model.bundle(S, o, span)
        for i in range(last):
            v = carry_drift(W, 2 * i * m, P, v, like(h, scheme.drifts[i]) * h, V, K)
            v = carry_kick(W, (2 * i + 1) * m, P, v, like(h, scheme.kicks[i]) * h, V, K)
        v = carry_drift(W, 2 * last * m, P, v, like(h, scheme.drifts[last]) * h, V, K)
        model.put(S, o, v)


@kernel
def pull(model, pull_drift, pull_kick, scheme, dt, S, o, span, P, W):
    """The transpose of the step, from its last drift to its first."""
    m = model.m
    last = len(scheme.kicks)
    h = like(S[0], dt)
    K = slot(W, model.free, span)
    V = slot(S, o, span)
    w = model.bundle(S, o, span)
    w = pull_drift(W, 2 * last * m, P, w, like(h, scheme.drifts[last]) * h, V, K)
    for back in range(last):
        i = last - 1 - back
        w = pull_kick(W, (2 * i + 1) * m, P, w, like(h, scheme.kicks[i]) * h, V, K)
        w = pull_drift(W, 2 * i * m, P, w, like(h, scheme.drifts[i]) * h, V, K)
    model.put(S, o, w)
