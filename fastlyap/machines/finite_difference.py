"""Central differences of long ensembles: every number of the parameters moved up and down, all runs side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.machines import cell_weights, noise, reference_orbits
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_program import Program, is_cell, make_plan, plain_program
from fastlyap.machines.gradient_starts import Starts, after, run_up
from fastlyap.machines.orbit import Members, cuts, fate, forward, origin
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest
from fastlyap.request import Members as Batch


def planned(request: GradientRequest, name: Any, threads: Any) -> Plan:
    """What `run` runs: every member, and twice for each number of the gradient."""
    sides = 1 + 2 * request.width
    members = replace(request.members, x=np.repeat(request.members.x, sides, axis=0))
    return _plan(replace(request, members=members), name, threads)


def _plan(everyone: GradientRequest, name: Any, threads: Any) -> Plan:
    numbers = 20 * (everyone.system.dim + int(everyone.steps**0.5))
    return make_plan(replace(everyone, columns=()), name, threads, per_member=numbers, passes=1)


def run(request: GradientRequest, name: Any, threads: Any, progress: Any) -> tuple[Members, Starts]:
    """Every member's objectives, and their difference quotients."""
    sizes = _sizes(request)
    if not len(sizes):
        return _values(request, name, threads, progress)
    sides = [(j, side) for j in range(len(sizes)) for side in (1.0, -1.0)]
    whole, weights = cell_weights.moved(request, sizes) if is_cell(request) else (request.members, None)
    moved = [request.members if weights is None else weights[0]]
    moved += [_moved(request, j, side * sizes[j], weights and weights[1 + i]) for i, (j, side) in enumerate(sides)]
    everyone = replace(whole, x=np.concatenate([m.x for m in moved]), p=np.concatenate([m.p for m in moved]))
    found, starts = _values(replace(request, members=everyone), name, threads, progress)
    B = len(request.members)
    ends = found.value[B:].reshape(len(sizes), 2, B, -1)
    gradient = np.moveaxis((ends[:, 0] - ends[:, 1]) / (2.0 * sizes[:, None, None]), 0, -1)
    codes = found.status.reshape(-1, B)
    worst = codes.argmax(axis=0)
    failed = found.failed.reshape(-1, B)[worst, np.arange(B)]
    first = Members(found.value[:B], gradient, codes.max(axis=0), failed, found.blocks[:B], found.square[:B], {})
    P = request.points
    return first, Starts(starts.rows[:B], codes.max(axis=0), failed, starts.parted[:P], starts.transient[:P])


def _sizes(request: GradientRequest) -> np.ndarray:
    """The step of each number."""
    found = []
    for name in request.names:
        found += [request.method.of(name)] * int(np.prod(request.system.shapes[name], dtype=int))
    if request.by_start:
        found += [request.method.of("x0")] * request.system.dim
    return np.array(found)


def _moved(request: GradientRequest, j: int, h: float, weights: Batch | None) -> Batch:
    """The members with number j of the gradient moved by h; of cells, `weights` has it moved if it is one of them."""
    members = request.members if weights is None else weights
    x, p = members.x.copy(), members.p.copy()
    if j >= len(request.columns):
        x[:, j - len(request.columns)] += h
    elif weights is None:
        p[:, request.columns[j]] += h
    members = replace(members, x=x, p=p)
    if request.random and request.method.noise == "independent":
        seed = request.seed + 2 * j + (3 if h > 0 else 2)
        if seed > noise.LARGEST_SEED:
            raise InputError("`seed` is too large for independent noise; use a smaller one.")
        members = noise.keyed(members, request.system, seed, noise.numbers(request.members, request.system))
    return members


def _values(everyone: GradientRequest, name: Any, threads: Any, progress: Any) -> tuple:
    plain = replace(everyone, names=(), columns=(), by_start=False)
    if name == "reference":
        return reference_orbits.values(plain, progress)
    plan = _plan(everyone, name, threads)
    program = plain_program(plain)
    starts = run_up(plain, program, plan, progress)
    plain = after(plain, starts)
    parts = run_chunks(lambda part, pace: _chunk(plain, program, starts, part, pace), plan, progress)
    return Members.joined(parts), starts


@np.errstate(all="ignore")
def _chunk(request: GradientRequest, program: Program, starts: Starts, part: slice, pace: Pace) -> Members:
    how, steps, count = request.integration, request.steps, len(request.objectives)
    batch = program.batch(starts.rows[part], part, 0)
    edges = cuts(0, steps)
    found = [(seen.mean(axis=1), (seen**2).mean(axis=1)) for _, seen in forward(batch, request, edges, pace)]
    lengths = np.diff(edges) / steps
    means, squares = (np.stack(column, axis=1) for column in zip(*found, strict=True))
    value = np.einsum("bsj,s->bj", means, lengths)
    if request.kind == "terminal":
        value = batch.values(how, origin(request) + steps * how.dt, count)
    code, failed = fate(batch, request, (starts.status[part], starts.failed[part]))
    blocks = means[:, :-1] if means.shape[1] > 1 else means
    nothing = np.zeros((*value.shape, 0))
    return Members(value, nothing, code, failed, blocks, np.einsum("bsj,s->bj", squares, lengths), {})
