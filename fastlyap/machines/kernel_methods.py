"""Kernel differentiation and the path-kernel: gradients that noise carries, of final values and of averages.

What a noise b_n is paired with is psi_n, the gain of the objective that comes after it: of a final value its
deviation from the mean of the other members, of an average the deviations of lags 0 .. W from the orbit's mean.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.machines import cell_weights, growth_pilot, kernel_chunks, kernel_scores
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.gradient_assembly import one_in_ten, spread_of
from fastlyap.machines.gradient_program import Program, is_cell, likelihood_program, make_plan, path_program
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_starts import Starts, run_up
from fastlyap.machines.kernel_windows import chosen_windows, windows_of
from fastlyap.machines.orbit import Members
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.method import PathKernel
from fastlyap.products import matrices
from fastlyap.request import GradientRequest
from fastlyap.status import NOT_FINITE
from fastlyap.trace import score
from fastlyap.trace.evaluate import evaluate

SPIN_UP = 10.0  # e-foldings after which a covector has forgotten its end
UNSTABLE = 0.99  # factor per step of propagated covectors above which nothing is forgotten
KURTOSIS = 6.0
TAIL = 3.0
FORWARD = 32  # parameters whose scores of all steps are kept; with more the orbit is gone over twice
GROUPS = 64  # of members of final values, whose means are judged
OUTSIDE = 1e-9  # relative part of a perturbation outside of the noise that is rounding
OUT_OF_NOISE = (
    "`method` KernelDifferentiation needs perturbations that lie within the noise of {}: some parameters of `wrt` move "
    "states where there is none. Use fl.PathKernel, which propagates the rest, leave those parameters out, or give the "
    "noise more directions."
)


def check(request: GradientRequest) -> None:
    """Refuse what noise cannot do for this system, objective and method."""
    system, method = request.system, request.method
    problem = score.obstacle(system, request.integration.integrator)
    if problem:
        raise InputError(f"`method` {method.name} cannot be used for {system.name}: {problem}.")
    path = isinstance(method, PathKernel)
    if request.by_start and (not path or request.kind == "average"):
        raise InputError(f'`wrt` "x0" has no meaning for {method.name} of this objective; use fl.PathKernel with '
                         "fl.terminal, or fl.Backprop.")  # fmt: skip
    if request.kind == "terminal":
        if request.repetitions < 2:
            raise InputError(f"`members` must be at least 2 for {method.name} of a final value, got 1: the mean of the "
                             "others is taken off each.")  # fmt: skip
    else:
        windows_of(method.window, request.steps, request.repetitions)
    if path and not isinstance(method.beta, str):
        _shares(request)
    if not path:
        _check_inside(request)


def _check_inside(request: GradientRequest) -> None:
    """Refuse perturbations that move states where the noise does not."""
    system, how = request.system, request.integration
    if is_cell(request):
        if not cell_weights.inside_noise(request):
            raise InputError(OUT_OF_NOISE.format(system.name))
        return
    x = np.concatenate([request.members.x[:8], request.members.x[:8] + 0.37])
    p = request.members.p[np.arange(len(x)) % len(request.members), : system.flat_parameters.size]
    n = system.dim
    sizes = evaluate(system.noise_recording.outputs, x.T, p.T, how.t0)
    sizes = np.broadcast_to(sizes.reshape(len(sizes), -1), (len(sizes), len(x))) * np.ones((n, 1))
    V = np.eye(n) if system.noise_directions is None else system.noise_directions
    V = V * (sizes.T != 0)[..., None]  # (states, n, q)
    inside = V @ np.linalg.pinv(V)
    B = matrices(system.recording, x, p, how.t0, "p")[:, :, list(request.columns)]
    if how.integrator == "rk4" and not np.allclose(inside, np.eye(n)) and B.size and np.any(B):
        raise InputError(f"`integrator` \"rk4\" spreads a perturbation beyond the noise of {system.name}; use "
                         '"euler", or fl.PathKernel.')  # fmt: skip
    if np.any(np.abs(B - inside @ B) > OUTSIDE * (1.0 + np.abs(B).max(initial=0.0, axis=(1, 2), keepdims=True))):
        raise InputError(OUT_OF_NOISE.format(system.name))


def planned(request: GradientRequest, name: Any, threads: Any) -> Plan:
    """What `run` runs."""
    J, columns = len(request.objectives), len(request.columns)
    size, count = request.system.dim + columns + 1, len(_windows(request)) * J
    kept = J
    if not isinstance(request.method, PathKernel):
        kept += columns if columns <= FORWARD else count
    stored = 3 * request.steps * kept if request.kind == "average" else 0
    numbers = stored + 4 * int(request.steps**0.5) * (request.system.dim + 1 + count)
    return make_plan(request, name, threads, per_member=numbers + 10 * size * (count + 2))


def _windows(request: GradientRequest) -> tuple[int, ...]:
    if request.kind != "average":
        return (0,)
    return windows_of(request.method.window, request.steps, request.repetitions)


def run(
    request: GradientRequest, checks: Any, name: Any, threads: Any, progress: Any
) -> tuple[Members, Starts, dict[str, Any]]:
    """Every member's objectives and gradients, and what was met on the way."""
    method = request.method
    path = isinstance(method, PathKernel)
    stats: dict[str, Any] = {}
    keep, beta, spin = np.zeros(1), np.ones(request.points), np.zeros(request.points, dtype=np.int64)
    if path:
        keep, beta, spin = damping(request, checks, stats, name, threads)
    windows, plan = _windows(request), planned(request, name, threads)
    share = np.repeat(1.0 - beta, request.repetitions)
    program = path_program(request, share) if path else likelihood_program(request)
    starts = run_up(request, program, plan, progress)
    everyone = np.arange(request.points)
    found = _pass(request, program, starts, plan, progress, everyone, keep, windows, spin)
    if path and isinstance(method.beta, str):
        fresh, todo = found, everyone
        for more in (0.5, 1.0):  # of the way to 1
            todo = todo[heavy(request, fresh, len(todo)) & (beta[todo] < 1.0)]
            if not len(todo):
                break
            beta[todo] += more * (1.0 - beta[todo])
            program = path_program(request, np.repeat(1.0 - beta, request.repetitions))
            fresh = _pass(request, program, starts, plan, progress, todo, keep, windows, spin)
            found = _replaced(found, fresh, todo, request.repetitions)
    if path:
        stats["beta"] = told(keep, beta)
    if request.kind == "average":
        found = chosen_windows(request, found, windows, checks, stats)
    return found, starts, stats


