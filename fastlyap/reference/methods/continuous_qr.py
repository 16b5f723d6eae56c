"""Continuous QR: a differential equation for the orthonormal directions themselves, integrated with the state.

In rows V, with A_ij = <v_i, J v_j>, the exponents are the means of A_jj. Two forms of the equation agree on
orthonormal rows and differ off them:

- "rotation" (k = n): V' = S' V, S_ij = A_ij below the diagonal, S skew. The defect is neither damped nor driven; what
  the integrator errs stays.
- "projection" (any k): V' = J V - W' V, W_ij = A_ij + A_ji above the diagonal, A_jj on it. The defect of v_i and v_j
  grows like exp(-(lambda_i + lambda_j) t): unstable as soon as an exponent is negative. A damping b > -lambda_k, with
  b (<v_j, v_j> - 1) added to W_jj and 2 b <v_i, v_j> to W_ij, cures that and makes the equation stiff.

Source: Goldhirsch, Sulem & Orszag, Physica D 27 (1987) 311; Geist et al. (1990), section 4; the damping: Christiansen
& Rugh, Nonlinearity 10 (1997) 1063; projection after every step: Dieci, Russell & Van Vleck, SIAM J. Numer. Anal. 34
(1997) 402.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from fastlyap.errors import InputError
from fastlyap.reference.dynamics import Dynamics, stack
from fastlyap.reference.methods.factors import householder
from fastlyap.reference.methods.found import Found, defect, worse
from fastlyap.reference.tableau import TABLEAUS, explicit_step

FORMS = ("rotation", "projection")


def continuous_qr(
    dynamics: Dynamics, x: np.ndarray, frame: np.ndarray, *, steps: int, form: str = "rotation", damping: float = 0.0,
    project: bool = False,
) -> Found:  # fmt: skip
    """Exponents of a flow from the differential equation of its directions, stepped by rk4 or euler.

    Parameters
    ----------
    x : (B, n)
        States at `dynamics.t0`.
    frame : (k, n)
        Orthonormal rows to start from; "rotation" needs k = n.
    form : "rotation" or "projection"
    damping : float
        b, of "projection".
    project : bool
        Make the rows orthonormal again after every step.
    """
    if dynamics.integrator not in ("rk4", "euler"):
        raise InputError(f'`integrator` must be "rk4" or "euler" for a continuous method, got {dynamics.integrator!r}.')
    if form not in FORMS or (form == "rotation" and len(frame) < frame.shape[1]):
        raise InputError(f'`form` must be "projection", or "rotation" of all n directions, got {form!r}.')
    k = len(frame)
    slopes = _slopes(dynamics, k, form, damping)
    directions = stack(x, np.broadcast_to(frame, (len(x), *frame.shape)))
    Z = np.concatenate([directions, np.zeros_like(directions[:, :1])], axis=1)  # the last row holds the k integrals
    worst, h = np.zeros(len(x)), np.full(len(x), dynamics.dt)
    for number in range(steps):
        t = np.full(len(x), dynamics.t0 + number * dynamics.dt)
        with np.errstate(all="ignore"):
            Z = explicit_step(slopes, t, Z, h, TABLEAUS[dynamics.integrator]).new
        if project:
            Z[:, 1 : k + 1] = householder(Z[:, 1 : k + 1])[0]
        worst = worse(worst, defect(Z[:, 1 : k + 1]))
    return Found(Z[:, -1, :k] / (steps * dynamics.dt), worst, Z[:, 0])


def _slopes(dynamics: Dynamics, k: int, form: str, damping: float) -> Callable:
    """The field of state, directions and integrals, stacked as (B, 1 + k + 1, n)."""

    def slopes(t: np.ndarray, Z: np.ndarray) -> np.ndarray:
        V = Z[:, 1 : k + 1]
        made = dynamics.field(t, Z[:, : k + 1])
        A = V @ made[:, 1:].swapaxes(1, 2)
        turn = _rotation(A) @ V if form == "rotation" else made[:, 1:] - _kept(A, V, damping) @ V
        last = np.zeros_like(Z[:, :1])
        last[:, 0, :k] = np.diagonal(A, axis1=1, axis2=2)
        return np.concatenate([made[:, :1], turn, last], axis=1)

    return slopes


def _rotation(A: np.ndarray) -> np.ndarray:
    """S', with S the skew matrix that has A below its diagonal."""
    below = np.tril(A, -1)
    return below.swapaxes(1, 2) - below


def _kept(A: np.ndarray, V: np.ndarray, damping: float) -> np.ndarray:
    """W'."""
    G = V @ V.swapaxes(1, 2) - np.eye(V.shape[1])
    W = np.triu(A + A.swapaxes(1, 2) + 2.0 * damping * G)
    W -= 0.5 * np.eye(V.shape[1]) * W
    return W.swapaxes(1, 2)
