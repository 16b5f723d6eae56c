"""Dormand-Prince 5(4) with each member choosing its own inner steps inside the interval dt.

The tangent is that of the accepted inner steps with their sizes held fixed. Step control: see `_control`.
Source: Dormand & Prince (1980); Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, II.4-5.
"""

from fastlyap import status
from fastlyap.kernel import elementary, layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import any_lane, both, like, maximum, minimum, negate, select, slot, wide

SMALLEST_STEP = 1e-14  # in units of dt


@kernel
def _second(model, h, x, k1, Y):
    return model.axpy(like(h, 1 / 5) * h, k1, x, Y)


@kernel
def _third(model, h, x, k1, k2, Y):
    return model.axpy(like(h, 9 / 40) * h, k2, model.axpy(like(h, 3 / 40) * h, k1, x, Y), Y)


@kernel
def _fourth(model, h, x, k1, k2, k3, Y):
    y = model.axpy(like(h, 44 / 45) * h, k1, x, Y)
    y = model.axpy(like(h, -56 / 15) * h, k2, y, Y)
    return model.axpy(like(h, 32 / 9) * h, k3, y, Y)


@kernel
def _fifth(model, h, x, k1, k2, k3, k4, Y):
    y = model.axpy(like(h, 19372 / 6561) * h, k1, x, Y)
    y = model.axpy(like(h, -25360 / 2187) * h, k2, y, Y)
    y = model.axpy(like(h, 64448 / 6561) * h, k3, y, Y)
    return model.axpy(like(h, -212 / 729) * h, k4, y, Y)


@kernel
def _sixth(model, h, x, k1, k2, k3, k4, k5, Y):
    y = model.axpy(like(h, 9017 / 3168) * h, k1, x, Y)
    y = model.axpy(like(h, -355 / 33) * h, k2, y, Y)
    y = model.axpy(like(h, 46732 / 5247) * h, k3, y, Y)
    y = model.axpy(like(h, 49 / 176) * h, k4, y, Y)
    return model.axpy(like(h, -5103 / 18656) * h, k5, y, Y)


@kernel
def _new(model, h, x, k1, k3, k4, k5, k6, Y):
    y = model.axpy(like(h, 35 / 384) * h, k1, x, Y)
    y = model.axpy(like(h, 500 / 1113) * h, k3, y, Y)
    y = model.axpy(like(h, 125 / 192) * h, k4, y, Y)
    y = model.axpy(like(h, -2187 / 6784) * h, k5, y, Y)
    return model.axpy(like(h, 11 / 84) * h, k6, y, Y)


@kernel
def _error(model, h, zero, k1, k3, k4, k5, k6, k7, Y):
    y = model.axpy(like(h, 71 / 57600) * h, k1, zero, Y)
    y = model.axpy(like(h, -71 / 16695) * h, k3, y, Y)
    y = model.axpy(like(h, 71 / 1920) * h, k4, y, Y)
    y = model.axpy(like(h, -17253 / 339200) * h, k5, y, Y)
    y = model.axpy(like(h, 22 / 525) * h, k6, y, Y)
    return model.axpy(like(h, -1 / 40) * h, k7, y, Y)


@kernel
def _state_stages(model, t, h, x, P, W, slots):
    """The new state and the squared error norm; the Jacobian entries of the six stages stay in `W`."""
    n = model.n
    m = model.m
    Y = slot(W, slots, n)
    k1 = model.linearise(t, x, P, W, 0, slot(W, slots + n, n))
    y = _second(model, h, x, k1, Y)
    k2 = model.linearise(t + like(h, 1 / 5) * h, y, P, W, m, slot(W, slots + 2 * n, n))
    y = _third(model, h, x, k1, k2, Y)
    k3 = model.linearise(t + like(h, 3 / 10) * h, y, P, W, 2 * m, slot(W, slots + 3 * n, n))
    y = _fourth(model, h, x, k1, k2, k3, Y)
    k4 = model.linearise(t + like(h, 4 / 5) * h, y, P, W, 3 * m, slot(W, slots + 4 * n, n))
    y = _fifth(model, h, x, k1, k2, k3, k4, Y)
    k5 = model.linearise(t + like(h, 8 / 9) * h, y, P, W, 4 * m, slot(W, slots + 5 * n, n))
    y = _sixth(model, h, x, k1, k2, k3, k4, k5, Y)
    k6 = model.linearise(t + h, y, P, W, 5 * m, slot(W, slots + 6 * n, n))
    new = _new(model, h, x, k1, k3, k4, k5, k6, slot(W, slots + 7 * n, n))
    k7 = model.rule(t + h, new, P, W, 6 * m, Y)
    zero = model.zero(x, slot(W, slots + 8 * n, n))
    error = _error(model, h, zero, k1, k3, k4, k5, k6, k7, slot(W, slots + 8 * n, n))
    return new, error


