"""One step of the state and of its tangent vectors: map, Euler, RK4.

Every stepper first moves the state, leaving the Jacobian entries of its stages in the scratch rows `W`, then
takes one tangent vector at a time through those stages: x' = step(x), v' = d step(x) v, the exact tangent of
the discrete step. Coefficients: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.1 and II.5.

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
    for j in range(k):
        o = n + 1 + j * n
        v = model.get(S, o)
        model.put(S, o, model.tangent(W, 0, P, v, slot(W, free, n)))


@kernel
def euler(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """x' = x + h f(t, x)."""
    n = model.n
    free = model.free
    K = slot(W, free, n)
    Y = slot(W, free + n, n)
    x = model.get(S, 0)
    h = like(S[0], dt)
    f = model.linearise(like(h, t), x, P, W, 0, K)
    model.put(S, 0, model.axpy(h, f, x, Y))
    if full:
        A[layout.DIVERGENCE] = A[layout.DIVERGENCE] + wide(h * model.divergence(W, 0, P))
    for j in range(k):
        o = n + 1 + j * n
        v = model.get(S, o)
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
    K = slot(W, free, n)
    Y = slot(W, free + n, n)
    R = slot(W, free + 2 * n, n)
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
    Z = slot(W, free + 3 * n, n)
    for j in range(k):
        o = n + 1 + j * n
        v = model.get(S, o)
        r, w = model.stage(W, 0, P, v, v, v, sixth, half, R, Y, K)
        r, w = model.stage(W, m, P, w, v, r, third, half, R, Z, K)
        r, w = model.stage(W, 2 * m, P, w, v, r, third, h, R, Y, K)
        model.put(S, o, model.add(W, 3 * m, P, w, r, sixth, slot(S, o, n), K))
