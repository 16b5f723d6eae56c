"""Lyapunov vectors of a batch, chunk by chunk: out along the orbit, and back over what the frames left behind.

backward : the frame of the tangent QR. covariant : those frames recorded, then swept backward in time.
forward : the frame of the adjoint QR, which comes from the future. adjoint_covariant : those frames recorded, then
swept forward in time; computed independently of the covariant vectors, whose dual basis it is.
Kuptsov & Parlitz, J. Nonlinear Sci. 22 (2012); Ginelli et al., J. Phys. A 46 (2013), 254005.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from fastlyap.backend import cpu
from fastlyap.backend.frames import FrameBatch, Segment
from fastlyap.machines import orientation
from fastlyap.machines.average import initial_frame
from fastlyap.machines.chunks import handed_over, run_chunks
from fastlyap.machines.orientation import Found
from fastlyap.machines.planning import Plan
from fastlyap.machines.route import Route, route_of
from fastlyap.machines.rows import new_rows
from fastlyap.machines.run import Pace, Stopped
from fastlyap.machines.vectors_result import Vectors
from fastlyap.request import VectorsRequest


def vectors(request: VectorsRequest, plan: Plan, progress: Any) -> Vectors:
    """Run a request for vectors."""
    if plan.backend == "reference":
        from fastlyap.backend import reference_vectors

        return orientation.result(request, plan, reference_vectors.vectors(request))
    found = Found.empty(request)
    complete = [True]
    if len(request.members):
        kernels = cpu.load(request.system, request.integration, plan.width, plan.form, request.members.pool)
        complete = run_chunks(lambda part, pace: _chunk(request, part, kernels, pace, found), plan, progress)
    result = orientation.result(request, plan, found)
    return handed_over(result, complete)


def _chunk(request: VectorsRequest, part: slice, kernels: cpu.Kernels, pace: Pace, found: Found) -> bool:
    """The vectors of the members in `part`; whether they were not interrupted."""
    members = request.members
    S, A = new_rows(members.x[part], initial_frame(request.system.dim, request.k, request.seed))
    batch = FrameBatch(kernels, (S, A, members.p[part]), request.integration)
    route = route_of(request, kernels.width)
    try:
        TOURS[request.kind](Tour(request, route, batch, pace, found, part))
    except Stopped:
        return False
    found.take(part, batch, route.swept_time(request.kind, request.integration.dt))
    return True


@dataclass
class Tour:
    """One chunk on its way along the orbit."""

    request: VectorsRequest
    route: Route
    batch: FrameBatch
    pace: Pace
    found: Found
    part: slice

    def advance(self, k: int, segment: Segment) -> None:
        """Advance states and k vectors of the frames over a segment."""
        self.batch.advance_along(segment, k, self.pace)

    def out(self, k: int, segments: list[Segment]) -> list[np.ndarray]:
        """Advance over all segments but the last; copies of the rows (of the states alone if k = 0) at their starts."""
        rows = None if k else self.request.system.dim + 1
        starts = []
        for segment in segments:
            starts.append(self.batch.S[:, :rows].copy())
            if segment is not segments[-1]:
                self.advance(k, segment)
        return starts

    def groups(self, segment: Segment) -> Any:
        """Blocks that are recorded together, one group after another; each is reported when it is done."""
        blocks = len(self.batch.S)
        for lo in range(0, blocks, self.route.group):
            hi = min(lo + self.route.group, blocks)
            yield slice(lo, hi)
            self.pace.done((hi - lo) * self.batch.kernels.width * segment.points * segment.every)

    def sweep(self, blocks: slice, segment: Segment, adjoint: bool, covary: bool, whole: bool) -> None:
        """Go back over what was recorded, and keep what is shown."""
        route, width = self.route, self.batch.kernels.width
        shown = None
        if whole and self.found.shown is not None:
            first, last = blocks.start * width, min(blocks.stop * width, self.batch.members)
            shown = self.found.shown[self.part][first:last]
        flow = self.request.flow
        self.batch.sweep(blocks, segment, route.window, route.stride, adjoint, covary, flow, shown)


def _backward(tour: Tour) -> None:
    """Once along the orbit."""
    route, batch = tour.route, tour.batch
    for segment in route.cut(-route.forward, 0):
        tour.advance(batch.k, segment)
    whole = tour.request.store
    for segment in route.cut(0, route.window):
        for blocks in tour.groups(segment):
            batch.record(blocks, segment, whole, False)
            tour.sweep(blocks, segment, False, False, whole)


def _covariant(tour: Tour) -> None:
    """Out with the frames, then back: each segment recorded again and swept."""
    route, batch = tour.route, tour.batch
    for segment in route.cut(-route.forward, 0):
        tour.advance(batch.k, segment)
    segments = route.cut(0, route.window) + route.cut(route.window, route.window + route.backward)
    starts = tour.out(batch.k, segments)
    while segments:
        segment, start = segments.pop(), starts.pop()
        whole = tour.request.store and segment.first < route.window
        for blocks in tour.groups(segment):
            batch.S[blocks] = start[blocks]
            batch.record(blocks, segment, whole, tour.request.flow)
            tour.sweep(blocks, segment, False, True, whole)


def _after(route: Route) -> list[Segment]:
    """The backward warm-up; an adjoint recording of its first interval holds the end of the window."""
    begin = route.window + 1
    return route.cut(route.window, begin) + route.cut(begin, route.window + route.backward)


def _forward(tour: Tour) -> None:
    """Out with the states, then back with the frames."""
    route, batch = tour.route, tour.batch
    for segment in route.cut(-route.forward, 0):
        tour.advance(0, segment)
    segments = route.cut(0, route.window) + _after(route)
    starts = tour.out(0, segments)
    while segments:
        segment, start = segments.pop(), starts.pop()
        keep = segment.first <= route.window
        whole = tour.request.store and keep
        for blocks in tour.groups(segment):
            batch.S[blocks, : start.shape[1]] = start[blocks]
            batch.walk(blocks, segment)
            batch.pull(blocks, segment, keep, whole)
            if keep:
                tour.sweep(blocks, segment, True, False, whole)


def _adjoint_covariant(tour: Tour) -> None:
    """Out with the states, back with the frames, and out again: each segment pulled once more and swept."""
    route, batch = tour.route, tour.batch
    segments = route.cut(-route.forward, 0) + route.cut(0, route.window) + _after(route)
    starts = tour.out(0, segments)
    rows = starts[0].shape[1]
    frames = []
    for segment, start in zip(segments[::-1], starts[::-1], strict=True):
        frames.append(batch.S[:, rows:].copy())
        for blocks in tour.groups(segment):
            batch.S[blocks, :rows] = start[blocks]
            batch.walk(blocks, segment)
            batch.pull(blocks, segment, False)
    for segment, start, frame in zip(segments, starts, frames[::-1], strict=True):
        if segment.first > route.window:
            break
        whole = tour.request.store and segment.first >= 0
        for blocks in tour.groups(segment):
            batch.S[blocks, :rows], batch.S[blocks, rows:] = start[blocks], frame[blocks]
            batch.walk(blocks, segment)
            batch.pull(blocks, segment, True, whole)
            tour.sweep(blocks, segment, True, True, whole)


TOURS = {
    "backward": _backward,
    "forward": _forward,
    "covariant": _covariant,
    "adjoint_covariant": _adjoint_covariant,
}
