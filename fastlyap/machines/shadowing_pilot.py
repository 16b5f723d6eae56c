"""How many modes shadowing carries, and how long its segments are, from a short run of four members per point.

Covectors are orthonormalised at every step of the pilot; the factors of longer segments are products of those. The
factor C of a segment is C_late + R_late' C_early R_late, R the product of the R, so that lengths 1, 2, 4 ... follow
from each other without another run.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlyap.backend.segments import Shape
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_program import Program
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.orbit import forward, origin
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.machines.shadowing_orbit import edges, last_frame
from fastlyap.request import GradientRequest
from fastlyap.statistics import block_stderr

PILOTS = 4
SHORTEST = 2000  # steps
SHARE = 10  # of the run
BLOCKS = 64
FIRST_MODES = 8
SIGNIFICANT = 3.0  # standard errors
NEUTRAL = 5.0  # a flow's neutral exponent is 0 within this over the time
CONDITIONING = 1e6
GROWTH = 1e3
FEWEST_SEGMENTS = 20
LOOKED_AT = 32  # segments of each length whose conditioning is looked at,
ENTRYWISE = 8  # modes up to which products of many matrices are quicker entry by entry
WINDOWS = 8  # out of as many stretches of the largest length


class Choice(NamedTuple):
    """Of every point, all (points,): modes, segment; unstable, the number of positive exponents, -1 where not known;
    neutral, whether a flow's zero one was found; gap between the last positive exponent and the next."""

    modes: np.ndarray
    segment: np.ndarray
    unstable: np.ndarray
    neutral: np.ndarray
    gap: np.ndarray


class Pilot(NamedTuple):
    """exponents, stderr (points, k); worst (levels, points, k): whether segments of 2^level steps are too long for
    that many modes."""

    exponents: np.ndarray
    stderr: np.ndarray
    too_long: np.ndarray


def choose(request: GradientRequest, program: Program, starts: Starts, plan: Plan, neutral: bool) -> Choice:
    """Modes and segments of every point, as asked for or chosen."""
    method, n, points = request.method, request.system.dim, request.points
    marching = getattr(method, "solver", "march") == "march"
    fixed = not isinstance(method.modes, str), not isinstance(method.segment, str)
    if all(fixed) and not marching:
        full = np.full(points, 0)
        return Choice(full + method.modes, full + method.segment, full - 1, full == 0, full + np.nan)
    k = min(n, max(FIRST_MODES, method.modes + 1 if fixed[0] else 0))
    while True:
        pilot = _pilot(request, program, starts, plan, k)
        last = pilot.exponents[:, -1]
        if k == n or not np.any(last > -SIGNIFICANT * pilot.stderr[:, -1]):
            break
        k = min(2 * k, n)
    unstable, met = _unstable(request, pilot, neutral)
    if fixed[0]:
        modes = np.full(points, method.modes)
    elif marching:
        modes = unstable
    else:  # whatever may be unstable, a flow's neutral direction, and one more
        possible = np.maximum((pilot.exponents > -SIGNIFICANT * pilot.stderr).sum(axis=1), unstable + (neutral & met))
        modes = np.where(possible > 0, np.minimum(possible + 1, n), 0)
    met = met | (pilot.exponents[:, 0] < -SIGNIFICANT * pilot.stderr[:, 0])  # a fixed point has no neutral direction
    segment = np.full(points, method.segment) if fixed[1] else _segments(request, pilot, modes)
    rows, u = np.arange(points), np.minimum(unstable, k - 1)
    gap = np.where(unstable > 0, pilot.exponents[rows, np.maximum(u - 1, 0)] - pilot.exponents[rows, u], np.inf)
    return Choice(modes, segment, unstable, met, np.where(unstable < k, gap, np.inf))


def _unstable(request: GradientRequest, pilot: Pilot, neutral: bool) -> tuple[np.ndarray, np.ndarray]:
    """The number of significantly positive exponents, a flow's neutral one left out; whether that was found."""
    mu, s = pilot.exponents, pilot.stderr
    positive = mu > SIGNIFICANT * s
    if not neutral:
        return positive.sum(axis=1), np.ones(len(mu), dtype=bool)
    nearest = np.argmin(np.abs(mu), axis=1)
    rows = np.arange(len(mu))
    size = np.abs(mu[rows, nearest])
    met = size <= np.maximum(SIGNIFICANT * s[rows, nearest], NEUTRAL / (_steps(request) * request.integration.dt))
    positive[rows, nearest] &= ~met
    return positive.sum(axis=1), met


