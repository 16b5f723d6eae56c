"""The factors of ETDRK4, which depend on the step and on the linear rates: computed on the host for every member.

With z = h c they are exp(z), exp(z/2) and h times functions of z that a naive formula spoils near z = 0; the mean over
a circle of radius 1 about z is exact to rounding. Source: Kassam & Trefethen, SIAM J. Sci. Comput. 26 (2005) 1214.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.request import Integration
from fastlyap.trace.evaluate import evaluate

POINTS = 32  # on the circle; for real z the half circle of them does


def rates(system: Any, p: np.ndarray) -> np.ndarray:
    """The linear rates c (B, n) of members with flat parameters p (B, n_parameters)."""
    outputs = system.parts[0].outputs
    nothing = np.zeros((system.dim, len(p)))
    return np.broadcast_to(evaluate(outputs, nothing, p.T), nothing.shape).T


def factors(c: np.ndarray, h: float) -> np.ndarray:
    """Rows (B, 6 n + 1) of E, E2, Q, F1, F2, F3 as `kernel.exponential` reads them, then the sum of h c."""
    z = h * c
    angles = np.pi * (np.arange(1, POINTS + 1) - 0.5) / POINTS
    r = z[..., None] + np.exp(1j * angles)
    e = np.exp(r)
    curves = (
        (np.exp(r / 2) - 1) / r,
        (-4 - r + e * (4 - 3 * r + r**2)) / r**3,
        2 * (2 + r + e * (r - 2)) / r**3,
        (-4 - 3 * r - r**2 + e * (4 - r)) / r**3,
    )
    means = [h * curve.mean(axis=-1).real for curve in curves]
    return np.concatenate([np.exp(z), np.exp(z / 2), *means, z.sum(axis=1, keepdims=True)], axis=1)


def columns(system: Any, integrator: str) -> int:
    """How many columns `extension` adds."""
    return 7 * system.dim + 1 if integrator == "etdrk4" else 0


def extension(system: Any, how: Integration) -> Callable[[np.ndarray], np.ndarray]:
    """What puts factors and rates behind the parameters (B, ...) of members; nothing to do for other integrators."""
    if how.integrator != "etdrk4":
        return lambda p: p

    def extended(p: np.ndarray) -> np.ndarray:
        c = rates(system, p)
        return np.concatenate([p, factors(c, how.dt), c], axis=1)

    return extended
