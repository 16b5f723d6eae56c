"""Singular values of the product of all steps: with its factors kept apart, and, as a warning, of the product itself.

Phi = J_N ... J_1. `discrete_svd` factors Phi = Q R_N ... R_1 by QR steps, then factors the transposed product
R_1' ... R_N' in the same way, and again: the QR algorithm on Phi' Phi, whose diagonals converge to the singular
values without the product ever being formed. `product_svd` forms it: it overflows, and before that the small singular
values drown in the rounding of the large ones. Source: Geist et al. (1990), section 3; Dieci & Van Vleck, Appl. Numer.
Math. 17 (1995) 275.
"""

from __future__ import annotations

import numpy as np

from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.methods.factors import householder
from fastlyap.reference.methods.found import Found, defect, worse
from fastlyap.reference.step import step


def discrete_svd(dynamics: Dynamics, x: np.ndarray, *, steps: int, every: int = 1, sweeps: int = 4) -> Found:
    """Log singular values of the product of the steps over the time, largest first.

    Parameters
    ----------
    x : (B, n)
        States at `dynamics.t0`.
    every : int
        Steps in one factor, of which (steps / every) are kept: (B, n, n) each.
    sweeps : int
        Transpositions; every one separates neighbours by the square of their ratio.
    """
    factors, x, worst = _factors(dynamics, x, steps, every)
    logs = _logs(factors)
    for _ in range(sweeps):
        factors, logs = _transposed(factors)
    exponents = -np.sort(-logs, axis=1) / (steps * dynamics.dt)
    return Found(exponents, worst, x)


def _factors(dynamics: Dynamics, x: np.ndarray, steps: int, every: int) -> tuple[list, np.ndarray, np.ndarray]:
    """The lower triangular factors (B, n, n) of the frame's rows, first first; the last state; the defect."""
    Z, proposal, kept, worst = with_identity(x), np.zeros_like(x[:, 0]), [], np.zeros(len(x))
    for number in range(steps):
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, Z, proposal)
        Z, proposal = made.Z, made.proposal
        if (number + 1) % every == 0 or number + 1 == steps:
            Q, L = householder(Z[:, 1:])
            Z = stack(Z[:, 0], Q)
            kept.append(L)
            worst = worse(worst, defect(Q))
    return kept, Z[:, 0], worst


def _transposed(factors: list) -> tuple[list, np.ndarray]:
    """Factors of the transposed product, first first, and the logs (B, n) of their diagonals.

    In rows the product is L_1 ... L_N Q, its transpose Q' L_N' ... L_1', and a frame of rows meets L_N' first.
    """
    V = np.broadcast_to(np.eye(factors[0].shape[1]), factors[0].shape)
    new = []
    for L in reversed(factors):
        V, made = householder(V @ L.swapaxes(1, 2))
        new.append(made)
    return new, _logs(new)


def _logs(factors: list) -> np.ndarray:
    with np.errstate(all="ignore"):
        return sum(np.log(np.abs(np.diagonal(L, axis1=1, axis2=2))) for L in factors)


def product_svd(dynamics: Dynamics, x: np.ndarray, *, steps: int) -> Found:
    """The same from the product itself, for short times only; infinite or NaN when it has overflowed."""
    Z, proposal = with_identity(x), np.zeros_like(x[:, 0])
    for number in range(steps):
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, Z, proposal)
        Z, proposal = made.Z, made.proposal
    product = Z[:, 1:]
    sound = np.isfinite(product).all(axis=(1, 2))
    with np.errstate(all="ignore"):
        logs = np.log(np.linalg.svd(np.where(sound[:, None, None], product, 0.0), compute_uv=False))
    exponents = np.where(sound[:, None], logs, np.nan) / (steps * dynamics.dt)
    return Found(exponents, np.zeros(len(x)), Z[:, 0])