def told(keep: np.ndarray, beta: np.ndarray) -> Any:
    """What `stats` say of the shares: matrices, one of each step, or one of each point."""
    return keep if keep.ndim == 3 else beta if keep.size == 1 else tuple((1.0 - keep).tolist())


def _shares(request: GradientRequest) -> np.ndarray:
    """What the steps hand over: 1 - beta (steps or 1,), or matrices (steps or 1, n, n)."""
    method = request.method
    if method.by_matrix and not is_cell(request):
        return method.matrices(request.steps, request.system.dim)
    return 1.0 - method.schedule(request.steps)


def damping(request: GradientRequest, checks: Any, stats: dict, name: Any, threads: Any) -> tuple:
    """(`_shares` of the steps, beta of the points, steps of each point until covectors have forgotten their end)."""
    automatic = isinstance(request.method.beta, str)
    keep = np.ones(1) if automatic else _shares(request)
    beta = np.zeros(request.points)
    by_matrix = keep.ndim == 3
    constant = not automatic and not by_matrix and keep.size == 1
    if constant:
        beta, keep = np.full(request.points, 1.0 - keep[0]), np.ones(1)
    if request.kind == "terminal" and not automatic:
        return keep, beta, np.zeros(request.points, dtype=np.int64)
    growth = growth_pilot.measure(request, name, threads)
    stats["exponent"] = growth.exponent / request.integration.dt
    stats["growth_rate"] = growth.rate / request.integration.dt
    if automatic:
        return keep, growth.beta.copy(), np.full(request.points, _forgotten(growth_pilot.SAFETY))
    if by_matrix:  # a second pilot tells how fast what they leave grows
        left = growth_pilot.measure(request, name, threads, keep)
        checks.doubt(left.rate >= 0.0, Reason.BETA)
        return keep, beta, _settled(np.exp(left.exponent))
    with np.errstate(divide="ignore"):
        factor = np.exp(growth.exponent + np.mean(np.log(keep))) * (1.0 - beta)
        second = np.exp(growth.rate + np.mean(np.log(keep))) * (1.0 - beta)
        checks.doubt(second >= 1.0, Reason.BETA)
        return keep, beta, _settled(factor)


