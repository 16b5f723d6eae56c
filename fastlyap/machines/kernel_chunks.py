"""One chunk of members of the path-kernel: orbits forward, covectors back."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.machines.gradient_program import Program
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.orbit import Members, cuts, fate, forward, origin
from fastlyap.machines.run import Pace
from fastlyap.request import GradientRequest


@np.errstate(all="ignore")
def final_chunk(
    request: GradientRequest, program: Program, starts: Starts, some: np.ndarray, keep: np.ndarray, pace: Pace
) -> Members:
    """Final values; their covectors, and one more that carries the scores, to be weighted by what each member gained.

    A covector is linear in what it is paired with, so that nothing must be known of the other members here.
    """
    how, t0, steps, J = request.integration, origin(request), request.steps, len(request.objectives)
    batch = program.batch(starts.rows[some], some, J + 1)
    stretches, means, squares, _ = _there(batch, request, pace)
    t = t0 + steps * how.dt
    value = batch.values(how, t, J)
    code, failed = fate(batch, request, (starts.status[some], starts.failed[some]))
    batch.feed_end(t, 1.0, J)
    for stretch in reversed(stretches):
        n_steps = stretch.last - stretch.first
        batch.go_to(stretch.start)
        numbers = np.broadcast_to(np.append(np.zeros(J), 1.0), (batch.members, n_steps, J + 1))
        batch.pull(how, t0, stretch.first, n_steps, last=steps, weight=0.0, numbers=numbers, keep=keep)
        pace.done(batch.members * 2 * n_steps)
    w, g = batch.covectors()
    gradient = np.concatenate([g, w], axis=-1) if request.by_start else g
    return Members(value, gradient[:, :J], code, failed, means, squares, {"score": gradient[:, J]})


def sums_of(orbit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Means of an orbit's objectives (B, steps, J), and running sums of what deviates from them, with a 0 in front."""
    value = orbit.mean(axis=1)
    zero = np.zeros((len(orbit), 1, orbit.shape[2]))
    return value, np.concatenate([zero, np.cumsum(orbit - value[:, None], axis=1)], axis=1)


def gains_of(sums: np.ndarray, n: np.ndarray, W: int) -> np.ndarray:
    """What comes after the steps n, lags 0 .. W, from the running sums of `sums_of`, (B, n, J).

    Each deviation is from the mean of the same orbit, which the noise of a step has changed too, by a share of 1 / N
    of all that it does; W + 1 times that is made good.
    """
    return (sums[:, n + W + 2] - sums[:, n + 1]) / (1.0 - (W + 1) / (sums.shape[1] - 1))


def blocks_of(orbit: np.ndarray) -> np.ndarray:
    """Means of up to 64 stretches of an orbit."""
    count = min(64, orbit.shape[1])
    length = orbit.shape[1] // count
    return orbit[:, : count * length].reshape(len(orbit), count, length, -1).mean(axis=2)


def _there(batch: Any, request: GradientRequest, pace: Pace, also: tuple[int, ...] = ()) -> tuple:
    """Forward: (stretches, means of the blocks, mean squares, objectives at every step or None)."""
    edges = cuts(0, request.steps, also=also)
    stretches, seen = [], []
    for stretch, values in forward(batch, request, edges, pace):
        stretches.append(stretch)
        seen.append(values if request.kind == "average" else values.mean(axis=1, keepdims=True))
    if request.kind == "terminal":
        means = np.concatenate(seen, axis=1)
        return stretches, means, (means**2).mean(axis=1), None
    orbit = np.concatenate(seen, axis=1)
    return stretches, blocks_of(orbit), (orbit**2).mean(axis=1), orbit


@np.errstate(all="ignore")
def average_chunk(
    request: GradientRequest, program: Program, starts: Starts, some: np.ndarray, keep: np.ndarray,
    windows: tuple[int, ...], spin: int, pace: Pace,
) -> Members:  # fmt: skip
    how, t0, steps, J = request.integration, origin(request), request.steps, len(request.objectives)
    end = steps - windows[-1] - 1
    begin = end - min(max(spin, windows[-1]), end // 2) if spin else end  # steps before this one count
    batch = program.batch(starts.rows[some], some, J * len(windows))
    stretches, means, squares, orbit = _there(batch, request, pace, (begin, end))
    code, failed = fate(batch, request, (starts.status[some], starts.failed[some]))
    value, sums = sums_of(orbit)
    for stretch in reversed(stretches):
        if stretch.first >= end:
            continue
        if stretch.last == begin:
            batch.forget_gradient()
        n_steps = stretch.last - stretch.first
        batch.go_to(stretch.start)
        n = np.arange(stretch.first, stretch.last)
        numbers = np.concatenate([gains_of(sums, n, W) for W in windows], axis=-1)
        batch.pull(how, t0, stretch.first, n_steps, last=steps, weight=1.0, numbers=numbers, keep=keep)
        pace.done(batch.members * 2 * n_steps)
    return Members(value, batch.covectors()[1] / begin, code, failed, means, squares, {})
