"""The members of a gradient before anything is counted: repetitions, the run-up, and whether they have parted."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from fastlyap.machines import assembly
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_program import Program
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest, Members

SAMPLES = 64  # states of the second half of the run-up that tell how far orbits swing
LAST = 16  # of them that tell how far apart members are
PARTED = 0.5
LONGEST = 64  # times the transient
VARIES = 1e-9  # relative swing of a component that counts as varying


class Starts(NamedTuple):
    """Where the members stand when the run begins.

    rows : (B, n + 1), states and counters; status, failed : (B,); parted : (points,); transient : (points,) steps
    """

    rows: np.ndarray
    status: np.ndarray
    failed: np.ndarray
    parted: np.ndarray
    transient: np.ndarray


def repeated(members: Members, count: int, spread: Any, seed: int) -> Members:
    """Every member `count` times, one after the other, from perturbed starts; with spread 0 from the same."""
    if spread != 0:
        found = assembly.with_starts(members, count, spread, seed)
        return replace(found, dims=(*found.dims[:-1], "member"))
    axes = len(members.shape)
    values = {
        name: value.reshape(value.shape[:axes] + (1,) + value.shape[axes:])
        for name, value in members.parameters.items()
    }
    x, p = (np.repeat(a, count, axis=0) for a in (members.x, members.p))
    return replace(
        members, x=x, p=p, shape=(*members.shape, count), dims=(*members.dims, "member"), parameters=values
    )


def run_up(request: GradientRequest, program: Program, plan: Plan, progress: Any) -> Starts:
    """The transient; where members of a deterministic system have not parted after it, it goes on."""
    members, points, E = request.members, request.points, request.repetitions
    rows = np.concatenate([members.x, np.zeros((len(members), 1))], axis=1)
    status, failed = np.zeros(len(members), dtype=np.int8), np.full(len(members), -1, dtype=np.int64)
    found = Starts(rows, status, failed, np.ones(points, dtype=bool), np.full(points, request.transient))
    if not request.transient:
        return found
    seen = _wander(request, program, found, plan, np.arange(len(members)), 0, request.transient, progress)
    if request.random or E == 1:
        return found
    done = request.transient
    index = np.arange(len(members))
    while True:
        found.parted[np.unique(index // E)] = have_parted(seen.reshape(-1, E, *seen.shape[1:]))
        left = np.flatnonzero(~found.parted)
        if not len(left) or done >= LONGEST * request.transient or 2 * done > _inputs_for(request):
            return found
        again = np.arange(points) if _driven(request) else left
        index = (again[:, None] * E + np.arange(E)).ravel()
        seen = _wander(request, program, found, plan, index, done, done, progress)
        done *= 2
        found.transient[again] = done


def after(request: GradientRequest, starts: Starts) -> GradientRequest:
    """The request as of the end of the run-up: a system that depends on time goes on when that was."""
    if not _driven(request):
        return request
    return replace(request, transient=int(starts.transient.max(initial=request.transient)))


def _inputs_for(request: GradientRequest) -> float:
    """The longest run-up that the inputs of a driven cell allow."""
    drive = request.members.drive
    if drive is None or drive.shape[-2] == 1:  # the same at all steps
        return np.inf
    return drive.shape[-2] - request.steps - int(request.integration.t0)


def _driven(request: GradientRequest) -> bool:
    """Whether the rule depends on time; all points then take the same run-up."""
    about = request.system.architecture
    return about.driven if about is not None else request.system.recording.ops["t"] > 0


def _wander(
    request: GradientRequest, program: Program, found: Starts, plan: Plan, index: np.ndarray, first: int, n_steps: int,
    progress: Any,
) -> np.ndarray:  # fmt: skip
    """Advance the members of `index` by `n_steps`; states (members, SAMPLES or fewer, n) of the second half."""
    how, n = request.integration, request.system.dim
    half = n_steps // 2
    stride = max(1, (n_steps - half) // SAMPLES)
    seen = np.zeros((len(index), (n_steps - half) // stride, n))

    def work(part: slice, pace: Pace) -> None:
        who = index[part]
        batch = program.batch(found.rows[who], who, 0)
        step = first
        for now in pace.slices(len(who), half):
            batch.wander(how, how.t0, step, now, now)
            step += now
        seen[part] = batch.wander(how, how.t0, first + half, n_steps - half, stride)
        pace.done(len(who) * (n_steps - half))
        found.rows[who] = batch.rows()
        code, when = batch.fate()
        fresh = (code > 0) & (found.status[who] == 0)
        found.failed[who] = np.where(fresh, when, found.failed[who])
        found.status[who] = np.where(fresh, code, found.status[who])

    run_chunks(work, replace(plan, members=len(index)), progress)
    return seen


def have_parted(seen: np.ndarray) -> np.ndarray:
    """Whether members (points, E, samples, n) are as far from each other as their orbits swing, (points,)."""
    with np.errstate(all="ignore"):
        swing = np.sqrt(np.mean(np.var(seen, axis=2), axis=1))
        apart = np.sqrt(np.mean(np.var(seen[:, :, -LAST:], axis=1, ddof=1), axis=1))
        varies = swing > VARIES * (1.0 + np.abs(seen).mean(axis=(1, 2)))
        return np.any(varies & (apart >= PARTED * swing), axis=-1)
