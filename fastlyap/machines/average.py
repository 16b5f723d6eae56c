"""From a request for a spectrum to the growth of one chunk of members: transient, interval, averaging, stop rule."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastlyap import status
from fastlyap.kernel import layout
from fastlyap.machines import delays, drives, rest, subspace
from fastlyap.machines.intervals import choose_intervals, longest, trial_steps
from fastlyap.machines.rows import new_rows, read_growth, reset, with_cells
from fastlyap.machines.run import Ensemble, Pace, Stopped
from fastlyap.request import SpectrumRequest
from fastlyap.statistics import block_stderr

CHECKS = 32  # how often the stop rule looks
MEANINGLESS = 1e-3  # conditioning * eps above which the trailing vectors are mostly rounding error


class Chunk(NamedTuple):
    """What one chunk of members has come to; also when it was interrupted."""

    members: Ensemble
    settled: np.ndarray  # accumulators with the last interval closed
    complete: bool
    converged: np.ndarray  # whether the stop rule was met (all True without one)
    moved: np.ndarray | None = None  # by one step more, see `rest`; None where nobody looked


@functools.lru_cache(maxsize=16)
def initial_frame(n: int, k: int, seed: int) -> np.ndarray:
    """k orthonormal vectors (k, n) in general position, the same for every member; not to be written to."""
    q, r = np.linalg.qr(np.random.default_rng([seed, n]).standard_normal((n, n))[:, :k])
    frame = np.ascontiguousarray((q * np.sign(np.diag(r))).T)
    frame.flags.writeable = False
    return frame


def frame_of(system: Any, k: int, seed: int) -> np.ndarray:
    """The frame (k, n) that the members of a system start with, inside its subspace if it has one."""
    if k == 0:
        return np.empty((0, system.dim))
    if system.subspace is None:
        return initial_frame(system.dim, k, seed)
    return initial_frame(len(system.subspace.rows), k, seed) @ system.subspace.rows


def first_rows(request: Any, part: slice, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows S and A of the members of a chunk at their start, with k vectors each."""
    members = request.members
    found = members.extent
    if found is None:
        return new_rows(members.x[part], frame_of(request.system, k, request.seed))
    past = None if members.past is None else members.past[part]
    some = replace(members, x=members.x[part], p=members.p[part], past=past)
    return delays.new_rows(request.system, some, k, rows=found.rows, seed=request.seed)


def start(request: SpectrumRequest, part: slice, new_batch, pace: Pace) -> Ensemble:
    """The members of a chunk, new or as a former result left them."""
    x, p = request.members.x[part], request.members.p[part]
    if request.state is None:
        S, A = first_rows(request, part, request.k)
        return Ensemble(new_batch, S, A, p, request.k, request.integration, pace)
    old = {name: value[part] for name, value in request.state.items()}
    A = np.concatenate([old["accumulators"], old["cells"].reshape(len(x), -1)], axis=1)
    members = Ensemble(new_batch, old["rows"].copy(), A, p, request.k, request.integration, pace)
    members.step[:], members.every[:] = old["step"], old["every"]
    return members


def run_chunk(request: SpectrumRequest, part: slice, new_batch, pace: Pace) -> Chunk:
    """Transient (unless resumed) and averaging of the members in `part`."""
    members = start(request, part, new_batch, pace)
    converged = np.ones(len(members), dtype=bool)
    began = complete = False
    moved = None
    try:
        if request.state is None:
            run_up(members, request)
        began = True
        t0 = request.integration.t0 + request.transient * request.integration.dt
        if request.stderr_below is None:
            index = np.flatnonzero(members.alive())
            goal = members.step[index] + request.steps
            for target in np.unique(goal):
                members.grow_to(index[goal == target], int(target), t0)
        else:
            converged = until_small(members, request, t0)
        moved = rest.moved(members, request, t0)
        complete = True
    except Stopped:
        if not began:
            untouched(members)
    return Chunk(members, members.settled(), complete, converged, moved)


def untouched(members: Ensemble) -> None:
    """Mark members whose averaging has not begun."""
    reset(members.A, members.k)
    members.A = with_cells(members.A, members.k)
    members.step[:] = 0


def run_up(members: Ensemble, request: SpectrumRequest) -> None:
    """The transient, frame included, and on the way the interval of each member."""
    t0, transient = request.integration.t0, request.transient
    if request.every is not None:
        members.every[:] = request.every
    elif transient >= trial_steps(most := longest(request.system)):
        choose_intervals(members, t0, most)
    else:
        twin = members.copy()
        choose_intervals(twin, t0, most)
        members.every[:] = twin.every
    if request.every is None:
        while np.any(long := members.every > max(1, request.steps)):
            members.every[long] //= 2
    alive = np.flatnonzero(members.alive())
    members.grow_to(alive, transient, t0)
    members.settle(alive)
    untouched(members)


