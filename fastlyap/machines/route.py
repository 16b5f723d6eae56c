"""How the orbit of a window is walked: its parts in reorthonormalisations, cut into segments, and what that takes.

Places count reorthonormalisations from the start of the window: the forward warm-up is before place 0, the window
goes on to place `window`, the backward warm-up follows. What is recorded at all places at once when it fits, and else
one segment at a time, each recomputed from a checkpoint at its start: segments of about the square root of the whole
keep memory of that order, for one more pass.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

from fastlyap.backend.frames import Segment, point_rows, tally_rows
from fastlyap.kernel import layout
from fastlyap.machines import planning
from fastlyap.machines.planning import Plan, make_plan

LONGEST = {"map": 1}  # steps between two reorthonormalisations, at most
LONGEST_OF_FLOWS = 10
STORED_BYTES = 4 * 2**20  # a block's recording up to this size is kept whole
CACHED_BYTES = 2**19  # shorter segments gain nothing
GROUP_BYTES = 2**20  # blocks recorded together: what stays in the cache
TYPICAL_SWEEPS = 4  # of finite-time exponents, for what a plan says


def interval(kind: str, *counts: int) -> int:
    """Steps between two reorthonormalisations: the largest allowed divisor of all the counts."""
    common = math.gcd(*counts)
    most = LONGEST.get(kind, LONGEST_OF_FLOWS)
    return max(d for d in range(1, most + 1) if common % d == 0)


@dataclass(frozen=True)
class Route:
    """The parts of a run, in reorthonormalisations.

    forward, window, backward : warm-up before, window, warm-up after.
    every : steps between two reorthonormalisations; stride : of those between two outputs.
    length : of a segment; group : blocks recorded together; rows : of scratch of a recorded point.
    """

    forward: int
    window: int
    backward: int
    every: int
    stride: int
    length: int
    group: int

    @property
    def step(self) -> int:
        """Number of steps before place 0."""
        return self.forward * self.every

    def swept_time(self, kind: str, dt: float) -> float:
        """The time over which a run of this kind sums the growth of its frames."""
        parts = {"covariant": self.window + self.backward, "adjoint_covariant": self.forward + self.window}
        return parts.get(kind, self.window) * self.every * dt

    def cut(self, first: int, last: int) -> list[Segment]:
        """The segments from place `first` to `last`."""
        borders = [*range(first, last, self.length), last]
        return [Segment(a, b, self.every, self.step) for a, b in zip(borders[:-1], borders[1:], strict=True)]


def route_of(request: Any, width: int) -> Route:
    """The route of a request for vectors in a program of `width` lanes; never chosen from a chunk."""
    n, k = request.system.dim, request.k
    forward, backward = request.warmup
    every = interval(request.system.kind, request.every, forward, backward)
    parts = [forward // every, request.steps // every, backward // every]
    stride = request.every // every
    adjoint = request.kind in ("forward", "adjoint_covariant")
    point = 8 * width * (point_rows(n, k, request.store) + (every * (n + 1) if adjoint else 0))
    checkpoint = 8 * width * layout.state_rows(n, k)
    length, group = _segment(sum(parts), point, checkpoint, stride)
    return Route(*parts, every, stride, length, group)


def _segment(total: int, point: int, checkpoint: int, stride: int) -> tuple[int, int]:
    """Length of a segment, and blocks recorded together, from bytes of a point and of a checkpoint."""
    length = total
    if total * point > STORED_BYTES:
        balanced = math.isqrt(total * checkpoint // point) + 1  # as much for checkpoints as for the recording
        length = min(total, max(balanced, CACHED_BYTES // point), max(1, STORED_BYTES // point))
    length = -(-length // stride) * stride
    return length, max(1, GROUP_BYTES // (length * point))


def vectors_plan(request: Any, backend: Any, threads: Any) -> Plan:
    """What `fl.vectors` runs."""
    n, k, members = request.system.dim, request.k, len(request.members)
    steps = sum(request.warmup) + request.steps
    plan = make_plan(
        "vectors", request.system, request.integration, n_members=members, k=k, steps=steps, name=backend,
        threads=threads,
    )  # fmt: skip
    route = route_of(request, plan.width)
    pieces = -(-(route.window + route.backward) // route.length)
    passes = 1 if pieces == 1 or request.kind == "backward" else 2
    rows = layout.state_rows(n, k) * (2 + pieces) + 2 * tally_rows(k) + k * k
    most = max(plan.width, planning.CHUNK_BYTES // (8 * rows))
    chunk = planning.chunk_size(members, most, plan.width, plan.threads)
    result = 8 * members * (3 * k + k * k * 33)
    if request.store:
        result += 8 * members * (request.steps // request.every) * (k * n + n + k)
    scratch = 8 * plan.width * route.group * route.length * 2 * point_rows(n, k, request.store)
    note = "kept whole" if passes == 1 else f"recomputed from checkpoints, {route.length * route.every:,} steps apart"
    return replace(
        plan, chunk=chunk, memory=plan.threads * (8 * rows * chunk + scratch) + result, note=f"frames    {note}",
        member_steps=members * steps * passes, seconds=plan.seconds * (passes + 0.5),
    )  # fmt: skip


@dataclass(frozen=True)
class FiniteRoute:
    """One stretch of an orbit, walked there and back again and again.

    transient : steps before it; points : reorthonormalisations of it, `every` steps each; length : of a segment in
    those; group : blocks walked together, where there are several segments.
    """

    transient: int
    points: int
    every: int
    length: int
    group: int

    def segments(self) -> list[Segment]:
        """The segments of the stretch."""
        borders = [*range(0, self.points, self.length), self.points]
        return [Segment(a, b, self.every, self.transient) for a, b in zip(borders[:-1], borders[1:], strict=True)]


def finite_route(request: Any, width: int) -> FiniteRoute:
    """The route of a request for finite-time exponents."""
    every = interval(request.system.kind, request.steps)
    state = 8 * width * (request.system.dim + 1)
    length, group = _segment(request.steps // every, every * state, state, 1)
    return FiniteRoute(request.transient, request.steps // every, every, length, group)


def finite_time_plan(request: Any, backend: Any, threads: Any) -> Plan:
    """What `fl.finite_time` runs."""
    n, members = request.system.dim, len(request.members)
    k = min(request.k + 1, n)
    plan = make_plan(
        "finite_time", request.system, request.integration, n_members=members, k=k, steps=request.steps,
        name=backend, threads=threads,
    )  # fmt: skip
    route = finite_route(request, plan.width)
    pieces = -(-route.points // route.length)
    rows = 2 * layout.state_rows(n, k) + (n + 1) * (request.steps if pieces == 1 else pieces)
    most = max(plan.width, planning.CHUNK_BYTES // (8 * rows))
    chunk = planning.chunk_size(members, most, plan.width, plan.threads)
    kept = "kept whole" if pieces == 1 else f"recomputed from checkpoints, {route.length * route.every:,} steps apart"
    memory = plan.threads * 8 * rows * chunk + 8 * members * (2 * request.k * (n + 1) + n)
    return replace(
        plan, chunk=chunk, memory=memory, note=f"orbit     {kept}; sweeps there and back until nothing changes",
        member_steps=members * (request.transient + 2 * TYPICAL_SWEEPS * request.steps),
        seconds=plan.seconds * 2 * TYPICAL_SWEEPS,
    )  # fmt: skip
