"""Given covectors pulled back along orbits by the exact transpose of every step, and their growth at each."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.kernel import layout
from fastlyap.machines.average import first_rows
from fastlyap.machines.chunks import new_batches, run_chunks
from fastlyap.machines.planning import Plan
from fastlyap.machines.rows import read_growth, with_cells
from fastlyap.machines.run import Pace
from fastlyap.request import SpectrumRequest


def pulled_back(request: SpectrumRequest, plan: Plan, ends: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """States along the orbits of a request for one exponent, and the covectors `ends` (B, n) of the last ones, pulled.

    Returns
    -------
    states : (B, T, n)
        After each step that follows the transient.
    logs : (B, T)
        Logarithms of the norms of the covectors there; -inf where nothing is left, NaN for members that failed.
    """
    shape = len(request.members), request.steps
    states, logs = np.empty((*shape, request.system.dim)), np.empty(shape)
    new_batch = new_batches(request, plan)
    run_chunks(lambda part, pace: _chunk(request, part, new_batch, pace, ends[part], states, logs), plan, False)
    return states, logs


def _chunk(
    request: SpectrumRequest, part: slice, new_batch: Any, pace: Pace, ends: np.ndarray, states: np.ndarray,
    logs: np.ndarray,
) -> None:  # fmt: skip
    """Fill in the members of one chunk."""
    how, T, first = request.integration, request.steps, request.transient
    S, A = first_rows(request, part, 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        size = np.linalg.norm(ends, axis=1)
        S[:, request.system.dim + 1 :] = np.where(size > 0, ends.T / size, 0.0).T
        logs[part, -1] = np.log(size)
    batch = new_batch(S, with_cells(A, 1), request.members.p[part])
    if first:
        batch.follow(how, how.t0, 0, first, first)
    starts = []
    for step in range(T):
        starts.append(batch.checkpoint())
        states[part, step] = batch.follow(how, how.t0, first + step, 1, 1)[:, 0]
        pace.done(len(S))
    ones = np.ones(len(S), dtype=np.int64)
    for pulled, step in enumerate(range(T - 1, 0, -1)):
        batch.pull_back(how, how.t0, 1, starts[step], first + step, 1, pulled, 1)
        grown = read_growth(batch.read()[1], 1, (pulled + 1) * ones, ones).total[:, 0]
        logs[part, step - 1] = logs[part, -1] + grown
    logs[part][batch.read()[1][:, layout.STATUS] > 0] = np.nan