def until_small(members: Ensemble, request: SpectrumRequest, t0: float) -> np.ndarray:
    """Run each member until the standard errors of its k exponents are below the wish; mask of those that got there."""
    assert request.stderr_below is not None
    begin = members.step.copy()
    small = np.zeros(len(members), dtype=bool)
    for check in range(1, CHECKS + 1):
        running = np.flatnonzero(members.alive() & ~small)
        if len(running) == 0:
            break
        goal = begin[running] + request.steps * check // CHECKS
        for target in np.unique(goal):
            members.grow_to(running[goal == target], int(target), t0)
        small[running] = _stderr(members, running).max(axis=1) <= request.stderr_below
    return small


def _stderr(members: Ensemble, index: np.ndarray) -> np.ndarray:
    """Standard errors (B, k) of the members in `index`, as far as they have come."""
    growth = read_growth(members.A[index], members.k, members.step[index], members.every[index])
    return stderr_of(growth.cells, growth.n_cells, growth.cell_steps * members.how.dt)


def stderr_of(cells: np.ndarray, n_cells: np.ndarray, cell_time: np.ndarray) -> np.ndarray:
    """Block standard errors (B, k) of members with different numbers of cells."""
    result = np.full((cells.shape[0], cells.shape[2]), np.inf)
    for count in np.unique(n_cells):
        some = n_cells == count
        result[some] = block_stderr(cells[some, :count], cell_time[some])
    return result


class Numbers(NamedTuple):
    """The numbers of a chunk, one row per member."""

    exponents: np.ndarray
    stderr: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray
    n_steps: np.ndarray
    sum_rule: np.ndarray
    divergence_error: np.ndarray
    conditioning: np.ndarray
    moved: np.ndarray


def numbers(chunk: Chunk, request: SpectrumRequest) -> Numbers:
    """Rates, standard errors, checks and statuses of a finished (or interrupted) chunk."""
    members, A, how = chunk.members, chunk.settled, request.integration
    growth = read_growth(A, request.k, members.step, members.every)
    full = request.k == request.system.dim and not request.system.delays
    before = request.transient if request.direction == "tangent" else 0  # the adjoint counts from the very start
    nothing = np.full(len(A), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        time = members.step * how.dt
        flow = full and request.system.kind == "flow"
        rates = growth.total / time[:, None]
        volume = growth.log_det / time if full else nothing
        divergence = growth.divergence / time if flow else nothing
    found = judge(
        rates=rates, stderr=stderr_of(growth.cells, growth.n_cells, growth.cell_steps * how.dt), volume=volume,
        divergence=divergence, conditioning=A[:, layout.CONDITIONING], code=A[:, layout.STATUS].astype(np.int8),
        failed_step=failed_steps(A, members.step, before), step=members.step, transient=request.transient,
        eps=how.eps, converged=chunk.converged, expected=drives.rank_lost(request.system, growth.log_det),
    )  # fmt: skip
    end = how.t0 + (request.transient + members.step) * how.dt
    state = members.S[:, : request.system.dim]
    code = subspace.judged(request.system, state, members.P, end, found.status)
    return found._replace(status=code, moved=found.moved if chunk.moved is None else chunk.moved)


def failed_steps(A: np.ndarray, step: np.ndarray, transient: int) -> np.ndarray:
    """(B,) when members failed, counted from the very start; -1 for those that did not."""
    at = A[:, layout.FAILED_STEP].astype(np.int64)
    failed = A[:, layout.STATUS] >= status.NOT_FINITE
    return np.where(failed, at + np.where(step > 0, transient, 0), -1)


def judge(
    *, rates, stderr, volume, divergence, conditioning, code, failed_step, step, transient, eps, converged,
    expected=False,
) -> Numbers:  # fmt: skip
    """Sort the rates, form the checks, and give every member its final status.

    expected : exponents -inf are no failure; the conditioning then tells of what rounding leaves of lost directions.
    """
    code = code.copy()
    failed = code >= status.NOT_FINITE
    rankless = np.isneginf(rates).any(axis=1)
    lost = (rankless | (conditioning * eps > MEANINGLESS)) & ~(rankless & expected)
    code[~failed & lost] = status.DEGENERATE
    code[~failed & ~lost & ~converged] = status.NOT_CONVERGED
    code[~failed & (step == 0)] = status.PENDING
    blank = failed | (step == 0)
    with np.errstate(invalid="ignore"):
        sums = rates.sum(axis=1)
        off = [np.where(sums == other, 0.0, sums - other) for other in (volume, divergence)]  # both may be -inf
        checks = [np.where(blank, np.nan, other) for other in off]
    rates, stderr = (np.where(blank[:, None], np.nan, value) for value in (rates, stderr))
    order = np.argsort(-rates, axis=1, kind="stable")
    n_steps = np.where(failed, np.maximum(failed_step - transient, 0), step)
    return Numbers(
        np.take_along_axis(rates, order, 1), np.take_along_axis(stderr, order, 1), code, failed_step, n_steps, *checks,
        conditioning, np.full(len(code), np.nan),
    )  # fmt: skip
