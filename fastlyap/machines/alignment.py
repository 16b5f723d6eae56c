"""Alignment of deviation vectors from recorded frames: the volume of k vectors, each normalised on its own.

The vectors are V_s = Q_s' M_s with M_s = R_s M_(s-1), M_0 = 1, so GALI_k is the product over j of |M_jj| / |column j|.
Columns are normalised on the way, rows of triangular factors are all that is kept: the index is right to rounding also
where the vectors themselves could not be told apart any more. Skokos, Bountis & Antonopoulos, Physica D 231 (2007) 30;
SALI: Skokos, J. Phys. A 34 (2001) 10029.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend import cpu
from fastlyap.backend.frames import FrameBatch, Segment, point_rows
from fastlyap.backend.reference import dynamics
from fastlyap.kernel import layout
from fastlyap.machines.alignment_result import Gali
from fastlyap.machines.assembly import info, settings
from fastlyap.machines.average import initial_frame
from fastlyap.machines.chunks import handed_over, run_chunks
from fastlyap.machines.planning import Plan
from fastlyap.machines.rows import new_rows
from fastlyap.machines.run import Pace, Stopped
from fastlyap.reference import alignment as reference
from fastlyap.request import Integration, Members

POINTS = 64  # recorded before they are worked on


@dataclass(frozen=True)
class GaliRequest:
    """Everything `fl.gali` was asked, after all checks. Counts in steps; `inner` divides `every`, `every` `steps`."""

    system: Any
    integration: Integration
    members: Members
    k: int
    steps: int
    transient: int
    every: int
    inner: int
    threshold: float
    seed: int


@dataclass
class Found:
    """Numbers of all members, filled in chunk by chunk."""

    values: np.ndarray
    state: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray

    @classmethod
    def empty(cls, request: GaliRequest) -> Found:
        """Members that have not been computed."""
        members = len(request.members)
        return cls(
            np.full((members, request.steps // request.every), np.nan), np.full_like(request.members.x, np.nan),
            np.full(members, status.PENDING, dtype=np.int8), np.full(members, -1, dtype=np.int64),
        )  # fmt: skip


def gali(request: GaliRequest, plan: Plan, progress: Any) -> Gali:
    """Run a request for an alignment index."""
    found = Found.empty(request)
    complete = [True]
    if plan.backend == "reference":
        frame = initial_frame(request.system.dim, request.k, request.seed)
        found = Found(*reference.gali(
            dynamics(request), request.members.x, frame, steps=request.steps, transient=request.transient,
            every=request.every, inner=request.inner, radius=request.integration.escape_radius,
        ))  # fmt: skip
    elif len(request.members):
        kernels = cpu.load(request.system, request.integration, plan.width, plan.form, request.members.pool)
        complete = run_chunks(lambda part, pace: _chunk(request, part, kernels, pace, found), plan, progress)
    result = _result(request, plan, found)
    return handed_over(result, complete)


def _chunk(request: GaliRequest, part: slice, kernels: cpu.Kernels, pace: Pace, found: Found) -> bool:
    """The index of the members in `part`; whether they were not interrupted."""
    n, k, inner = request.system.dim, request.k, request.inner
    S, A = new_rows(request.members.x[part], initial_frame(n, k, request.seed))
    batch = FrameBatch(kernels, (S, A, request.members.p[part]), request.integration)
    places, stride = request.steps // inner, request.every // inner
    try:
        batch.advance_along(Segment(0, request.transient, 1, 0), 0, pace)
        M = np.broadcast_to(np.eye(k), (len(S), k, k)).copy()
        for first in range(0, places, POINTS):
            segment = Segment(first, min(first + POINTS, places), inner, request.transient)
            batch.record(slice(0, len(batch.S)), segment, False, False)
            for s, R in enumerate(_factors(batch, segment), first + 1):
                M = _carried(R, M)
                if s % stride == 0:
                    found.values[part, s // stride - 1] = np.abs(np.diagonal(M, axis1=1, axis2=2)).prod(axis=1)
            pace.done(len(S) * segment.points * inner)
    except Stopped:
        return False
    S, A = batch.read()
    found.state[part], found.status[part] = S[:, :n], A[:, layout.STATUS]
    lost = A[:, layout.STATUS] >= status.NOT_FINITE
    found.failed_step[part] = np.where(lost, A[:, layout.FAILED_STEP], -1)
    return True


def _factors(batch: FrameBatch, segment: Segment) -> np.ndarray:
    """The upper triangular factors (points, members, k, k) of the points recorded last."""
    k, width = batch.k, point_rows(batch.kernels.dim, batch.k, False)
    rows = cpu.unpack(batch.points(segment.points * width), batch.members)
    packed = rows.reshape(len(rows), segment.points, width)[..., : k * (k + 1) // 2]
    R = np.zeros((segment.points, len(rows), k, k))
    columns, lines = np.tril_indices(k)
    R[..., lines, columns] = packed.swapaxes(0, 1)
    return R


def _carried(R: np.ndarray, M: np.ndarray) -> np.ndarray:
    """R M (B, k, k) with columns of unit length."""
    with np.errstate(all="ignore"):
        M = R @ M
        M = M / np.abs(M).max(axis=1, keepdims=True)
        return M / np.sqrt((M * M).sum(axis=1, keepdims=True))


def _result(request: GaliRequest, plan: Plan, found: Found) -> Gali:
    """Threshold times, and the shape of the batch."""
    members, how, every = request.members, request.integration, request.every
    T = found.values.shape[1]
    times = np.arange(1, T + 1) * every * how.dt
    lost = found.status >= status.NOT_FINITE
    done = np.where(lost, (found.failed_step - request.transient - 1) // every, T)
    found.values[np.arange(T) >= done[:, None]] = np.nan
    below = found.values < request.threshold
    reached = np.where(below.any(axis=1), times[below.argmax(axis=1)] if T else np.inf, np.inf)
    flat = dict(
        values=found.values, threshold_time=np.where(lost, np.nan, reached), state=found.state, status=found.status,
        failed_step=found.failed_step,
    )  # fmt: skip
    shaped = {name: value.reshape(members.shape + value.shape[1:]) for name, value in flat.items()}
    chosen = {"k": request.k, "every": every, "threshold": request.threshold, "seed": request.seed}
    return Gali(
        times=times, **shaped, parameters=members.parameters,
        x0=members.x.reshape(*members.shape, request.system.dim), dims=members.dims, system=info(request.system),
        settings={**settings(request, plan), **chosen},
    )  # fmt: skip