@kernel
def tangent(model, h, v, P, W, slots, span):
    """A bundle of tangent vectors through the six stored stages."""
    m = model.m
    Y = slot(W, slots, span)
    k1 = model.tangent(W, 0, P, v, slot(W, slots + span, span))
    k2 = model.tangent(W, m, P, _second(model, h, v, k1, Y), slot(W, slots + 2 * span, span))
    k3 = model.tangent(W, 2 * m, P, _third(model, h, v, k1, k2, Y), slot(W, slots + 3 * span, span))
    k4 = model.tangent(W, 3 * m, P, _fourth(model, h, v, k1, k2, k3, Y), slot(W, slots + 4 * span, span))
    k5 = model.tangent(W, 4 * m, P, _fifth(model, h, v, k1, k2, k3, k4, Y), slot(W, slots + 5 * span, span))
    y = _sixth(model, h, v, k1, k2, k3, k4, k5, Y)
    k6 = model.tangent(W, 5 * m, P, y, slot(W, slots + 6 * span, span))
    return _new(model, h, v, k1, k3, k4, k5, k6, Y)


@kernel
def _divergence(model, h, P, W):
    m = model.m
    d = like(h, 35 / 384) * model.divergence(W, 0, P) + like(h, 500 / 1113) * model.divergence(W, 2 * m, P)
    d = d + like(h, 125 / 192) * model.divergence(W, 3 * m, P)
    d = d + like(h, -2187 / 6784) * model.divergence(W, 4 * m, P)
    return h * (d + like(h, 11 / 84) * model.divergence(W, 5 * m, P))


@kernel
def _control(square, h, proposal, cut):
    """(accepted, next proposal) from the squared error norm of a step of size h.

    Factor 0.9 err^(-1/5) within [0.2, 5]; a step that was cut at the interval's end never lowers the proposal
    unless it was rejected.
    """
    accepted = square <= like(h, 1.0)
    factor = like(h, 0.9) * elementary.pow(maximum(square, like(h, 1e-30)), like(h, -0.1))
    factor = minimum(maximum(factor, like(h, 0.2)), like(h, 5.0))
    factor = select(square == square, factor, like(h, 0.2))
    wish = factor * h
    kept = select(both(accepted, cut), maximum(proposal, wish), wish)
    return accepted, kept


@kernel
def _attempt(model, t, towards, length, done, proposal, active, S, P, W, rtol, atol):
    """Try one inner step from the state in `S`; the numbers its caller needs to accept it or not."""
    left = length - done
    cut = proposal >= left
    size = select(cut, left, proposal)
    h = like(size, towards) * size
    x = model.get(S, 0)
    now = like(h, t) + like(h, towards) * done
    new, error = _state_stages(model, now, h, x, P, W, model.free)
    square = model.mean_square(error, x, new, like(h, rtol), like(h, atol))
    accepted, wish = _control(square, size, proposal, cut)
    accepted = both(accepted, active)
    ahead = select(accepted, select(cut, length, done + size), done)
    return new, h, accepted, select(active, wish, proposal), ahead


@kernel
def _stuck(active, accepted, h, length):
    """Members whose step has become too small to go on."""
    return both(both(active, negate(accepted)), abs(h) < like(h, SMALLEST_STEP) * length)


@kernel
def dopri5(model, t, dt, S, A, P, W, k, full, rtol, atol):
    """Cover the interval dt by inner steps; members that are done wait, their numbers untouched."""
    n = model.n
    slots = model.free
    span = model.span(k)
    towards = 1.0 if dt > 0.0 else -1.0
    length = like(S[0], towards * dt)
    proposal = select(S[n] > like(S[0], 0.0), S[n], length)
    done = length - length
    active = A[layout.STATUS] == 0.0
    count = 0
    while any_lane(active) and count < layout.INNER_STEPS:
        new, h, accepted, proposal, done = _attempt(
            model, t, towards, length, done, proposal, active, S, P, W, rtol, atol
        )
        # the state first: the slots of a bundle may lie where `new` is
        model.put(S, 0, model.choose(accepted, new, model.get(S, 0), slot(W, slots, n)))
        for o in range(n + 1, n + 1 + k * n, span):
            v = model.bundle(S, o, span)
            new_v = tangent(model, h, v, P, W, slots, span)
            model.put(S, o, model.choose(accepted, new_v, v, slot(W, slots, span)))
        if full:
            growth = A[layout.DIVERGENCE] + wide(_divergence(model, h, P, W))
            A[layout.DIVERGENCE] = select(accepted, growth, A[layout.DIVERGENCE])
        lost = _stuck(active, accepted, h, length)
        A[layout.STATUS] = select(lost, like(A[0], status.FAILED), A[layout.STATUS])
        active = both(done < length, A[layout.STATUS] == 0.0)
        count += 1
    A[layout.STATUS] = select(active, like(A[0], status.FAILED), A[layout.STATUS])
    S[n] = proposal


