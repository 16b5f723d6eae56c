"""Growth of covectors pulled back along a stored orbit: w_m = J(x_m)' w_{m+1}, then QR, backward in time.

J is the full Jacobian of the discrete step (adaptive: with the accepted inner steps held fixed), so the covector
growth and the tangent growth belong to one matrix product and its transpose.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.dynamics import Dynamics, with_identity
from fastlyap.reference.fate import date, examine, mark
from fastlyap.reference.growth import Growth, begin, close_cell, forget, settle, settled
from fastlyap.reference.step import step


def growth(
    dynamics: Dynamics, x: np.ndarray, frame: np.ndarray, *, steps: int, transient: int = 0, every: int = 1,
    radius: float = 1e8,
) -> Growth:  # fmt: skip
    """Adjoint growth over `steps` steps that begin after `transient` steps.

    The orbit goes on for another `transient` steps, over which the frame of covectors is pulled back uncounted.
    The cells run backward in time. `x` of the result is the state at the orbit's end. Arguments as in
    `reference.growth.growth`.
    """
    g = begin(x, frame)
    g, orbit = _forward(dynamics, g, (transient, steps, transient), every, radius)
    g = _back(dynamics, g, orbit, transient + steps, transient, every, radius)
    g = forget(settled(g, every=every, first=transient + steps, radius=radius))
    g = _back(dynamics, g, orbit, transient, steps, every, radius)
    return settled(g, every=every, first=transient, radius=radius)


def _forward(dynamics: Dynamics, g: Growth, lengths: tuple[int, ...], every: int, radius: float) -> tuple[Growth, list]:
    """The orbit as a list of (state, proposal) before each step, and what its members came to.

    `lengths` are those of consecutive stretches; lost members are looked for after every `every` steps of each, and
    at its end.
    """
    orbit = []
    for place, end in [(place, length) for length in lengths for place in range(1, length + 1)]:
        number = len(orbit)
        orbit.append((g.x, g.proposal))
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, g.x[:, None], g.proposal)
        status, failed_step = mark(g.status, made.failed, codes.FAILED), g.failed_step
        if place % every == 0 or place == end:
            status = examine(status, made.Z[:, 0], radius)
            failed_step = date(failed_step, status, number + 1)
        g = replace(g, x=made.Z[:, 0], proposal=made.proposal, status=status, failed_step=failed_step)
    return g, orbit


def _back(dynamics: Dynamics, g: Growth, orbit: list, first: int, n_steps: int, every: int, radius: float) -> Growth:
    """Pull the frame back over the steps first + n_steps - 1, ..., first."""
    n = g.x.shape[1]
    full = g.frame.shape[1] == n
    for number in reversed(range(first, first + n_steps)):
        x, proposal = orbit[number]
        time = dynamics.t0 + number * dynamics.dt
        made = step(dynamics, time, with_identity(x), proposal, divergence=full)
        J = made.Z[:, 1:].swapaxes(1, 2)
        with np.errstate(all="ignore"):
            # rows w' = w J are the columns J' w
            g = replace(g, frame=g.frame @ J, steps=g.steps + 1)
            if full:
                log_det = g.log_det + np.linalg.slogdet(J.astype(np.float64))[1]
                g = replace(g, log_det=log_det, divergence=g.divergence + made.divergence)
        if g.steps % every == 0:
            g = close_cell(settle(g, number, radius), every)
    return g