def _settled(factor: np.ndarray) -> np.ndarray:
    """Steps that do not count, powers of 2 to make few groups of points."""
    return 2 ** np.ceil(np.log2(_forgotten(np.fmin(factor, UNSTABLE)))).astype(np.int64)


def _forgotten(factor: Any) -> Any:
    """Steps after which covectors that shrink by this factor have forgotten their end."""
    return np.ceil(SPIN_UP / -np.log(np.maximum(factor, 1e-300))).astype(np.int64)


def heavy(request: Any, found: Members, points: int) -> np.ndarray:
    """Points whose members' gradients have heavy tails."""
    code = found.status.reshape(points, request.repetitions)
    flat, good = found.gradient.reshape(points, request.repetitions, -1), code < NOT_FINITE
    if request.kind == "terminal" and request.repetitions >= 2 * GROUPS:
        # single values are products of normals, whose tails are heavy by themselves: those of means tell
        size = request.repetitions // GROUPS
        cut = flat[:, : GROUPS * size].reshape(points, GROUPS, size, -1)
        flat = cut.mean(axis=2)
        good = np.logical_and.reduce(good[:, : GROUPS * size].reshape(points, GROUPS, size), axis=2)
    spread = spread_of(flat, good)
    with np.errstate(invalid="ignore"):
        return (one_in_ten(spread.kurtosis) > KURTOSIS) | (one_in_ten(spread.tail) > TAIL)


def _replaced(found: Members, fresh: Members, todo: np.ndarray, E: int) -> Members:
    """The members with those of the points `todo` taken from `fresh`."""
    index = (todo[:, None] * E + np.arange(E)).ravel()
    for old, new in zip(found[:-1], fresh[:-1], strict=True):
        old[index] = new
    return found


def _pass(
    request: GradientRequest, program: Program, starts: Starts, plan: Any, progress: Any, todo: np.ndarray,
    keep: np.ndarray, windows: tuple[int, ...], spins: np.ndarray,
) -> Members:  # fmt: skip
    """The members of the points `todo`, forward, or forward and back; gradients (B, windows * J, c)."""
    E = request.repetitions
    groups = [todo[spins[todo] == spin] for spin in np.unique(spins[todo])]
    if len(groups) > 1:
        parts = [_pass(request, program, starts, plan, progress, group, keep, windows, spins) for group in groups]
        order = np.argsort(np.concatenate(groups), kind="stable")
        place = (order[:, None] * E + np.arange(E)).ravel()
        found = Members.joined(parts)
        return Members(*(values[place] for values in found[:-1]), {n: v[place] for n, v in found.more.items()})
    spin = int(spins[todo[0]])
    index = (todo[:, None] * E + np.arange(E)).ravel()
    plan = replace(plan, members=len(index))
    final, back = request.kind == "terminal", isinstance(request.method, PathKernel) or is_cell(request)

    def work(part: slice, pace: Pace) -> Members:
        some = index[part]
        if back and final:
            return kernel_chunks.final_chunk(request, program, starts, some, keep, pace)
        if back:
            return kernel_chunks.average_chunk(request, program, starts, some, keep, windows, spin, pace)
        if final:
            return kernel_scores.final_scores(request, program, starts, some, pace)
        stored = len(request.columns) <= FORWARD
        return kernel_scores.average_scores(request, program, starts, some, windows, pace, stored=stored)

    found = Members.joined(run_chunks(work, plan, progress))
    if not final:
        return found
    gained = gains(found.value, found.status, E)
    return found._replace(gradient=found.gradient + gained[:, :, None] * found.more["score"][:, None], more={})


def gains(values: np.ndarray, code: np.ndarray, E: int) -> np.ndarray:
    """Deviations of each member from the mean of the others of its point: centred without a bias."""
    good = (code < NOT_FINITE).reshape(-1, E, 1)
    shaped = values.reshape(-1, E, values.shape[1])
    total, n = np.where(good, shaped, 0.0).sum(axis=1, keepdims=True), good.sum(axis=1, keepdims=True)
    with np.errstate(all="ignore"):
        return np.where(n > 1, shaped - (total - shaped) / (n - 1), 0.0).reshape(values.shape)
