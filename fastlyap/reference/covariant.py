"""Lyapunov vectors from the Jacobians of all steps, kept in memory: orthonormal frames and covariant vectors.

With J_m = J(x_m), QR forward in time (tangent: J_m V_m = V_{m+1} R_m) or backward (adjoint: J_m' W_{m+1} = W_m R_m).
Covariant vectors v_m = V_m c_m with c_m = R_m^-1 c_{m+1}, their adjoint in the mirror. Ginelli et al., Phys. Rev. Lett.
99 (2007), 130601; J. Phys. A 46 (2013), 254005.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.dynamics import Dynamics, with_identity
from fastlyap.reference.fate import date, examine, mark
from fastlyap.reference.step import step


class Orbit(NamedTuple):
    """state : (B, N + 1, n); jacobian : (B, N, n, n) of each step; status, failed_step : (B,)."""

    state: np.ndarray
    jacobian: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray


class Sweep(NamedTuple):
    """Vectors, rows of unit length, and growth.

    vectors : (B, N + 1, k, n) at the states of the orbit, NaN where there are none; growth : (B, N, k) log growth of
    the vectors over each step; frame_growth : (B, N, k) log R_jj.
    """

    vectors: np.ndarray
    growth: np.ndarray
    frame_growth: np.ndarray


def orbit(dynamics: Dynamics, x: np.ndarray, steps: int, *, radius: float = 1e8) -> Orbit:
    """States x (B, n) and what follows, with the Jacobian of each step."""
    proposal, states, jacobians = np.zeros_like(x[:, 0]), [x], []
    status, failed_step = np.zeros(len(x), dtype=np.int8), np.full(len(x), -1)
    for number in range(steps):
        made = step(dynamics, dynamics.t0 + number * dynamics.dt, with_identity(states[-1]), proposal)
        proposal = made.proposal
        states.append(made.Z[:, 0])
        jacobians.append(made.Z[:, 1:].swapaxes(1, 2))
        status = examine(mark(status, made.failed, codes.FAILED), states[-1], radius)
        status = mark(status, ~np.isfinite(jacobians[-1]).all(axis=(1, 2)), codes.NOT_FINITE)
        failed_step = date(failed_step, status, number + 1)
    J = np.stack(jacobians, axis=1)
    return Orbit(np.stack(states, axis=1), np.where((status == 0)[:, None, None, None], J, 0.0), status, failed_step)


def frames(jacobian: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal frames V (B, N + 1, n, k), columns, and R (B, N, k, k) with R_jj >= 0, from `frame` (k, n) on."""
    members, steps = jacobian.shape[:2]
    V, R = [np.broadcast_to(frame.T, (members, *frame.T.shape))], []
    for number in range(steps):
        Q, upper = np.linalg.qr(jacobian[:, number] @ V[-1])
        sign = np.where(np.diagonal(upper, axis1=1, axis2=2) < 0, -1.0, 1.0)
        V.append(Q * sign[:, None, :])
        R.append(upper * sign[:, :, None])
    return np.stack(V, axis=1), np.stack(R, axis=1)


def covary(V: np.ndarray, R: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Covariant vectors (B, N + 1, k, n) of recorded frames, and their log growth (B, N, k)."""
    members, steps, k = R.shape[:3]
    C = np.broadcast_to(np.eye(k), (members, k, k))
    vectors, growth = [V[:, -1] @ C], []
    for number in reversed(range(steps)):
        with np.errstate(all="ignore"):
            C = np.stack([_solved(r, c) for r, c in zip(R[:, number], C, strict=True)])
            size = np.linalg.norm(C, axis=1, keepdims=True)
            C = C / size
            growth.append(-np.log(size[:, 0]))
        vectors.append(V[:, number] @ C)
    return np.stack(vectors[::-1], axis=1).swapaxes(2, 3), np.stack(growth[::-1], axis=1)


def _solved(r: np.ndarray, c: np.ndarray) -> np.ndarray:
    """R^-1 C; NaN where R is singular."""
    return np.linalg.solve(r, c) if np.all(np.diagonal(r) > 0) else np.full_like(c, np.nan)


def lyapunov_vectors(jacobian: np.ndarray, frame: np.ndarray, kind: str) -> Sweep:
    """Vectors of one kind along an orbit's Jacobians (B, N, n, n), from a frame (k, n) at the end where QR begins."""
    adjoint = kind in ("forward", "adjoint_covariant")
    J = jacobian[:, ::-1].swapaxes(2, 3) if adjoint else jacobian
    V, R = frames(J, frame)
    with np.errstate(divide="ignore"):
        stretch = np.log(np.diagonal(R, axis1=2, axis2=3))
    vectors, growth = covary(V, R) if "covariant" in kind else (V.swapaxes(2, 3), stretch)
    turn = slice(None, None, -1 if adjoint else 1)
    return Sweep(vectors[:, turn], growth[:, turn], stretch[:, turn])
