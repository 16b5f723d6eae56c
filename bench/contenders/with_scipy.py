"""SciPy's `solve_ivp` on the state and three tangent vectors of Lorenz 63 as one system of 12 equations.

The right-hand side is compiled by Numba: what remains is SciPy's own work, and a plain NumPy rule would be slower.
"""

import numpy as np
from numba import njit
from scipy.integrate import solve_ivp

from bench.workloads import frame, lorenz63


@njit
def _rule(t, y):
    out = np.empty(12)
    x0, x1, x2 = y[0], y[1], y[2]
    out[0], out[1], out[2] = 10.0 * (x1 - x0), x0 * (28.0 - x2) - x1, x0 * x1 - 8 / 3 * x2
    for o in range(3, 12, 3):
        v0, v1, v2 = y[o], y[o + 1], y[o + 2]
        out[o] = 10.0 * (v1 - v0)
        out[o + 1] = (28.0 - x2) * v0 - v1 - x0 * v2
        out[o + 2] = x1 * v0 + x0 * v1 - 8 / 3 * v2
    return out


def spectrum(method: str, rtol: float, interval: float, intervals: int) -> np.ndarray:
    """Exponents (3,) over `intervals`, reorthonormalised after each; atol = rtol / 1000 as is our default."""
    y = np.concatenate([lorenz63.x0, frame(3).ravel()])
    total = np.zeros(3)
    for i in range(intervals):
        found = solve_ivp(_rule, (i * interval, (i + 1) * interval), y, method=method, rtol=rtol, atol=rtol / 1000)
        y = found.y[:, -1]
        Q, R = np.linalg.qr(y[3:].reshape(3, 3).T)
        total += np.log(np.abs(np.diag(R)))
        y[3:] = Q.T.ravel()
    return total / (intervals * interval)
