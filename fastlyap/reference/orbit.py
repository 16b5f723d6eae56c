"""Orbits alone: the state at every so many steps."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.fate import date, examine, mark
from fastlyap.reference.step import step


class Orbit(NamedTuple):
    """state : (B, T, n), NaN from where a member failed; times : (T,); status, failed_step : (B,)."""

    state: np.ndarray
    times: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray


def orbit(
    dynamics: Dynamics, x: np.ndarray, *, steps: int, transient: int = 0, every: int = 1, radius: float = 1e8
) -> Orbit:
    """States after every `every`-th of `steps` steps that follow `transient` steps; the start is not among them.

    Escape (some |x_i| > radius) and NaN are looked for at the kept states, as often in the transient, and at its end.
    `failed_step` counts from the very start.
    """
    Z, proposal = x[:, None], np.zeros_like(x[:, 0])
    status, failed_step = np.zeros(len(x), dtype=np.int8), np.full(len(x), -1)
    kept = np.full((len(x), steps // every, x.shape[1]), np.nan, dtype=x.dtype)
    for number in range(1, transient + steps // every * every + 1):
        made = step(dynamics, dynamics.t0 + (number - 1) * dynamics.dt, Z, proposal)
        Z, proposal = made.Z, made.proposal
        status = mark(status, made.failed, codes.FAILED)
        before = number <= transient
        place, between = divmod(number if before else number - transient, every)
        if between and number != transient:
            continue
        status = examine(status, Z[:, 0], radius)
        failed_step = date(failed_step, status, number)
        if not before:
            kept[:, place - 1] = np.where((status == codes.OK)[:, None], Z[:, 0], np.nan)
    times = dynamics.t0 + (transient + np.arange(1, kept.shape[1] + 1) * every) * dynamics.dt
    return Orbit(kept, times, status, failed_step)
