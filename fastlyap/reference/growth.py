"""Growth of a frame of tangent vectors along an orbit, or of covectors against it, by repeated QR.

V_{m+1} = (product of the step Jacobians) V_m = Q R; log R_jj summed is the growth of the j-th volume direction.
The volume itself is summed from the determinants of the step Jacobians, without the frame. Source: Benettin et
al., Meccanica 15 (1980); Geist, Parlitz & Lauterborn, Prog. Theor. Phys. 83 (1990) for Householder QR.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.fate import date, examine, mark
from fastlyap.reference.step import step
from fastlyap.statistics import N_CELLS, merge

LOST = 8.0  # a remainder below LOST * eps * (norm before) is rounding noise


@dataclass(frozen=True)
class Growth:
    """What B members have come to. Failed members keep their numbers up to the failure; their `log_det` and
    `divergence` mean nothing.

    x : (B, n) state; frame : (B, k, n) orthonormal rows; proposal : (B,) inner step of dopri5.
    steps : taken since growth was last forgotten (adjoint: pulled back).
    total : (B, k) log growth; cells : (B, n_cells, k) of it over the stretches of `cell_steps` steps that are full.
    log_det : (B,) sum of log|det J|, NaN when k < n; divergence : (B,) integral of tr f_x, NaN when k < n.
    conditioning : (B,) largest max R_jj / min R_jj of an interval.
    status : (B,) int8; failed_step : (B,) int64, -1 for no failure; counted from the very start.
    """

    x: np.ndarray
    frame: np.ndarray
    proposal: np.ndarray
    steps: int
    total: np.ndarray
    open_cell: np.ndarray
    cells: np.ndarray
    cell_steps: int
    log_det: np.ndarray
    divergence: np.ndarray
    conditioning: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray


def begin(x: np.ndarray, frame: np.ndarray) -> Growth:
    """Members at states x (B, n) with frames (k, n), shared, or (B, k, n)."""
    members, (k, n) = len(x), np.shape(frame)[-2:]
    nothing = np.zeros(members)
    whole = nothing if k == n else nothing + np.nan
    return Growth(
        x=x.copy(), frame=np.broadcast_to(frame, (members, k, n)).astype(x.dtype), proposal=np.zeros_like(x[:, 0]),
        steps=0, total=np.zeros((members, k)), open_cell=np.zeros((members, k)), cells=np.zeros((members, 0, k)),
        cell_steps=0, log_det=whole, divergence=whole, conditioning=nothing,
        status=np.zeros(members, dtype=np.int8), failed_step=np.full(members, -1),
    )  # fmt: skip


def forget(g: Growth) -> Growth:
    """The same states, frames and statuses, with no growth yet."""
    fresh = begin(g.x, g.frame)
    return replace(fresh, proposal=g.proposal, status=g.status, failed_step=g.failed_step)


def grow(dynamics: Dynamics, g: Growth, n_steps: int, *, every: int, first: int = 0, radius: float = 1e8) -> Growth:
    """Advance by `n_steps`, reorthonormalising when `g.steps` is a multiple of `every`.

    first : the number, from the very start, of the step with `g.steps` = 0; radius : escape radius, max norm.
    """
    for _ in range(n_steps):
        number = first + g.steps
        g = _advance(dynamics, g, dynamics.t0 + number * dynamics.dt)
        if g.steps % every == 0:
            g = close_cell(settle(g, number + 1, radius), every)
            if np.all(g.status != codes.OK):
                break
    return g


def _advance(dynamics: Dynamics, g: Growth, t: float) -> Growth:
    """One step of state, frame and, when k = n, of the volume."""
    k, n = g.frame.shape[1:]
    full = k == n
    Z = with_identity(g.x) if full else stack(g.x, g.frame)[:, :1]
    made = step(dynamics, t, np.concatenate([Z, g.frame], axis=1), g.proposal, divergence=full)
    log_det, divergence = g.log_det, g.divergence
    x, frame = made.Z[:, 0], made.Z[:, -k:]
    if dynamics.subspace is not None:
        rows, held = dynamics.subspace
        frame = frame @ (rows.T @ rows)
        x = x - held * (x @ rows.T) @ rows
    if full:
        with np.errstate(all="ignore"):
            log_det = log_det + np.linalg.slogdet(made.Z[:, 1 : 1 + n].astype(np.float64))[1]
        divergence = divergence + made.divergence
    return replace(
        g, x=x, frame=frame, proposal=made.proposal, steps=g.steps + 1, log_det=log_det,
        divergence=divergence, status=mark(g.status, made.failed, codes.FAILED),
    )  # fmt: skip


def settle(g: Growth, number: int, radius: float) -> Growth:
    """Reorthonormalise at step `number`, add the growth of the members that are well, give the others a status."""
    frame, diagonal = reorthonormalise(g.frame)
    with np.errstate(all="ignore"):
        status = examine(g.status, g.x, radius)
        status = mark(status, ~np.isfinite(diagonal).all(axis=1), codes.NOT_FINITE)
        alive = status == codes.OK
        growth = np.where(alive[:, None], np.log(diagonal), 0.0)
        smallest = np.where(diagonal > 0, diagonal, np.inf).min(axis=1, initial=np.inf)
        ratio = diagonal.max(axis=1, initial=0.0) / smallest
    return replace(
        g, frame=np.where(alive[:, None, None], frame, g.frame), total=g.total + growth,
        open_cell=g.open_cell + growth, conditioning=np.where(alive, np.maximum(g.conditioning, ratio), g.conditioning),
        status=status, failed_step=date(g.failed_step, status, number),
    )  # fmt: skip


def reorthonormalise(frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal rows spanning the same flags as the rows of `frame` (B, k, n), and R_jj >= 0 (B, k).

    By Householder QR. A remainder lost in rounding counts as 0; its row is then any completion.
    """
    sound = np.isfinite(frame).all(axis=(1, 2))
    Q, R = np.linalg.qr(np.where(sound[:, None, None], frame, 0.0).swapaxes(1, 2))
    diagonal = np.diagonal(R, axis1=1, axis2=2).astype(np.float64)
    rows = (Q * np.where(diagonal < 0, -1, 1).astype(Q.dtype)[:, None, :]).swapaxes(1, 2)
    lost = np.abs(diagonal) <= LOST * np.finfo(frame.dtype).eps * _norms(frame)
    diagonal = np.where(lost, 0.0, np.abs(diagonal))
    return rows, np.where(sound[:, None], diagonal, np.nan)


