"""How far one step more would move the last states of maps: fixed points stay, points of a cycle do not.

Both have negative exponents only, so that exponents cannot tell them apart.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.machines.run import Ensemble
from fastlyap.request import SpectrumRequest


def driven(system: Any) -> bool:
    """Whether steps depend on more than the state: on time, inputs or noise."""
    rules = [r for r in (system.recording, system.noise_recording) if r is not None]
    reads = system.architecture is not None and system.architecture.driven
    return bool(reads or system.noise_count > 0 or any(rule.ops["t"] for rule in rules))


def asked(system: Any) -> bool:
    """Whether orbits of this system can end in fixed points that one step shows."""
    return system.kind == "map" and not system.delays and not driven(system)


def distance(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """(B,) Largest change of a component of states (B, n), relative to 1 + the largest component."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.abs(after - before).max(axis=1) / (1.0 + np.abs(before).max(axis=1))


def moved(members: Ensemble, request: SpectrumRequest, t0: float) -> np.ndarray:
    """(B,) The `distance` that one step more moves the states of members; NaN of those that failed."""
    found = np.full(len(members), np.nan)
    if not asked(request.system):
        return found
    n = request.system.dim
    for index, every, step in members.groups(np.flatnonzero(members.alive())):
        batch = members.new_batch(members.S[index], members.A[index], members.P[index])  # copies: nothing goes on
        batch.grow(members.how, t0, members.k, step, 1, every)
        found[index] = distance(members.S[index, :n], batch.read()[0][:, :n])
    return found
