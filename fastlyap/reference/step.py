"""One step of every kind of dynamics with its exact tangent: map, euler, rk4, and an interval of dopri5.

The flow's divergence is integrated by the method's own quadrature: h sum_i b_i tr f_x(t_i, Y_i) over its stages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.tableau import DOPRI5, TABLEAUS, Stages, combine, explicit_step

MOST_INNER_STEPS = 1000
SMALLEST_STEP = 1e-14  # in units of dt


class Step(NamedTuple):
    """Where a step leads.

    Z : (B, 1 + k, n) state and tangents; proposal : (B,) next inner step size of dopri5, 0 before the first;
    failed : (B,) the adaptive step got stuck; divergence : (B,) integral of tr f_x over the step, 0 for maps.
    """

    Z: np.ndarray
    proposal: np.ndarray
    failed: np.ndarray
    divergence: np.ndarray


def step(dynamics: Dynamics, t: float, Z: np.ndarray, proposal: np.ndarray, *, divergence: bool = False) -> Step:
    """Step number or time t -> t + dt for a stack of states and tangents.

    Parameters
    ----------
    Z : (B, 1 + k, n)
    proposal : (B,)
        As the step before left it; zeros at the start.
    divergence : bool
        Whether to integrate the divergence (which takes the full Jacobian at every stage).
    """
    nothing = np.zeros(len(Z))
    if dynamics.integrator == "map":
        return Step(dynamics.field(t, Z), proposal, nothing > 0, nothing)
    start = np.full(len(Z), t, dtype=Z.dtype)
    h = np.full(len(Z), dynamics.dt, dtype=Z.dtype)
    with np.errstate(all="ignore"):
        if dynamics.integrator == "dopri5":
            return _interval(dynamics, start, Z, proposal, divergence)
        made = explicit_step(dynamics.field, start, Z, h, TABLEAUS[dynamics.integrator])
        mean = _mean_divergence(dynamics, made) if divergence else nothing
        return Step(made.new, proposal, nothing > 0, h * mean)


def _mean_divergence(dynamics: Dynamics, made: Stages) -> np.ndarray:
    """sum_i b_i tr f_x at the stages, (B,)."""
    traces = [
        np.trace(dynamics.jacobian(t, Y[:, 0]), axis1=1, axis2=2) if b else 0.0
        for t, Y, b in zip(made.times, made.points, TABLEAUS[dynamics.integrator].b, strict=True)
    ]
    return combine(TABLEAUS[dynamics.integrator].b, traces)


def error_norm(dynamics: Dynamics, made: Stages, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Root mean square over components of e_i / (atol + rtol max(|x_i|, |x_new_i|)), (B,)."""
    error = h[:, None] * combine(DOPRI5.error, [K[:, 0] for K in made.slopes])
    scale = dynamics.atol + dynamics.rtol * np.maximum(np.abs(x), np.abs(made.new[:, 0]))
    return np.sqrt(np.mean((error / scale) ** 2, axis=1))


def _interval(dynamics: Dynamics, t: np.ndarray, Z: np.ndarray, proposal: np.ndarray, divergence: bool) -> Step:
    """Cover the interval dt by inner steps of dopri5, each member on its own.

    The controller, for one member with interval dt, all sizes positive and h = sign(dt) * size:

    1. proposal = |dt| at the very start of a run; later the proposal the interval before ended with.
    2. size = min(proposal, |dt| - done); the step is *cut* when proposal >= |dt| - done, and then ends exactly at
       the interval's end. proposal itself may exceed |dt|.
    3. One step of Dormand-Prince 5(4) of size h; e = h sum_i (b_i - b_hat_i) K_i with all seven stages;
       err = sqrt(mean_i (e_i / (atol + rtol max(|x_i|, |x_new_i|)))^2), over the state alone, never the tangents.
    4. Accepted when err <= 1 (a NaN is a rejection). The state and tangents of the fifth-order solution are taken.
    5. factor = min(5, max(0.2, 0.9 err^(-1/5))); 5 for err = 0, 0.2 for NaN. wish = factor * size. The next
       proposal is wish, but max(proposal, wish) after an accepted cut step: a short last step says nothing
       against the size before it.
    6. After a rejection with size < 1e-14 |dt|, or with 1000 inner steps tried (accepted or not) and the interval
       not covered, the member fails; it keeps the last accepted state.

    The tangent is that of the accepted inner steps with their sizes held fixed.
    """
    span, sign = np.abs(dynamics.dt), np.sign(dynamics.dt)
    span, sign = Z.dtype.type(span), Z.dtype.type(sign)
    proposal = np.where(proposal > 0, proposal, span)
    done, integral = np.zeros_like(t), np.zeros(len(Z))
    active, failed = np.ones(len(Z), dtype=bool), np.zeros(len(Z), dtype=bool)
    for _ in range(MOST_INNER_STEPS):
        left = span - done
        cut = proposal >= left
        size = np.where(cut, left, proposal)
        made = explicit_step(dynamics.field, t + sign * done, Z, sign * size, DOPRI5)
        err = error_norm(dynamics, made, Z[:, 0], sign * size)
        accepted = active & (err <= 1.0)
        factor = np.where(np.isnan(err), 0.2, np.clip(0.9 * err**-0.2, 0.2, 5.0))
        wish = (factor * size).astype(Z.dtype)
        following = np.where(accepted & cut, np.maximum(proposal, wish), wish)
        if divergence:
            integral = np.where(accepted, integral + sign * size * _mean_divergence(dynamics, made), integral)
        Z = np.where(accepted[:, None, None], made.new, Z)
        proposal = np.where(active, following, proposal)
        done = np.where(accepted, np.where(cut, span, done + size), done)
        failed |= active & ~accepted & (size < SMALLEST_STEP * span)
        active &= ~failed & (done < span)
        if not active.any():
            break
    return Step(Z, proposal, failed | active, integral)


def step_with_tangent(dynamics: Dynamics, t: float, x: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step of states x (B, n) and of tangent vectors V (B, k, n) in rows."""
    Z = step(dynamics, t, stack(x, V), np.zeros(len(x), dtype=x.dtype)).Z
    return Z[:, 0], Z[:, 1:]


def step_jacobian(dynamics: Dynamics, t: float, x: np.ndarray, proposal: np.ndarray) -> np.ndarray:
    """Full Jacobian of the step, J[b, i, j] = d x'_i / d x_j, (B, n, n): the tangent of the identity."""
    return step(dynamics, t, with_identity(x), proposal).Z[:, 1:].swapaxes(1, 2)
