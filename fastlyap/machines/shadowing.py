"""Adjoint shadowing: the orbit forward with checkpoints, its covectors back in segments, their coefficients solved.

Points of a batch have their own numbers of modes and lengths of segments; those with the same run together.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastlyap.backend.segments import Shape
from fastlyap.errors import InputError
from fastlyap.machines import shadowing_again, shadowing_pilot
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_program import Program, is_cell, make_plan, make_program, plain_program
from fastlyap.machines.gradient_starts import Starts, run_up
from fastlyap.machines.orbit import Members, fate, forward, origin
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.machines.shadowing_orbit import edges, has_neutral, last_frame
from fastlyap.machines.shadowing_pilot import BLOCKS
from fastlyap.machines.shadowing_trust import ILL_CONDITIONED, judged
from fastlyap.request import GradientRequest
from fastlyap.trace.shadowing import assemble_shadowing

Programs = tuple[Program, Program | None]  # of the first sweep and, where there is one, of the second
CHUNK_NUMBERS = 2**23  # numbers that the segments of one chunk may leave


def check(request: GradientRequest) -> None:
    """Refuse what shadowing has no meaning for."""
    method, system, n = request.method, request.system, request.system.dim
    if request.kind != "average":
        raise InputError("`objective` must be fl.average(fn) for fl.Shadowing: the shadow of an orbit has no end.")
    if request.by_start:
        raise InputError('`wrt` "x0" has no meaning for fl.Shadowing: an average over a long orbit forgets its start.')
    if not isinstance(method.modes, str) and method.modes > n:
        raise InputError(f"`modes` must be at most the {n} states of {system.name}, got {method.modes}.")
    if method.solver == "march" and system.kind == "flow":
        raise InputError(f'`solver` "march" is for maps: the flow {system.name} carries a neutral mode; use '
                         '"least_squares".')  # fmt: skip
    if not isinstance(method.segment, str) and method.segment > request.steps:
        raise InputError(f"`segment` must be at most the {request.steps} `steps`, got {method.segment}.")


class Found(NamedTuple):
    """What became of members: `machines.orbit.Members` and what segments tell.

    exponents : (B, M), NaN behind each member's own number of modes; coefficients : (B, 2, J) the largest |a_k| and
    the median one; conditioning : (B,)
    """

    members: Members
    exponents: np.ndarray
    coefficients: np.ndarray
    conditioning: np.ndarray


def shadowing_program(request: GradientRequest) -> Program:
    """The program whose covectors walk back in segments."""
    own, integrator = request.system.dim, request.integration.integrator
    if is_cell(request):
        return plain_program(request)
    return make_program(
        request, lambda wide, phi, width: assemble_shadowing(own, wide, phi, integrator, width), request.members.p
    )


def planned(request: GradientRequest, name: Any, threads: Any) -> Plan:
    """What `run` runs."""
    n, J = request.system.dim, len(request.objectives)
    return make_plan(request, name, threads, per_member=10 * n * (J + n) + 4 * int(request.steps**0.5) * (n + 1))


def run(
    request: GradientRequest, checks: Any, name: Any, threads: Any, progress: Any
) -> tuple[Members, Starts, dict[str, Any]]:
    """Every member's objectives and shadowing gradients, and what was met on the way."""
    J, twice = len(request.objectives), shadowing_again.is_wanted(request)
    plan = planned(request, name, threads)
    asked, second = request, shadowing_program(request) if twice else None
    request = shadowing_again.without_parameters(request) if twice else request
    program, p = shadowing_program(request), len(request.columns)
    starts = run_up(request, program, plan, progress)
    neutral = has_neutral(request.system)
    choice = shadowing_pilot.choose(request, program, starts, plan, neutral)
    found = empty(asked, int(choice.modes.max(initial=0)))
    pairs = np.stack([choice.modes, choice.segment], axis=1)
    for modes, length in np.unique(pairs, axis=0):
        points = np.flatnonzero((pairs == (modes, length)).all(axis=1))
        index = (points[:, None] * request.repetitions + np.arange(request.repetitions)).ravel()
        while len(index):
            for summed in (found.members.value, found.members.blocks, found.members.square):
                summed[index] = 0.0
            shape = Shape(request.steps // length, int(modes), J, neutral and bool(modes), p)
            _run_group(request, (program, second), starts, plan, progress, index, shape, int(length), found)
            index = index[found.conditioning[index] > ILL_CONDITIONED]
            if length == 1:
                break
            length = length // 2
    return found.members, starts, judged(request, choice, found, checks, neutral)


def empty(request: GradientRequest, modes: int) -> Found:
    """Nothing counted yet."""
    B, J, p = len(request.members), len(request.objectives), len(request.columns)
    members = Members(
        np.zeros((B, J)), np.zeros((B, J, p)), np.zeros(B, dtype=np.int8), np.zeros(B, dtype=np.int64),
        np.zeros((B, min(request.steps, BLOCKS), J)), np.zeros((B, J)), {},
    )  # fmt: skip
    return Found(members, np.full((B, modes), np.nan), np.zeros((B, 2, J)), np.zeros(B))


def _run_group(
    request: GradientRequest, programs: Programs, starts: Starts, plan: Plan, progress: Any, index: np.ndarray,
    shape: Shape, length: int, found: Found,
) -> None:  # fmt: skip
    """Run the members of `index` with these segments, and write what they came to."""
    width = programs[0].kernels.width
    ends = shape.segments * (shape.count + shape.modes) * request.system.dim if programs[1] else 0
    chunk = max(width, min(plan.chunk, CHUNK_NUMBERS // max(shape.rows + ends, 1) // width * width))
    group = replace(plan, members=len(index), chunk=chunk)

    def work(part: slice, pace: Pace) -> None:
        who = index[part]
        _chunk(request, programs, starts, who, pace, shape, length, found)

    run_chunks(work, group, progress)


def _chunk(
    request: GradientRequest, programs: Programs, starts: Starts, who: np.ndarray, pace: Pace, shape: Shape,
    length: int, found: Found,
) -> None:  # fmt: skip
    how, t0, steps = request.integration, origin(request), request.steps
    k = shape.count + shape.modes
    batch = programs[0].segments(starts.rows[who], who, k)
    first = steps - shape.segments * length  # what is left over comes before the segments
    stretches = []
    for stretch, seen in forward(batch, request, edges(first, steps, length, request.system.dim), pace):
        stretches.append(stretch)
        count_in(found.members, who, seen, stretch.first, steps)
    found.members.status[who], found.members.failed[who] = fate(
        batch, request, (starts.status[who], starts.failed[who])
    )
    frame = last_frame(request, batch, t0 + steps * how.dt, shape.modes, shape.flow, who)
    batch.begin(shape, frame, programs[1] is not None)
    stretches = [stretch for stretch in stretches if stretch.first >= first]
    for stretch in reversed(stretches):
        batch.go_to(stretch.start)
        n_steps, segment = stretch.last - stretch.first, (stretch.first - first) // length
        batch.walk_back(how, t0, stretch.first, n_steps, length=length, segment=segment)
        pace.done(batch.members * 2 * n_steps)
    M = shape.modes
    with np.errstate(all="ignore"):
        total = batch.solve(request.method.solver == "march")
        if programs[1] is not None:
            total = shadowing_again.gradient(request, programs[1], batch, starts, stretches, who, length, pace)
        found.members.gradient[who] = total / (shape.segments * length)
        logs, found.conditioning[who] = batch.judgement()
        found.exponents[who, :M] = logs / (shape.segments * length * how.dt)
        if M:
            size = np.linalg.norm(shadowing_again.coefficients(batch), axis=2)
            found.coefficients[who] = np.stack([size.max(axis=1), np.median(size, axis=1)], axis=1)


def count_in(members: Members, who: np.ndarray, seen: np.ndarray, first: int, steps: int) -> None:
    """Add the objectives of some steps, (B, n_steps, J), to the means, mean squares and block means of members."""
    m = members.blocks.shape[1]
    bounds = np.arange(m + 1) * steps // m
    inside = np.unique(np.clip(bounds[:-1] - first, 0, seen.shape[1]))
    inside = inside[inside < seen.shape[1]]
    parts = np.add.reduceat(seen, inside, axis=1)
    block = np.searchsorted(bounds, first + inside, side="right") - 1
    members.blocks[who[:, None], block] += parts / np.diff(bounds)[block][:, None]
    members.value[who] += parts.sum(axis=1) / steps
    members.square[who] += np.einsum("bsj,bsj->bj", seen, seen) / steps
