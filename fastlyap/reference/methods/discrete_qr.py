"""Discrete QR: carry a frame by the tangent of the step, factor it now and then, add the logs of the diagonal.

V_{m+1} = V_m J_m' = L Q in rows; lambda_j = mean of log L_jj per unit time. Source: Benettin et al., Meccanica 15
(1980); Geist et al. (1990), section 3; by reflections after several steps: von Bremen et al. (1997), "HQRB".
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlyap.reference.dynamics import Dynamics, stack
from fastlyap.reference.methods.factors import householder
from fastlyap.reference.methods.found import Found, defect, worse
from fastlyap.reference.step import step


def discrete_qr(
    dynamics: Dynamics, x: np.ndarray, frame: np.ndarray, *, steps: int, every: int = 1,
    factorise: Callable = householder,
) -> Found:  # fmt: skip
    """Exponents by repeated factorisation.

    Parameters
    ----------
    x : (B, n)
        States at `dynamics.t0`.
    frame : (k, n)
        Orthonormal rows to start from.
    every : int
        Steps between factorisations; one more closes the run.
    factorise : callable
        One of `reference.methods.factors`.
    """
    Z, proposal = stack(x, np.broadcast_to(frame, (len(x), *frame.shape))), np.zeros_like(x[:, 0])
    growth, worst = np.zeros((len(x), len(frame))), np.zeros(len(x))
    for number in range(steps):
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, Z, proposal)
        Z, proposal = made.Z, made.proposal
        if (number + 1) % every == 0 or number + 1 == steps:
            Q, L = factorise(Z[:, 1:])
            Z = stack(Z[:, 0], Q)
            with np.errstate(all="ignore"):
                growth += np.log(np.diagonal(L, axis1=1, axis2=2))
            worst = worse(worst, defect(Q))
    return Found(growth / (steps * dynamics.dt), worst, Z[:, 0])