def _segments(request: GradientRequest, pilot: Pilot, modes: np.ndarray) -> np.ndarray:
    """The largest length whose segments are well conditioned, and which leaves enough of them."""
    levels = len(pilot.too_long)
    column = np.maximum(modes - 1, 0)
    bad = pilot.too_long[:, np.arange(len(modes)), column] & (modes > 0)
    level = np.where(bad.any(axis=0), np.argmax(bad, axis=0) - 1, levels - 1)
    most = max(1, request.steps // FEWEST_SEGMENTS)
    length = np.minimum(2 ** np.maximum(level, 0), 2 ** int(np.log2(most)))
    return np.where(modes > 0, length, 1)  # nothing to orthonormalise, and no step left over


def _steps(request: GradientRequest) -> int:
    return max(SHORTEST, request.steps // SHARE)


def _pilot(request: GradientRequest, program: Program, starts: Starts, plan: Plan, k: int) -> Pilot:
    """Exponents and conditioning of k covectors."""
    E, points = request.repetitions, request.points
    each = min(PILOTS, E)
    index = (np.arange(points)[:, None] * E + np.arange(each)).ravel()
    steps = _steps(request)
    levels = int(np.log2(max(1, request.steps // FEWEST_SEGMENTS))) + 1
    sums, errors = np.zeros((len(index), k)), np.zeros((len(index), k))
    too_long = np.zeros((levels, len(index), k), dtype=bool)
    width = program.kernels.width
    chunk = max(width, 2**22 // (steps * k * k) // width * width)
    quiet = replace(plan, members=len(index), chunk=chunk)

    def work(part: slice, pace: Pace) -> None:
        who = index[part]
        R = _factors(request, program, starts, who, pace, k, steps)
        R = R[:, : steps - steps // SHARE]  # the last steps are those in which the covectors turn into place
        with np.errstate(all="ignore"):
            growth = np.log(np.abs(np.diagonal(R, axis1=2, axis2=3))) / request.integration.dt
            sums[part] = growth.mean(axis=1)
            cell = growth.shape[1] // BLOCKS
            cells = growth[:, : cell * BLOCKS].reshape(len(who), BLOCKS, cell, k).mean(axis=2)
            errors[part] = block_stderr(cells, np.ones(len(who)))
            too_long[:, part] = _conditioned(R, levels)

    run_chunks(work, quiet, False)
    mu, s = sums.reshape(points, each, k), errors.reshape(points, each, k)
    with np.errstate(all="ignore"):
        inside = np.sqrt(np.mean(s**2, axis=1) / each)
        between = mu.std(axis=1, ddof=1) / np.sqrt(each) if each > 1 else inside
    found = np.nan_to_num(mu.mean(axis=1), nan=-np.inf), np.nan_to_num(np.maximum(inside, between), nan=np.inf)
    return Pilot(*found, too_long.reshape(levels, points, each, k).any(axis=2))


def _factors(
    request: GradientRequest, program: Program, starts: Starts, who: np.ndarray, pace: Pace, k: int, steps: int
) -> np.ndarray:
    """R of every step, (B, steps, k, k)."""
    how, t0, n = request.integration, origin(request), request.system.dim
    batch = program.segments(starts.rows[who], who, k)
    stretches = [stretch for stretch, _ in forward(batch, request, edges(0, steps, 1, n), pace)]
    frame = last_frame(request, batch, t0 + steps * how.dt, k, False, who)
    R = np.empty((len(who), steps, k, k))
    for stretch in reversed(stretches):
        n_steps = stretch.last - stretch.first
        batch.begin(Shape(n_steps, k, 0, False, batch.kernels.dim - n), frame)
        batch.go_to(stretch.start)
        batch.walk_back(how, t0, stretch.first, n_steps, length=1, segment=0)
        R[:, stretch.first : stretch.last] = batch.part("R")
        frame = batch.covectors()[0][:, :, :n]
    return R


def _conditioned(R: np.ndarray, levels: int) -> np.ndarray:
    """Whether segments of 1, 2, 4 ... steps are too long for 1 .. k modes, (levels, B, k).

    The squared ratio of the largest to the smallest pivot of Cholesky's factor is a lower bound, and an estimate, of
    the conditioning; the first pivots of a factor are those of the matrix of fewer modes. The ratio of growth within
    a segment is bounded as well, or the last modes would drown in the rounding of the first.
    """
    k = R.shape[-1]
    R = np.ascontiguousarray(np.moveaxis(R[:, -min(R.shape[1], WINDOWS << levels - 1) :], (2, 3), (0, 1)))
    C, bad = _product(R.swapaxes(0, 1), R), []
    for _ in range(levels):
        steps = R.shape[3]
        some = slice(None, None, max(1, steps // LOOKED_AT))
        growth = np.stack([np.abs(R[i, i]) for i in range(k)])
        worst = np.maximum(_ratio(pivots_of(C[..., some])) ** 2, _ratio(growth[..., some])).max(axis=-1)
        most = np.maximum.accumulate(growth.max(axis=-1), axis=0)
        bad.append((~(worst <= CONDITIONING) | ~(most <= GROWTH)).T)
        if steps < 2 or bad[-1].all():
            bad += [np.ones_like(bad[0])] * (levels - len(bad))
            break
        even = steps // 2 * 2
        early, late = R[..., 0:even:2], R[..., 1:even:2]
        C = C[..., 1:even:2] + _product(late.swapaxes(0, 1), _product(C[..., 0:even:2], late))
        R = _product(early, late)
    return np.array(bad).reshape(levels, -1, k)


def _product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Products of matrices (k, k, ...); small ones entry by entry, which runs over all of them at once."""
    k = len(a)
    if k > ENTRYWISE:
        return np.moveaxis(np.moveaxis(a, (0, 1), (-2, -1)) @ np.moveaxis(b, (0, 1), (-2, -1)), (-2, -1), (0, 1))
    found = np.empty(np.broadcast_shapes(a.shape, b.shape))
    for i in range(k):
        for j in range(k):
            found[i, j] = a[i, 0] * b[0, j]
            for s in range(1, k):
                found[i, j] += a[i, s] * b[s, j]
    return found


def _ratio(values: np.ndarray) -> np.ndarray:
    """Largest over smallest of the first 1 .. k of the values (k, ...)."""
    return np.maximum.accumulate(values, axis=0) / np.minimum.accumulate(values, axis=0)


def pivots_of(C: np.ndarray) -> np.ndarray:
    """The diagonal of the Cholesky factor of C (k, k, ...), (k, ...); NaN where it is not positive."""
    C = C.copy()
    k = len(C)
    for j in range(k):
        C[j, j] = np.sqrt(C[j, j])
        C[j + 1 :, j] /= C[j, j]
        for i in range(j + 1, k):
            C[i, j + 1 : i + 1] -= C[i, j] * C[j + 1 : i + 1, j]
    return np.stack([C[j, j] for j in range(k)])
