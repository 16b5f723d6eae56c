"""Backpropagation through the orbit: checkpoints about sqrt(steps) apart, the exact transpose of every step."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_assembly import spread_of
from fastlyap.machines.gradient_program import Program, make_plan, plain_program
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_starts import Starts, after, run_up
from fastlyap.machines.orbit import Members, cuts, fate, forward, origin
from fastlyap.machines.planning import Plan
from fastlyap.machines.reference_orbits import Run
from fastlyap.machines.run import Pace
from fastlyap.reference.sensitivity import backprop as page
from fastlyap.request import GradientRequest
from fastlyap.status import NOT_FINITE


def planned(request: GradientRequest, name: Any, threads: Any) -> Plan:
    """What `run` runs."""
    n, J = request.system.dim, len(request.objectives)
    numbers = 4 * int(request.steps**0.5) * (n + 1) + 10 * J * (n + len(request.columns) + 1)
    return make_plan(request, name, threads, per_member=numbers)


def run(request: GradientRequest, name: Any, threads: Any, progress: Any) -> tuple[Members, Starts]:
    """Every member's objectives and gradients."""
    if name == "reference":
        return plainly(request, progress)
    plan = planned(request, name, threads)
    program = plain_program(request)
    starts = run_up(request, program, plan, progress)
    request = after(request, starts)
    parts = run_chunks(lambda part, pace: _chunk(request, program, starts, part, pace), plan, progress)
    return Members.joined(parts), starts


def plainly(request: GradientRequest, progress: Any) -> tuple[Members, Starts]:
    """Every member's objectives and gradients by the plain path."""
    run, phi, grads, reach = Run(request, progress), [], [], []
    formula = page.terminal if request.kind == "terminal" else page.average
    for j in range(len(request.objectives)):
        made = run.linearised(j)
        by_parameter, by_start = formula(made, request.method.window)
        phi.append(made.phi)
        grads.append(np.concatenate([by_parameter, by_start], axis=1) if request.by_start else by_parameter)
        reach.append(np.linalg.norm(by_start, axis=1) * (1 if request.kind == "terminal" else request.steps))
    found = run.members(phi, clipped(np.stack(grads, axis=1), request.method), {"reach": np.stack(reach, axis=1)})
    return found, run.starts


@np.errstate(all="ignore")
def _chunk(request: GradientRequest, program: Program, starts: Starts, part: slice, pace: Pace) -> Members:
    how, t0, steps = request.integration, origin(request), request.steps
    count = len(request.objectives)
    batch = program.batch(starts.rows[part], part, count)
    stretches, means, squares = [], [], []
    for stretch, seen in forward(batch, request, cuts(0, steps), pace):
        stretches.append(stretch)
        means.append(seen.mean(axis=1))
        squares.append((seen**2).mean(axis=1))
    lengths = np.array([s.last - s.first for s in stretches]) / steps
    end = request.kind == "terminal"
    value = batch.values(how, t0 + steps * how.dt, count) if end else np.einsum("sbj,s->bj", means, lengths)
    square = np.einsum("sbj,s->bj", squares, lengths)
    code, failed = fate(batch, request, (starts.status[part], starts.failed[part]))
    if end:
        batch.feed_end(t0 + steps * how.dt, 1.0)
    weight = 0.0 if end else 1.0 / steps
    for stretch in reversed(stretches):
        batch.go_to(stretch.start)
        n_steps = stretch.last - stretch.first
        batch.pull(how, t0, stretch.first, n_steps, last=steps, weight=weight, cut=request.method.window or 0)
        pace.done(batch.members * 2 * n_steps)
    w, g = batch.covectors()
    gradient = np.concatenate([g, w], axis=-1) if request.by_start else g
    blocks = np.stack(means[:-1] if len(means) > 1 else means, axis=1)
    reach = np.linalg.norm(w, axis=-1) / (weight or 1.0)
    return Members(value, clipped(gradient, request.method), code, failed, blocks, square, {"reach": reach})


def clipped(gradient: np.ndarray, method: Any) -> np.ndarray:
    """Each member's gradients (B, J, c) with norms or values of at most `method.clip`."""
    if method.clip is None:
        return gradient
    if method.clip_by == "value":
        return np.clip(gradient, -method.clip, method.clip)
    with np.errstate(all="ignore"):
        largest = np.max(np.abs(gradient), axis=-1, keepdims=True, initial=0.0)
        scaled = np.where(largest > 0, gradient / largest, 0.0)  # a square may overflow where the value does not
        norm = largest * np.linalg.norm(scaled, axis=-1, keepdims=True)
        factor = np.where(norm > method.clip, method.clip / norm, 1.0)
        short = scaled * (method.clip / np.linalg.norm(scaled, axis=-1, keepdims=True))
        return np.where(np.isinf(norm) & np.isfinite(largest), short, gradient * factor)


LARGE = 1e6  # growth of covectors of a long-time average from which its gradient is not that of the average


def judged(request: GradientRequest, found: Members, checks: Any) -> dict[str, Any]:
    """How covectors grew, and a doubt where they grew as in chaos."""
    time = request.steps * request.integration.dt
    good = found.status.reshape(request.points, -1) < NOT_FINITE
    reach = spread_of(found.more["reach"].max(axis=-1).reshape(*good.shape, 1), good).median[:, 0]
    with np.errstate(all="ignore"):
        exponent = np.log(reach) / time
    if request.kind == "average" and request.transient and request.method.window is None:
        long = reach / (1.0 + request.steps) > LARGE
        lost = np.isnan(reach) & good.any(axis=1)
        checks.doubt(long | lost, Reason.GREW)
    return {"exponent": exponent}
