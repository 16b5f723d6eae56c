"""One step of the state and of its tangent vectors: map, Euler, RK4.

Every stepper first moves the state, leaving the Jacobian entries of its stages in the scratch rows `W`, then takes one
bundle of tangent vectors at a time (`Model.span` rows) through those stages: x' = step(x), v' = d step(x) v, the exact
tangent of the discrete step. Coefficients: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.1
and II.5.

A stepper has the signature `(model, t, dt, S, A, P, W, k, full, rtol, atol)`; it updates the rows of `S` (state, step
proposal, frame) in place and, when `full`, adds the integral of the divergence over the step to `A`.
"""

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot, wide


@kernel
def map_step(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """x' = f(t, x); v' = f_x v."""
    n = model.n
    free = model.free
    x = model.get(S, 0)
    model.put(S, 0, model.linearise(like(S[0], t), x, P, W, 0, slot(W, free, n)))
    span = model.span(k)
    for o in range(n + 1, n + 1 + k * n, span):
        v = model.bundle(S, o, span)
        model.put(S, o, model.tangent(W, 0, P, v, slot(W, free, span)))


@kernel
def euler(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """x' = x + h f(t, x)."""
    n = model.n
    free = model.free
    span = model.span(k)
    K = slot(W, free, span)
    Y = slot(W, free + span, span)
    x = model.get(S, 0)
    h = like(S[0], dt)
    f = model.linearise(like(h, t), x, P, W, 0, K)
    model.put(S, 0, model.axpy(h, f, x, Y))
    if full:
        A[layout.DIVERGENCE] = A[layout.DIVERGENCE] + wide(h * model.divergence(W, 0, P))
    for o in range(n + 1, n + 1 + k * n, span):
        v = model.bundle(S, o, span)
        model.put(S, o, model.axpy(h, model.tangent(W, 0, P, v, K), v, Y))


@kernel
def rk4(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """The classical Runge-Kutta method."""
    n = model.n
    m = model.m
    free = model.free
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    sixth = h / like(S[0], 6.0)
    third = h / like(S[0], 3.0)
    span = model.span(k)
    K = slot(W, free, span)
    Y = slot(W, free + span, span)
    R = slot(W, free + 2 * span, span)
    x = model.get(S, 0)
    f = model.linearise(like(h, t), x, P, W, 0, K)
    r = model.axpy(sixth, f, x, R)
    f = model.linearise(like(h, t + 0.5 * dt), model.axpy(half, f, x, Y), P, W, m, K)
    r = model.axpy(third, f, r, R)
    f = model.linearise(like(h, t + 0.5 * dt), model.axpy(half, f, x, Y), P, W, 2 * m, K)
    r = model.axpy(third, f, r, R)
    f = model.linearise(like(h, t + dt), model.axpy(h, f, x, Y), P, W, 3 * m, K)
    model.put(S, 0, model.axpy(sixth, f, r, R))
    if full:
        ends = model.divergence(W, 0, P) + model.divergence(W, 3 * m, P)
        middle = model.divergence(W, m, P) + model.divergence(W, 2 * m, P)
        A[layout.DIVERGENCE] = A[layout.DIVERGENCE] + wide(sixth * ends + third * middle)
    Z = slot(W, free + 3 * span, span)
    for o in range(n + 1, n + 1 + k * n, span):
        v = model.bundle(S, o, span)
        r, w = model.stage(W, 0, P, v, v, v, sixth, half, R, Y, K)
        r, w = model.stage(W, m, P, w, v, r, third, half, R, Z, K)
        r, w = model.stage(W, 2 * m, P, w, v, r, third, h, R, Y, K)
        model.put(S, o, model.add(W, 3 * m, P, w, r, sixth, slot(S, o, span), K))
