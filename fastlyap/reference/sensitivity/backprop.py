"""Ordinary backpropagation: the exact derivative of an average, or of the last value, over a finite orbit.

nu_n = A_n' nu_{n+1} + phi_x(x_n), gradient = sum of B_n' nu_{n+1}; a bounded window cuts the chain.
"""

from __future__ import annotations

import numpy as np

from fastlyap.reference.sensitivity.orbit import Orbit


def average(orbit: Orbit, window: int | None = None) -> np.ndarray:
    """Derivative of (1 / N) sum of phi(x_n), n = 0 .. N - 1, of each member, (B, p).

    With a `window`, phi(x_n) is differentiated by what happened in the `window` steps before n alone.
    """
    A, B = orbit.whole
    steps, total = len(A), orbit.phi_p[:-1].sum(axis=0)
    if window is None:
        nu = np.zeros_like(orbit.x[0])
        for n in reversed(range(steps)):
            total = total + _pull(B[n], nu)
            nu = _pull(A[n], nu) + orbit.phi_x[n]
        return total / steps
    for end in range(steps):
        nu = orbit.phi_x[end]
        for n in reversed(range(max(end - window, 0), end)):
            total = total + _pull(B[n], nu)
            nu = _pull(A[n], nu)
    return total / steps


def terminal(orbit: Orbit) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of phi(x_N) by the parameters, (B, p), and by the first state, (B, n)."""
    A, B = orbit.whole
    nu, total = orbit.phi_x[-1], orbit.phi_p[-1]
    for n in reversed(range(len(A))):
        total = total + _pull(B[n], nu)
        nu = _pull(A[n], nu)
    return total, nu


def _pull(matrix: np.ndarray, w: np.ndarray) -> np.ndarray:
    """matrix' w of each member."""
    return np.einsum("bij,bi->bj", matrix, w)
