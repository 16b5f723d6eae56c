"""Finite-time exponents by sweeps in turn: frames carried forward by the tangents, then pulled back by the adjoint.

With A the product of all steps, A V = U R and A' U = V' R': repeated, the frames turn into the singular vectors of A
and R into its singular values, errors shrinking by exp(-2 gap) in a sweep there and back. No product is formed, so
nothing overflows. Subspace iteration on A'A; the orbit is the same to the last bit in every sweep.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend import cpu
from fastlyap.backend.frames import FrameBatch, Segment
from fastlyap.kernel import layout
from fastlyap.machines import factored
from fastlyap.machines.assembly import info, settings
from fastlyap.machines.average import MEANINGLESS, initial_frame
from fastlyap.machines.chunks import handed_over, run_chunks
from fastlyap.machines.finite_time_result import FiniteTime
from fastlyap.machines.planning import Plan
from fastlyap.machines.route import FiniteRoute, finite_route
from fastlyap.machines.rows import new_rows, read_growth
from fastlyap.machines.run import Pace, Stopped
from fastlyap.machines.settling import IN_A_ROW, judge
from fastlyap.request import FiniteTimeRequest


@dataclass
class Found:
    """Numbers of all members (B, ...)."""

    sums: np.ndarray  # (B, k) log singular values
    change: np.ndarray
    right: np.ndarray
    left: np.ndarray
    n_sweeps: np.ndarray
    state: np.ndarray
    conditioning: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray

    @classmethod
    def empty(cls, request: FiniteTimeRequest) -> Found:
        """Members that have not been computed."""
        members, n, k = len(request.members), request.system.dim, request.k
        return cls(
            *(np.full((members, *more), np.nan) for more in ((k,), (k,), (k, n), (k, n))),
            np.zeros(members, dtype=np.int64), np.full((members, n), np.nan), np.full(members, np.nan),
            np.full(members, status.PENDING, dtype=np.int8), np.full(members, -1, dtype=np.int64),
        )  # fmt: skip


def finite_time(request: FiniteTimeRequest, plan: Plan, progress: Any) -> FiniteTime:
    """Run a request for finite-time exponents."""
    found = Found.empty(request)
    complete = [True]
    if plan.backend == "reference":
        from fastlyap.backend import reference_vectors

        reference_vectors.finite_time(request, found)
    elif len(request.members):
        kernels = cpu.load(request.system, request.integration, plan.width, plan.form, request.members.pool)
        complete = run_chunks(lambda part, pace: _chunk(request, part, kernels, pace, found), plan, progress)
    result = _result(request, plan, found)
    return handed_over(result, complete)


class Alternation:
    """Members of one chunk at the start of their stretch, and the sweeps over it."""

    def __init__(self, batch: FrameBatch, route: FiniteRoute, pace: Pace) -> None:
        self.batch, self.pace = batch, pace
        self.segments = route.segments()
        self.whole = len(self.segments) == 1
        self.group = len(batch.S) if self.whole else route.group
        self.rows = batch.kernels.dim + 1
        self.starts = []
        for segment in self.segments:
            self.starts.append(batch.checkpoint())
            if not self.whole:
                batch.advance_along(segment, 0, pace)
        if self.whole:
            batch.walk(slice(0, len(batch.S)), self.segments[0])

    def there(self) -> None:
        """Carry the frames to the end of the stretch."""
        self.batch.forget_growth(self.batch.k)
        for segment, start in zip(self.segments, self.starts, strict=True):
            self.batch.S[:, : self.rows] = start
            self.batch.advance_along(segment, self.batch.k, self.pace)

    def back(self) -> np.ndarray:
        """Pull the frames back to its start; the log growth (B, k)."""
        batch = self.batch
        batch.forget_growth(batch.k)
        for segment, start in zip(self.segments[::-1], self.starts[::-1], strict=True):
            for lo in range(0, len(batch.S), self.group):
                blocks = slice(lo, min(lo + self.group, len(batch.S)))
                if not self.whole:
                    batch.S[blocks, : self.rows] = start[blocks]
                    batch.walk(blocks, segment)
                batch.pull(blocks, segment, False)
            self.pace.done(batch.members * segment.points * segment.every)
        nothing = np.zeros(batch.members, dtype=np.int64)
        return read_growth(batch.read()[1], batch.k, nothing, nothing + 1).total


@dataclass
class Waiting:
    """Members that are not done: their numbers in the batch, and what their last sweeps came to."""

    index: np.ndarray
    sums: np.ndarray
    sure: np.ndarray  # sweeps in a row after which nothing was left to do

    def without(self, done: np.ndarray) -> Waiting:
        """The members left."""
        return Waiting(self.index[~done], self.sums[~done], self.sure[~done])


def _chunk(request: FiniteTimeRequest, part: slice, kernels: cpu.Kernels, pace: Pace, found: Found) -> bool:
    """The members in `part`; whether they were not interrupted."""
    how, n, members = request.integration, request.system.dim, request.members
    frame = initial_frame(n, min(request.k + 1, n), request.seed)  # one more tells the gap below the last
    route = finite_route(request, kernels.width)
    try:
        index = np.arange(part.start, part.stop)
        if factored.fits(request):
            index = factored.finite_time(request, part, kernels, pace, found)
        S, A = new_rows(members.x[index], frame)
        P = members.p[index]
        nothing = np.full((len(S), len(frame)), np.nan)
        waiting = Waiting(index, nothing, np.zeros(len(S), dtype=np.int64))
        if not len(index):
            return True
        batch = FrameBatch(kernels, (S, A, P), how)
        batch.advance_along(Segment(0, request.transient, 1, 0), 0, pace)
        S, A = batch.read()
        while len(waiting.index):
            sweeping = Alternation(FrameBatch(kernels, (S, A, P), how), route, pace)
            done = np.zeros(len(S), dtype=bool)
            while 2 * done.sum() < len(S):  # lanes of members that are done idle until they are half of all
                done |= _sweep(request, sweeping, waiting, done, found)
            S, A = (rows[~done] for rows in sweeping.batch.read())
            P, waiting = P[~done], waiting.without(done)
    except Stopped:
        return False
    return True


def _sweep(
    request: FiniteTimeRequest, sweeping: Alternation, waiting: Waiting, done: np.ndarray, found: Found
) -> np.ndarray:  # fmt: skip
    """One sweep there and back; mask of the members that are done after it, whose numbers are kept."""
    n, k, batch = request.system.dim, request.k, sweeping.batch
    sweeping.there()
    there, A = (rows.copy() for rows in batch.read())  # they may be views of what goes on
    sums = sweeping.back()
    here = batch.read()[0]
    order = np.argsort(-sums, axis=1, kind="stable")
    sums = np.take_along_axis(sums, order, axis=1)
    change, settled = judge(sums, waiting.sums, request.tolerance, k)
    waiting.sums = sums
    waiting.sure = np.where(settled, waiting.sure + 1, 0)
    failed = A[:, layout.STATUS] >= status.NOT_FINITE
    fresh = ~done
    found.n_sweeps[waiting.index[fresh]] += 1
    late = found.n_sweeps[waiting.index] >= request.max_sweeps
    ready = fresh & (failed | (waiting.sure >= IN_A_ROW) | late)
    index, order = waiting.index[ready], order[ready, :k, None]
    found.sums[index], found.change[index] = sums[ready, :k], change[ready, :k]
    for target, rows in ((found.right, here), (found.left, there)):
        frames = rows[ready, n + 1 :].reshape(len(index), sums.shape[1], n)
        target[index] = np.take_along_axis(frames, order, axis=1)
    found.state[index] = there[ready, :n]
    found.conditioning[index] = A[ready, layout.CONDITIONING]
    code = np.where(waiting.sure >= IN_A_ROW, status.OK, status.NOT_CONVERGED)
    found.status[index] = np.where(failed, A[:, layout.STATUS], code)[ready]
    found.failed_step[index] = np.where(failed, A[:, layout.FAILED_STEP], -1)[ready]
    return ready


def _result(request: FiniteTimeRequest, plan: Plan, found: Found) -> FiniteTime:
    """Put the numbers together."""
    members, how = request.members, request.integration
    code = found.status
    code[(code <= status.NOT_CONVERGED) & (found.conditioning * how.eps > MEANINGLESS)] = status.DEGENERATE
    lost = code >= status.NOT_FINITE
    for field in fields(found):
        if field.name not in ("n_sweeps", "status", "failed_step"):
            getattr(found, field.name)[lost] = np.nan
    shaped = {
        field.name: (value := getattr(found, field.name)).reshape(members.shape + value.shape[1:])
        for field in fields(found)
    }
    exponents = shaped.pop("sums") / (request.steps * abs(how.dt))
    names = ("k", "tolerance", "max_sweeps", "seed")
    return FiniteTime(
        exponents=exponents, **shaped, parameters=members.parameters,
        x0=members.x.reshape(*members.shape, request.system.dim), dims=members.dims, system=info(request.system),
        settings={**settings(request, plan), **{name: getattr(request, name) for name in names}},
    )  # fmt: skip