@kernel
def pull_inner(model, h, S, o, span, P, W):
    """The transpose of one inner step, through the six stored stages from the last."""
    m = model.m
    slots = model.free
    one = like(h, 1.0)
    w = model.bundle(S, o, span)
    Y = slot(W, slots, span)
    R = slot(W, slots + 8 * span, span)
    a6 = model.adjoint(W, 5 * m, P, model.scale(like(h, 11 / 84) * h, w, Y), slot(W, slots + span, span))
    b = model.scale(like(h, -2187 / 6784) * h, w, Y)
    b = model.axpy(like(h, -5103 / 18656) * h, a6, b, Y)
    a5 = model.adjoint(W, 4 * m, P, b, slot(W, slots + 2 * span, span))
    b = model.scale(like(h, 125 / 192) * h, w, Y)
    b = model.axpy(like(h, 49 / 176) * h, a6, b, Y)
    b = model.axpy(like(h, -212 / 729) * h, a5, b, Y)
    a4 = model.adjoint(W, 3 * m, P, b, slot(W, slots + 3 * span, span))
    b = model.scale(like(h, 500 / 1113) * h, w, Y)
    b = model.axpy(like(h, 46732 / 5247) * h, a6, b, Y)
    b = model.axpy(like(h, 64448 / 6561) * h, a5, b, Y)
    b = model.axpy(like(h, 32 / 9) * h, a4, b, Y)
    a3 = model.adjoint(W, 2 * m, P, b, slot(W, slots + 4 * span, span))
    b = model.scale(like(h, -355 / 33) * h, a6, Y)
    b = model.axpy(like(h, -25360 / 2187) * h, a5, b, Y)
    b = model.axpy(like(h, -56 / 15) * h, a4, b, Y)
    b = model.axpy(like(h, 9 / 40) * h, a3, b, Y)
    a2 = model.adjoint(W, m, P, b, slot(W, slots + 5 * span, span))
    b = model.scale(like(h, 35 / 384) * h, w, Y)
    b = model.axpy(like(h, 9017 / 3168) * h, a6, b, Y)
    b = model.axpy(like(h, 19372 / 6561) * h, a5, b, Y)
    b = model.axpy(like(h, 44 / 45) * h, a4, b, Y)
    b = model.axpy(like(h, 3 / 40) * h, a3, b, Y)
    b = model.axpy(like(h, 1 / 5) * h, a2, b, Y)
    a1 = model.adjoint(W, 0, P, b, slot(W, slots + 6 * span, span))
    r = model.axpy(one, a1, w, R)
    r = model.axpy(one, a2, r, R)
    r = model.axpy(one, a3, r, R)
    r = model.axpy(one, a4, r, R)
    r = model.axpy(one, a5, r, R)
    return model.axpy(one, a6, r, R)


@kernel
def pull_step(model, advance, pull, t, dt, S, A, P, W, X, k, rtol, atol):
    """Redo the inner steps of the interval, keeping their starts in `X`; then pull the frame back through them."""
    n = model.n
    slots = model.free
    span = model.span(k)
    row = n + 2  # state, signed step, whether it was accepted
    towards = 1.0 if dt > 0.0 else -1.0
    length = like(S[0], towards * dt)
    proposal = select(S[n] > like(S[0], 0.0), S[n], length)
    done = length - length
    active = A[layout.STATUS] == 0.0
    count = 0
    while any_lane(active) and count < layout.INNER_STEPS:
        before = done
        new, h, accepted, proposal, done = _attempt(
            model, t, towards, length, done, proposal, active, S, P, W, rtol, atol
        )
        for i in range(n):
            X[count * row + i] = S[i]
        X[count * row + n] = select(accepted, h, like(h, 0.0))
        X[count * row + n + 1] = like(h, towards) * before
        model.put(S, 0, model.choose(accepted, new, model.get(S, 0), slot(W, slots, n)))
        lost = _stuck(active, accepted, h, length)
        active = both(both(done < length, active), negate(lost))
        count += 1
    while count > 0:
        count -= 1
        for i in range(n):
            S[i] = X[count * row + i]
        h = X[count * row + n]
        accepted = h != like(h, 0.0)
        _state_stages(model, like(h, t) + X[count * row + n + 1], h, model.get(S, 0), P, W, slots)
        for o in range(n + 1, n + 1 + k * n, span):
            w = model.bundle(S, o, span)
            new_w = pull(model, h, S, o, span, P, W)
            model.put(S, o, model.choose(accepted, new_w, w, slot(W, slots, span)))
