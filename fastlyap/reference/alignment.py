"""The generalised alignment index by its definition: k vectors carried along, each normalised, and their volume.

GALI_k is the product of the singular values of the matrix of unit vectors. In finite precision it cannot fall far below
eps: that is the vectors' own fate. Source: Skokos, Bountis & Antonopoulos, Physica D 231 (2007) 30, section 5 of Eur.
Phys. J. Special Topics 165 (2008) 5 for the singular values.
"""

from __future__ import annotations

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.dynamics import Dynamics, stack
from fastlyap.reference.fate import date, examine, mark
from fastlyap.reference.step import step


def gali(
    dynamics: Dynamics, x: np.ndarray, frame: np.ndarray, *, steps: int, transient: int, every: int, inner: int,
    radius: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """GALI_k (B, T) after every `every` steps, the last states, statuses and steps of failure.

    x : (B, n) at `dynamics.t0`; frame : (k, n) the vectors, orthonormal, that start after `transient` steps; `inner`
    steps lie between two normalisations, and two looks for lost members.
    """
    status, failed_step = np.zeros(len(x), dtype=np.int8), np.full(len(x), -1)
    values = np.full((len(x), steps // every), np.nan)
    Z, proposal = x[:, None], np.zeros_like(x[:, 0])
    for number in range(1, transient + steps + 1):
        if number == transient + 1:
            Z = stack(Z[:, 0], np.broadcast_to(frame, (len(x), *frame.shape)))
        made = step(dynamics, dynamics.t0 + (number - 1) * dynamics.dt, Z, proposal)
        Z, proposal = made.Z, made.proposal
        status = mark(status, made.failed, codes.FAILED)
        if number > transient and (number - transient) % inner:
            continue
        status = examine(status, Z[:, 0], radius)
        failed_step = date(failed_step, status, number)
        if number > transient:
            with np.errstate(all="ignore"):
                V = Z[:, 1:] / np.linalg.norm(Z[:, 1:], axis=2, keepdims=True)
            Z = stack(Z[:, 0], V)
            if (number - transient) % every == 0:
                sound = np.isfinite(V).all(axis=(1, 2))
                volume = np.linalg.svd(np.where(sound[:, None, None], V, 0.0), compute_uv=False).prod(axis=1)
                values[:, (number - transient) // every - 1] = np.where(sound, volume, np.nan)
    return values, Z[:, 0], status, failed_step
