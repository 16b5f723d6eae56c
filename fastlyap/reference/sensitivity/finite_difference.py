"""The referee: averages of separate runs at parameters a little above and below."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.sensitivity import linear
from fastlyap.reference.step import step


def mean(dynamics: Dynamics, fn: Callable, x: np.ndarray, *, steps: int, transient: int = 0) -> np.ndarray:
    """(1 / N) sum of fn(x_n, p), n = 0 .. N - 1 after the transient, of each member, (B,)."""
    total, proposal = np.zeros(len(x)), np.zeros(len(x))
    for number in range(transient + steps):
        if number >= transient:
            total += linear.observable(dynamics, (), fn, x).value[:, 0]
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, x[:, None], proposal)
        x, proposal = made.Z[:, 0], made.proposal
    return total / steps


def central(
    dynamics: Dynamics, column: int, size: float, fn: Callable, x: np.ndarray, *, steps: int, transient: int = 0
) -> np.ndarray:
    """(mean at theta + size - mean at theta - size) / (2 size), of each member, (B,)."""
    ends = []
    for sign in (1.0, -1.0):
        p = dynamics.p.copy()
        p[:, column] += sign * size
        moved = replace(dynamics, p=p)
        ends.append(mean(moved, fn, x, steps=steps, transient=transient))
    return (ends[0] - ends[1]) / (2.0 * size)
