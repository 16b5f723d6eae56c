"""Exponents of a finite run and their derivatives, forward in time: one tangent of state and frame per parameter.

With x' = f(x, theta) and V = A Q = Q' R, columns as vectors, a parameter moves x by s and Q by dQ, and
    X = Q'^T dV R^-1,   d log R_jj = X_jj,   dQ' = Q' (L - L^T) + (1 - Q' Q'^T) dV R^-1,   L the part of X below.
What moves A is a difference of exact tangents, of fourth order in the step.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from fastlyap.reference import fate
from fastlyap.reference.step import step_with_tangent

STEP = 3e-4
FOURTH = ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))


class Exponents(NamedTuple):
    """Exponents (B, k) in the order of the frame, their derivatives (B, k, p + n), by the start last; fates (B,)."""

    exponents: np.ndarray
    gradient: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray


def exponents(
    dynamics: Any, moved: Sequence[Callable], x: np.ndarray, frame: np.ndarray, *, steps: int, transient: int = 0,
    every: int = 1, radius: float = 1e8,
) -> Exponents:  # fmt: skip
    """The exponents of `steps` steps after `transient` ones, factorised every so many and at the end of both.

    Parameters
    ----------
    moved : p functions of h (B,), the dynamics with one parameter larger by h
    x, frame : (B, n) states and (k, n) orthonormal tangents at the start
    """
    (members, n), begin = x.shape, x
    still = [lambda h: dynamics] * n
    changes = [*moved, *still]
    s = np.zeros((len(changes), members, n))
    s[len(moved) :] = np.eye(n)[:, None]
    Q = np.broadcast_to(frame, (members, *frame.shape))
    dQ, total = np.zeros((len(changes), *Q.shape)), 0.0
    slope = np.zeros((len(changes), members, len(frame)))
    status, failed = np.zeros(members, dtype=np.int8), np.full(members, -1)
    for first, last, counts in ((0, transient, 0.0), (transient, transient + steps, 1.0)):
        for number in range(first, last):
            t = dynamics.t0 + number * dynamics.dt
            x, Q, s, dQ = _step(dynamics, changes, t, x, Q, s, dQ)
            status = fate.examine(status, x, radius)
            failed = fate.date(failed, status, number + 1)
            lost = status > 0  # whose numbers mean nothing any more, and must not become infinite
            x, Q = np.where(lost[:, None], begin, x), np.where(lost[:, None, None], frame, Q)
            if (number + 1 - first) % every == 0 or number + 1 == last:
                Q, R, dQ, X = _factored(Q, dQ)
                total = total + counts * np.log(R)
                slope = slope + counts * X
    time = steps * dynamics.dt
    return Exponents(total / time, np.moveaxis(slope, 0, -1) / time, status, failed)


def _step(dynamics: Any, changes: Sequence[Callable], t: float, x: np.ndarray, V: np.ndarray, s: Any, dV: Any) -> tuple:
    """State, frame of rows and what every parameter makes of them, one step later."""
    new_x, new_V = step_with_tangent(dynamics, t, x, V)
    new_s, new_dV = np.zeros_like(s), np.zeros_like(dV)
    for c, change in enumerate(changes):
        for place, weight in FOURTH:
            h = STEP / np.maximum(1.0, np.abs(s[c]).max(axis=1))
            there = step_with_tangent(change(place * h), t, x + place * h[:, None] * s[c], V)
            new_s[c] += weight / h[:, None] * there[0]
            new_dV[c] += weight / h[:, None, None] * there[1]
        new_dV[c] += step_with_tangent(dynamics, t, x, dV[c])[1]
    return new_x, new_V, new_s, new_dV


def _factored(V: np.ndarray, dV: np.ndarray) -> tuple:
    """Q of rows, the diagonal of R, dQ, and the derivatives of its logarithms (p, B, k)."""
    Q, R = np.linalg.qr(V.swapaxes(-1, -2))
    sign = np.sign(np.diagonal(R, axis1=1, axis2=2))
    Q, R = Q * sign[:, None], R * sign[..., None]
    D = dV.swapaxes(-1, -2) @ np.linalg.inv(R)
    X = Q.swapaxes(-1, -2) @ D
    L = np.tril(X, -1)
    dQ = Q @ (L - L.swapaxes(-1, -2)) + D - Q @ X
    diagonal = np.diagonal(R, axis1=1, axis2=2)
    return Q.swapaxes(-1, -2), diagonal, dQ.swapaxes(-1, -2), np.diagonal(X, axis1=-2, axis2=-1)
