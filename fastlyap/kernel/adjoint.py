"""The adjoint of one step, and the loop that pulls a frame of covectors back along an orbit.

w_n = (d step(x_n))' w_{n+1}, the exact transpose of the discrete step, for a bundle of covectors at rows `o`. The orbit
is not stored: a segment is recomputed from its first state, its states kept in rows, and walked backward.
"""

from fastlyap.kernel import growth, layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot


@kernel
def pull_map(model, dt, S, o, span, P, W):
    """w <- f_x' w."""
    K = slot(W, model.free, span)
    model.put(S, o, model.adjoint(W, 0, P, model.bundle(S, o, span), K))


@kernel
def pull_euler(model, dt, S, o, span, P, W):
    """w <- w + h f_x' w."""
    K = slot(W, model.free, span)
    Y = slot(W, model.free + span, span)
    h = like(S[0], dt)
    w = model.bundle(S, o, span)
    model.put(S, o, model.axpy(h, model.adjoint(W, 0, P, w, K), w, Y))


@kernel
def pull_rk4(model, dt, S, o, span, P, W):
    """The transpose of the classical Runge-Kutta step, stage by stage from the last."""
    m = model.m
    free = model.free
    h = like(S[0], dt)
    half = like(S[0], 0.5) * h
    sixth = h / like(S[0], 6.0)
    third = h / like(S[0], 3.0)
    K = slot(W, free, span)
    Y = slot(W, free + span, span)
    R = slot(W, free + 2 * span, span)
    w = model.bundle(S, o, span)
    a = model.adjoint(W, 3 * m, P, model.scale(sixth, w, Y), K)
    r = model.axpy(like(h, 1.0), a, w, R)
    b = model.axpy(third, w, model.scale(h, a, Y), Y)
    a = model.adjoint(W, 2 * m, P, b, K)
    r = model.axpy(like(h, 1.0), a, r, R)
    b = model.axpy(third, w, model.scale(half, a, Y), Y)
    a = model.adjoint(W, m, P, b, K)
    r = model.axpy(like(h, 1.0), a, r, R)
    b = model.axpy(sixth, w, model.scale(half, a, Y), Y)
    model.put(S, o, model.axpy(like(h, 1.0), model.adjoint(W, 0, P, b, K), r, R))


@kernel
def pull_step(model, advance, pull, t, dt, S, A, P, W, X, k, rtol, atol):
    """Redo the step that starts at the state in `S`, then pull the frame back through its stages; `X` is not used."""
    n = model.n
    advance(model, t, dt, S, A, P, W, 0, False, rtol, atol)
    span = model.span(k)
    for o in range(n + 1, n + 1 + k * n, span):
        pull(model, dt, S, o, span, P, W)


@kernel
def pull_back(
    model, advance, pull, step_back, S, A, P, W, X, k, full, t0, dt, first, n_steps, pulled, every, radius,
    rtol, atol, eps,
):  # fmt: skip
    """Pull the frame in `S` back over the steps first .. first + n_steps - 1, of which the state in `S` is the start.

    `pulled` counts the steps already pulled; it plays the part of the step number in `growth.grow`.
    """
    n = model.n
    width = n + 1
    for s in range(n_steps):
        for i in range(width):
            X[s * width + i] = S[i]
        if s < n_steps - 1:
            advance(model, t0 + (first + s) * dt, dt, S, A, P, W, 0, False, rtol, atol)
    length = growth.cell_length(pulled, every)
    for back in range(n_steps):
        s = n_steps - 1 - back
        for i in range(width):
            S[i] = X[s * width + i]
        Z = slot(X, n_steps * width, layout.INNER_STEPS * (n + 2))
        step_back(model, advance, pull, t0 + (first + s) * dt, dt, S, A, P, W, Z, k, rtol, atol)
        pulled += 1
        if pulled % every == 0:
            growth.settle(model, S, A, W, k, full, first + s, radius, eps)
            if pulled % length == 0:
                length = growth.close_cell(S, A, k, pulled, length)
    for i in range(width):
        S[i] = X[i]
