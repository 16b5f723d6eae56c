"""One chunk of members of kernel differentiation: orbits with their scores, forward only.

Noise is drawn from counters, so that an orbit can be gone over again: where scores of all steps are too many to keep,
what each step is to be weighted with is found first.
"""

from __future__ import annotations

import numpy as np

from fastlyap.machines.gradient_program import Program
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.kernel_chunks import blocks_of, gains_of, sums_of
from fastlyap.machines.orbit import Members, fate, origin
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest
from fastlyap.trace.likelihood import has_slope


@np.errstate(all="ignore")
def final_scores(
    request: GradientRequest, program: Program, starts: Starts, some: np.ndarray, pace: Pace
) -> Members:
    """Final values and the sum of the scores."""
    how, t0, steps, J = request.integration, origin(request), request.steps, len(request.objectives)
    batch = program.batch(starts.rows[some], some, J + 1)
    first = 0
    for now in pace.slices(len(some), steps):
        batch.scores(how, t0, first, now, J, weights=np.ones((len(some), now, 1)))
        first += now
    t = t0 + steps * how.dt
    value = batch.values(how, t, J)
    code, failed = fate(batch, request, (starts.status[some], starts.failed[some]))
    batch.feed_end(t, 1.0, J)
    g = batch.covectors()[1]
    return Members(value, g[:, :J], code, failed, value[:, None], value**2, {"score": g[:, J]})


@np.errstate(all="ignore")
def average_scores(
    request: GradientRequest, program: Program, starts: Starts, some: np.ndarray, windows: tuple[int, ...], pace: Pace,
    *, stored: bool,
) -> Members:  # fmt: skip
    """Averages, and each score times the objective's deviations of the lags 0 .. W, for all windows W."""
    how, t0, steps, J = request.integration, origin(request), request.steps, len(request.objectives)
    feeds = any(has_slope(one, request.columns) for one in request.objectives)
    batch = program.batch(starts.rows[some], some, J)
    seen, first = [], 0
    for now in pace.slices(len(some), steps):
        if stored:
            seen.append(batch.scores(how, t0, first, now, J, feeds=feeds))
        else:
            seen.append(batch.observe(how, t0, first, now, J))
        first += now
    both = np.concatenate(seen, axis=1)
    orbit = both[..., :J]
    code, failed = fate(batch, request, (starts.status[some], starts.failed[some]))
    value, sums = sums_of(orbit)
    n = np.arange(steps - windows[-1] - 1)
    gains = [gains_of(sums, n, W) for W in windows]
    if stored:
        found = [np.einsum("bnj,bnc->bjc", gain, both[:, n, J:]) / len(n) for gain in gains]
        explicit = batch.covectors()[1][:, :J] / steps
        gradient = np.concatenate([one + explicit for one in found], axis=1)
    else:
        gradient = _again(request, program, starts, some, np.concatenate(gains, axis=-1), pace, feeds)
    return Members(value, gradient, code, failed, blocks_of(orbit), (orbit**2).mean(axis=1), {})


def _again(
    request: GradientRequest, program: Program, starts: Starts, some: np.ndarray, gains: np.ndarray, pace: Pace,
    feeds: bool,
) -> np.ndarray:  # fmt: skip
    """The gradients, from a second run whose scores are weighted with `gains` (B, n, windows * J)."""
    how, t0, steps, J = request.integration, origin(request), request.steps, len(request.objectives)
    columns = gains.shape[2]
    weights = np.zeros((len(some), steps, columns))
    weights[:, : gains.shape[1]] = gains / gains.shape[1]
    batch = program.batch(starts.rows[some], some, J + columns)
    first = 0
    for now in pace.slices(len(some), steps):
        batch.scores(how, t0, first, now, J, weights=weights[:, first : first + now], feeds=feeds)
        first += now
    g = batch.covectors()[1]
    explicit = np.tile(g[:, :J] / steps, (1, columns // J, 1))
    return g[:, J:] + explicit
