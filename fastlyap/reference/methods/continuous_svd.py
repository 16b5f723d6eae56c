"""Continuous SVD: a differential equation for the left singular vectors and the logs of the singular values.

Phi = U exp(E) V'. With rows u_i and D_ij = <u_i, J u_j>: E_i' = D_ii, and the rows turn, U' = A' U with the skew A,
below its diagonal A_ij = (D_ij + h D_ji) / (1 - h), h = exp(2 (E_i - E_j)). For h -> 0 that is continuous QR. Where
two singular values meet, h = 1, the equation has no solution; at the start all of them do, so that it begins with the
singular values of a short product. Source: Greene & Kim, Physica D 24 (1987) 213; Geist et al. (1990), section 4.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlyap.errors import InputError
from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.methods.factors import householder
from fastlyap.reference.methods.found import Found, defect, worse
from fastlyap.reference.step import step
from fastlyap.reference.tableau import TABLEAUS, explicit_step


def continuous_svd(
    dynamics: Dynamics, x: np.ndarray, *, steps: int, start: int = 1, project: bool = False
) -> Found:  # fmt: skip
    """Log singular values of a flow's tangent over the time, stepped by rk4 or euler.

    Parameters
    ----------
    x : (B, n)
        States at `dynamics.t0`.
    start : int
        Steps, of all `steps`, whose product is decomposed to begin with.
    project : bool
        Make the rows orthonormal again after every step.

    Returns
    -------
    Found
        Not sorted: a pair whose values cross has lost its meaning, and often its numbers.
    """
    if dynamics.integrator not in ("rk4", "euler"):
        raise InputError(f'`integrator` must be "rk4" or "euler" for a continuous method, got {dynamics.integrator!r}.')
    Z, worst = _begin(dynamics, x, start), np.zeros(len(x))
    n, h = x.shape[1], np.full(len(x), dynamics.dt)
    slopes = _slopes(dynamics, n)
    for number in range(start, steps):
        t = np.full(len(x), dynamics.t0 + number * dynamics.dt)
        with np.errstate(all="ignore"):
            Z = explicit_step(slopes, t, Z, h, TABLEAUS[dynamics.integrator]).new
        if project:
            Z[:, 1 : n + 1] = householder(Z[:, 1 : n + 1])[0]
        worst = worse(worst, defect(Z[:, 1 : n + 1]))
    return Found(Z[:, -1] / (steps * dynamics.dt), worst, Z[:, 0])


def _begin(dynamics: Dynamics, x: np.ndarray, start: int) -> np.ndarray:
    """State, left singular vectors in rows and log singular values (B, 1 + n + 1, n) after `start` steps."""
    Z, nothing = with_identity(x), np.zeros(len(x))
    for number in range(start):
        Z = step(dynamics, dynamics.t0 + number * dynamics.dt, Z, nothing).Z
    # rows of Z are the columns of Phi
    U, values, _ = np.linalg.svd(Z[:, 1:].swapaxes(1, 2))
    with np.errstate(all="ignore"):
        logs = np.log(values)[:, None]
    return np.concatenate([stack(Z[:, 0], U.swapaxes(1, 2)), logs], axis=1)


def _slopes(dynamics: Dynamics, n: int) -> Callable:
    """The field of state, singular vectors and logs, stacked as (B, 1 + n + 1, n)."""

    def slopes(t: np.ndarray, Z: np.ndarray) -> np.ndarray:
        U, E = Z[:, 1 : n + 1], Z[:, n + 1]
        made = dynamics.field(t, Z[:, : n + 1])
        D = U @ made[:, 1:].swapaxes(1, 2)
        ratio = np.exp(2.0 * np.minimum(E[:, :, None] - E[:, None, :], 300.0))
        A = np.tril((D + ratio * D.swapaxes(1, 2)) / (1.0 - ratio + np.eye(n)), -1)
        turn = (A.swapaxes(1, 2) - A) @ U
        return np.concatenate([made[:, :1], turn, np.diagonal(D, axis1=1, axis2=2)[:, None]], axis=1)

    return slopes
