"""Ordinary backpropagation: the exact derivative of an average, or of the last value, over a finite orbit.

nu_n = A_n' nu_{n+1} + phi_x(x_n), gradient = sum of B_n' nu_{n+1}; a bounded window cuts the chain.
"""

from __future__ import annotations

import numpy as np

from fastlyap.reference.sensitivity.orbit import Orbit


def average(orbit: Orbit, window: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of (1 / N) sum of phi(x_n), n = 0 .. N - 1, by the parameters, (B, p), and by the start, (B, n).

    With a `window`, what comes back of the state is dropped after every so many steps, counted from the end.
    """
    steps = len(orbit.A)
    total, nu = _back(orbit, np.zeros_like(orbit.x[0]), orbit.phi_x[:-1], window)
    return (total + orbit.phi_p[:-1].sum(axis=0)) / steps, nu / steps


def terminal(orbit: Orbit, window: int | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of phi(x_N) by the parameters, (B, p), and by the first state, (B, n)."""
    total, nu = _back(orbit, orbit.phi_x[-1], np.zeros_like(orbit.phi_x[:-1]), window)
    return total + orbit.phi_p[-1], nu


def _back(orbit: Orbit, nu: np.ndarray, sources: np.ndarray, window: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Sum of B_n' nu_{n+1} over all steps, and nu_0; nu_N and the sources (N, B, n) given."""
    A, B = orbit.whole
    steps, total = len(A), 0.0
    for n in reversed(range(steps)):
        total = total + _pull(B[n], nu)
        nu = _pull(A[n], nu)
        if window is not None and (steps - n) % window == 0:
            nu = np.zeros_like(nu)
        nu = nu + sources[n]
    return total, nu


def _pull(matrix: np.ndarray, w: np.ndarray) -> np.ndarray:
    """matrix' w of each member."""
    return np.einsum("bij,bi->bj", matrix, w)
