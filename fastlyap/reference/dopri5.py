"""An interval dt covered by inner steps of Dormand-Prince 5(4), each member choosing its own sizes.

The controller, for one member; all sizes are positive and h = sign(dt) size:

1. proposal = |dt| at the very start of a run; later what the interval before ended with.
2. size = min(proposal, |dt| - done). The step is *cut* when proposal >= |dt| - done, and then ends exactly at the
   interval's end. proposal itself may exceed |dt|.
3. One step of size h with all seven stages; e = h sum_i (b_i - b_hat_i) K_i and
   err = sqrt(mean_i (e_i / (atol + rtol max(|x_i|, |x_new_i|)))^2), over the state alone, never the tangents.
4. Accepted when err <= 1 (NaN is a rejection). State and tangents of the fifth-order solution are taken.
5. factor = min(5, max(0.2, 0.9 err^(-1/5))); 5 for err = 0, 0.2 for NaN. wish = factor * size. The next proposal is
   wish, but max(proposal, wish) after an accepted cut step: a short last step says nothing against the size
   before it.
6. After a rejection with size < 1e-14 |dt|, or when 1000 inner steps (accepted or not) have not covered the
   interval, the member fails; it keeps the last accepted state.

The tangent is that of the accepted inner steps with their sizes held fixed. Source: Dormand & Prince, J. Comp.
Appl. Math. 6 (1980); Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, section II.4.
"""

from __future__ import annotations

import numpy as np

from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.tableau import DOPRI5, Stages, combine, explicit_step, mean_divergence

MOST_INNER_STEPS = 1000
SMALLEST_STEP = 1e-14  # in units of dt


def error_norm(dynamics: Dynamics, made: Stages, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    """Root mean square over components of e_i / (atol + rtol max(|x_i|, |x_new_i|)), (B,)."""
    error = h[:, None] * combine(DOPRI5.error, [K[:, 0] for K in made.slopes])
    scale = dynamics.atol + dynamics.rtol * np.maximum(np.abs(x), np.abs(made.new[:, 0]))
    return np.sqrt(np.mean((error / scale) ** 2, axis=1))


def factor(err: np.ndarray) -> np.ndarray:
    """By what a step of that error norm is to be multiplied, (B,)."""
    return np.where(np.isnan(err), 0.2, np.clip(0.9 * err**-0.2, 0.2, 5.0))


def interval(
    dynamics: Dynamics, t: np.ndarray, Z: np.ndarray, proposal: np.ndarray, divergence: bool
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Advance the stack Z (B, 1 + k, n) from t (B,) to t + dt; the four fields of `step.Step`."""
    span, sign = Z.dtype.type(abs(dynamics.dt)), Z.dtype.type(np.sign(dynamics.dt))
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
        wish = (factor(err) * size).astype(Z.dtype)
        following = np.where(accepted & cut, np.maximum(proposal, wish), wish)
        if divergence:
            integral = np.where(
                accepted, integral + sign * size * mean_divergence(dynamics.jacobian, made, DOPRI5), integral
            )
        Z = np.where(accepted[:, None, None], made.new, Z)
        proposal = np.where(active, following, proposal)
        done = np.where(accepted, np.where(cut, span, done + size), done)
        failed |= active & ~accepted & (size < SMALLEST_STEP * span)
        active &= ~failed & (done < span)
        if not active.any():
            break
    return Z, proposal, failed | active, integral