def _norms(frame: np.ndarray) -> np.ndarray:
    """Lengths of the rows, (B, k); scaled, so that their squares cannot overflow."""
    largest = np.abs(frame).max(axis=2, initial=0.0).astype(np.float64)
    scale = np.where((largest > 0) & np.isfinite(largest), largest, 1.0)
    return scale * np.linalg.norm(frame / scale[..., None], axis=2)


def close_cell(g: Growth, every: int) -> Growth:
    """Fold the open cell when it is full; merge neighbours, twice as long, when all N_CELLS are."""
    length = g.cell_steps or every
    if g.steps % length:
        return replace(g, cell_steps=length)
    cells = np.concatenate([g.cells, g.open_cell[:, None]], axis=1)
    if cells.shape[1] == N_CELLS:
        cells, length = merge(cells), 2 * length
    return replace(g, cells=cells, cell_steps=length, open_cell=np.zeros_like(g.open_cell))


def settled(g: Growth, *, every: int, first: int = 0, radius: float = 1e8) -> Growth:
    """With the last, shorter interval closed: its growth counts in `total`, not in the cells."""
    return settle(g, first + g.steps, radius) if g.steps % every else g


def growth(
    dynamics: Dynamics, x: np.ndarray, frame: np.ndarray, *, steps: int, transient: int = 0, every: int = 1,
    radius: float = 1e8,
) -> Growth:  # fmt: skip
    """Growth over `steps` steps after `transient` steps in which state and frame evolve uncounted.

    Parameters
    ----------
    x : (B, n)
        States at `dynamics.t0`.
    frame : (k, n) or (B, k, n)
        Rows in general position.
    every : int
        Steps between reorthonormalisations.
    radius : float
        A member with some |x_i| beyond it has escaped; looked at when reorthonormalising.
    """
    g = grow(dynamics, begin(x, frame), transient, every=every, radius=radius)
    g = forget(settled(g, every=every, radius=radius))
    g = grow(dynamics, g, steps, every=every, first=transient, radius=radius)
    return settled(g, every=every, first=transient, radius=radius)
