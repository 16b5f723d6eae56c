"""Spectra by the adjoint: covectors pulled back along the orbit, which is kept as checkpoints.

The orbit runs forward over transient + steps + transient steps; the last stretch only turns the covectors into
place. Checkpoints lie about sqrt(steps) apart and the orbit between two of them is recomputed.
"""

from __future__ import annotations

import math

import numpy as np

from fastlyap.errors import InputError
from fastlyap.machines.average import Chunk, initial_frame
from fastlyap.machines.intervals import choose_intervals
from fastlyap.machines.rows import new_rows, with_cells
from fastlyap.machines.run import Ensemble, Pace, Stopped, follow
from fastlyap.request import SpectrumRequest


def run_chunk_backward(request: SpectrumRequest, part: slice, new_batch, pace: Pace) -> Chunk:
    """The growth of a chunk of members in the adjoint direction."""
    if request.state is not None:
        raise InputError('`resume` cannot go on with direction="adjoint", whose run begins at the end of the orbit.')
    how, k = request.integration, request.k
    x, p = request.members.x[part], request.members.p[part]
    frame = initial_frame(request.system.dim, k, request.seed)
    S, A = new_rows(x, frame)
    members = Ensemble(new_batch, S, A, p, k, how, pace)
    complete = False
    try:
        if request.every is None:
            twin = members.copy()
            choose_intervals(twin, how.t0)
            members.every[:] = np.minimum(twin.every, max(1, request.steps))
        else:
            members.every[:] = request.every
        members.A = with_cells(members.A, k)
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
    """Forward with checkpoints, then back; the accumulators hold the growth over `steps` steps.

    Steps are numbered from the very start, failed ones too. Lost members are looked for after every `every` steps
    of each of the three stretches and at its end.
    """
    how, k, transient = request.integration, request.k, request.transient
    follow(batch, how, how.t0, transient, every, pace, members)
    turn = transient + request.steps
    end = turn + transient
    main = _checkpoints(batch, how, _cuts(transient, turn, every), every, k == request.system.dim)
    warm = _checkpoints(batch, how, _cuts(turn, end, every), every, False)
    _pull(batch, how, k, warm, every, pace, members)
    if transient % every:
        batch.settle(how, k, end)
    batch.forget_growth(k)
    _pull(batch, how, k, main, every, pace, members)


def _cuts(first: int, last: int, every: int) -> list[int]:
    """Where to cut the steps first .. last - 1: about sqrt(last - first) stretches of whole intervals, and a rest."""
    length = every * -(-math.isqrt(last - first) // every)
    return [*range(first, last, max(length, 1)), last]


def _checkpoints(batch, how, cuts: list[int], every: int, full: bool) -> list[tuple]:
    """Advance from cut to cut; (first step, last step, checkpoint at the first) of each stretch."""
    found = []
    for first, last in zip(cuts[:-1], cuts[1:], strict=True):
        found.append((first, last, batch.checkpoint()))
        whole = (last - first) // every * every
        if whole:
            batch.follow(how, how.t0, first, whole, every, full)
        if last > first + whole:
            rest = last - first - whole
            batch.follow(how, how.t0, first + whole, rest, rest, full)
    return found


def _pull(batch, how, k: int, stretches: list[tuple], every: int, pace: Pace, members: int) -> None:
    """Pull the frame back over the stretches, the last one first."""
    pulled = 0
    for first, last, start in reversed(stretches):
        batch.pull_back(how, how.t0, k, start, first, last - first, pulled, every)
        pulled += last - first
        pace.done(members * (last - first))
