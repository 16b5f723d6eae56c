"""Spectra by the adjoint: covectors pulled back along the orbit, which is kept as checkpoints.

The orbit runs forward over transient + steps + transient steps; the last stretch only turns the covectors into
place. Checkpoints lie about sqrt(steps) apart and the orbit between two of them is recomputed.
"""

from __future__ import annotations

import math

import numpy as np

from fastlyap.average import Chunk, initial_frame
from fastlyap.errors import InputError
from fastlyap.intervals import choose_intervals
from fastlyap.request import SpectrumRequest
from fastlyap.rows import new_rows
from fastlyap.run import Ensemble, Pace, Stopped


def run_chunk_backward(request: SpectrumRequest, part: slice, new_batch, pace: Pace) -> Chunk:
    """The growth of a chunk of members in the adjoint direction."""
    if request.state is not None:
        raise InputError('`resume` cannot go on with direction="adjoint", whose run begins at the end of the orbit.')
    how, k = request.integration, request.k
    x, p = request.members.x[part], request.members.p[part]
    frame = initial_frame(request.system.dim, k, request.seed)
    members = Ensemble(new_batch, *new_rows(x, frame), p, k, how, pace)
    complete = False
    try:
        if request.every is None:
            twin = members.copy()
            choose_intervals(twin, how.t0)
            members.every[:] = np.minimum(twin.every, max(1, request.steps))
        else:
            members.every[:] = request.every
        for group, every, _ in members.groups(np.arange(len(members))):
            batch = new_batch(members.S[group], members.A[group], members.P[group])
            _there_and_back(batch, request, every, pace, len(group))
            members.S[group], members.A[group] = batch.read()
            members.step[group] = request.steps
        complete = True
    except Stopped:
        pass
    return Chunk(members, members.settled(), complete, np.ones(len(members), dtype=bool))


def _there_and_back(batch, request: SpectrumRequest, every: int, pace: Pace, members: int) -> None:
    """Forward with checkpoints, then back; the accumulators hold the growth over `steps` steps."""
    how, k, transient = request.integration, request.k, request.transient
    _forward(batch, how, how.t0, transient, every, pace, members)
    t0 = how.t0 + transient * how.dt
    length = max(every, math.isqrt(request.steps + transient))
    cuts = [*range(0, request.steps, length), request.steps]
    tail = [*range(request.steps, request.steps + transient, length), request.steps + transient]
    main = _checkpoints(batch, how, t0, cuts, k == request.system.dim)
    warm = _checkpoints(batch, how, t0, tail, False)
    for first, last, start in reversed(warm):
        batch.pull_back(how, t0, k, start, first, last - first, request.steps + transient - last, every)
        pace.done(members * (last - first))
    if transient % every:
        batch.settle(how, k, transient)
    batch.forget_growth(k)
    for first, last, start in reversed(main):
        batch.pull_back(how, t0, k, start, first, last - first, request.steps - last, every)
        pace.done(members * (last - first))


def _forward(batch, how, t0: float, n_steps: int, every: int, pace: Pace, members: int) -> None:
    """Advance the state alone."""
    step = 0
    for now in pace.slices(members, n_steps):
        batch.follow(how, t0, step, now, now)
        step += now


def _checkpoints(batch, how, t0: float, cuts: list[int], full: bool) -> list[tuple]:
    """Advance from cut to cut; (first step, last step, checkpoint at the first) of each stretch."""
    found = []
    for first, last in zip(cuts[:-1], cuts[1:], strict=True):
        if last > first:
            found.append((first, last, batch.checkpoint()))
            batch.follow(how, t0, first, last - first, last - first, full)
    return found
