"""One step of every kind of dynamics with its exact tangent: map, euler, rk4, compositions, an interval of dopri5.

The flow's divergence is integrated by the method's own quadrature: h sum_i b_i tr f_x(t_i, Y_i) over its stages.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlyap.reference import delayed, noise
from fastlyap.reference.dopri5 import interval
from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.exponential import etdrk4, simpson
from fastlyap.reference.symplectic import PARTS, compose
from fastlyap.reference.tableau import TABLEAUS, explicit_step, mean_divergence


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
    if dynamics.noise is not None:
        made, total = noise.step(dynamics, t, Z, divergence)
        return Step(made, proposal, nothing > 0, total)
    if dynamics.past is not None:
        return Step(delayed.step(dynamics, t, Z), proposal, nothing > 0, nothing)
    if dynamics.integrator == "map":
        return Step(dynamics.field(t, Z), proposal, nothing > 0, nothing)
    start = np.full(len(Z), t, dtype=Z.dtype)
    h = np.full(len(Z), dynamics.dt, dtype=Z.dtype)
    with np.errstate(all="ignore"):
        if dynamics.integrator == "dopri5":
            return Step(*interval(dynamics, start, Z, proposal, divergence))
        if dynamics.integrator == "etdrk4":
            assert dynamics.rates is not None
            new, stages = etdrk4(dynamics.field, dynamics.rates, start, Z, dynamics.dt)
            mean = simpson(dynamics.jacobian, stages) if divergence else nothing
            return Step(new, proposal, nothing > 0, h * mean)
        if dynamics.integrator in PARTS:  # the flow is free of divergence
            made = compose(dynamics.field, start, Z, h, PARTS[dynamics.integrator])
            return Step(made, proposal, nothing > 0, nothing)
        method = TABLEAUS[dynamics.integrator]
        made = explicit_step(dynamics.field, start, Z, h, method)
        mean = mean_divergence(dynamics.jacobian, made, method) if divergence else nothing
        return Step(made.new, proposal, nothing > 0, h * mean)


def step_with_tangent(dynamics: Dynamics, t: float, x: np.ndarray, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The step of states x (B, n) and of tangent vectors V (B, k, n) in rows."""
    Z = step(dynamics, t, stack(x, V), np.zeros(len(x), dtype=x.dtype)).Z
    return Z[:, 0], Z[:, 1:]


def step_jacobian(dynamics: Dynamics, t: float, x: np.ndarray, proposal: np.ndarray) -> np.ndarray:
    """Full Jacobian of the step, J[b, i, j] = d x'_i / d x_j, (B, n, n): the tangent of the identity."""
    return step(dynamics, t, with_identity(x), proposal).Z[:, 1:].swapaxes(1, 2)
