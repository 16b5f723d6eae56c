"""Gradients of networks: members are repetitions with noise, or masks, of their own.

All methods are one pass forward and one back. The noise behind layer l takes a share beta_l of the covector nu that
arrives: mu = (1 - beta) nu + beta (Phi - c) b / sigma, Phi the member's loss and c the mean of the others of its group.
Backpropagation is beta = 0 and kernel differentiation beta = 1. The derivative by the size of the noise is the sum of
b . nu. Source: Ni, Adjoint path-kernel (2025); GRADIENTS of a deep net are those of a map with a parameter per step.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.machines import gradient_assembly, net_difference, net_pilot, planning
from fastlyap.machines.backprop import clipped
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.deep import program_name
from fastlyap.machines.gradient_assembly import FEWEST
from fastlyap.machines.gradient_result import Gradient
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.kernel_methods import GROUPS, gains, heavy
from fastlyap.machines.net_request import depth
from fastlyap.machines.orbit import Members
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace
from fastlyap.method import Backprop, FiniteDifference, KernelDifferentiation, PathKernel
from fastlyap.networks.compiled import WORTH_A_THREAD
from fastlyap.networks.repetitions import Asked, Group, Repetitions
from fastlyap.request import NetGradientRequest

KEPT = 1 << 22  # numbers in the gradients of all members up to which each is kept; beyond, means of parts of them
FEW = 128  # members up to which each is always kept
PART = 16  # members of a part, at least
MEANS = 8  # members whose mean tells of tails
CHUNKS = 8  # of each thread, between which Ctrl-C is heard
FLOPS = 4e9  # per second of one core, about


def run(request: NetGradientRequest, backend: Any, threads: Any, progress: Any) -> tuple[Gradient, ...]:
    """A gradient for each objective."""
    method = request.method
    checks = gradient_assembly.Checks(request.points)
    stats: dict[str, Any] = {}
    if isinstance(method, FiniteDifference):
        found = net_difference.run(request, lambda one: _losses(one, backend, threads, progress))
    elif isinstance(method, PathKernel):
        found = _hybrid(request, stats, backend, threads, progress)
    else:
        found = _pass(request, _shares(request), np.arange(request.points), backend, threads, progress)
    rows = len(found.value) // request.points
    if rows < request.repetitions:
        stats["groups"] = rows
    starts = Starts(np.empty(0), found.status, found.failed, np.ones(request.points, dtype=bool),
                    np.zeros(request.points, dtype=np.int64))  # fmt: skip
    results = gradient_assembly.gradients(
        replace(request, repetitions=rows), found, starts, _settings(request), checks, stats
    )
    for result in results:
        del result.stats["transient"]
    return results


def _settings(request: NetGradientRequest) -> dict[str, Any]:
    return {
        "steps": depth(request.network), "transient": 0, "dt": None, "members": request.repetitions,
        "seed": request.seed, "dtype": "float64", "method": repr(request.method), "mode": request.network.mode,
        "objective": ", ".join(map(repr, request.objectives)),
    }  # fmt: skip


def _shares(request: NetGradientRequest) -> np.ndarray:
    """What the noise behind each layer leaves on the path, (1, noises)."""
    noises = len(request.network.structure.disturbed)
    if isinstance(request.method, KernelDifferentiation):
        return np.zeros((1, noises))
    window = request.method.window if isinstance(request.method, Backprop) else None
    keep = np.ones((1, noises))
    if window is not None:
        layers = depth(request.network)
        behind = layers - 1 - np.arange(noises)  # layers between a noise and the output
        keep[0, (behind > 0) & (behind % window == 0)] = 0.0
    return keep


def _hybrid(request: NetGradientRequest, stats: dict, backend: Any, threads: Any, progress: Any) -> Members:
    """The path-kernel; with an automatic share, once or twice again where members' gradients have heavy tails."""
    method, noises, everyone = request.method, len(request.network.structure.disturbed), np.arange(request.points)
    if not isinstance(method.beta, str):
        beta = np.broadcast_to(method.schedule(noises), (noises,))
        stats["beta"] = np.full(request.points, beta[0]) if np.all(beta == beta[0]) else tuple(beta.tolist())
        return _pass(request, 1.0 - beta[None], everyone, backend, threads, progress)
    growth = net_pilot.measure(request)
    stats["exponent"], stats["growth_rate"] = growth.exponent, growth.rate
    beta, todo = growth.beta.copy(), everyone
    found = fresh = _pass(request, _alike(beta, noises), everyone, backend, threads, progress)
    rows = len(found.value) // request.points
    for more in (0.5, 1.0):  # of the way to 1
        todo = todo[_exploding(request, fresh, len(todo)) & (beta[todo] < 1.0)]
        if not len(todo):
            break
        beta[todo] += more * (1.0 - beta[todo])
        fresh = _pass(request, _alike(beta, noises), todo, backend, threads, progress)
        index = (todo[:, None] * rows + np.arange(rows)).ravel()
        for old, new in zip(found[:-1], fresh[:-1], strict=True):
            old[index] = new
    stats["beta"] = beta
    return found


def _exploding(request: NetGradientRequest, found: Members, points: int) -> np.ndarray:
    """Points whose gradients have heavy tails, judged by means of `MEANS` members or more.

    A single member's is a product of normals, with tails that are heavy whatever the share; few members tell nothing.
    """
    rows = len(found.value) // points
    groups = min(GROUPS, rows // MEANS) if rows == request.repetitions else rows
    if groups < FEWEST:
        return np.zeros(points, dtype=bool)
    size = rows // groups

    def means(values: np.ndarray) -> np.ndarray:
        cut = values.reshape(points, rows, *values.shape[1:])[:, : groups * size]
        return cut.reshape(points * groups, size, *values.shape[1:])

    few = found._replace(gradient=means(found.gradient).mean(axis=1), status=means(found.status).max(axis=1))
    return heavy(replace(request, repetitions=groups), few, points)


def _alike(beta: np.ndarray, noises: int) -> np.ndarray:
    """The same share for all layers, (points, noises)."""
    return np.repeat(1.0 - beta[:, None], noises, axis=1)


def _pass(
    request: NetGradientRequest, keep: np.ndarray, points: np.ndarray, backend: Any, threads: Any, progress: Any
) -> Members:
    """The members of some points, forward and back; or the means of groups of them."""
    E, width, J = request.repetitions, request.width, len(request.objectives)
    clip = isinstance(request.method, Backprop) and request.method.clip is not None
    kept = request.keep_members or clip or E < FEW or E * width * len(points) <= KEPT
    net = request.network
    handed = isinstance(request.method, (KernelDifferentiation, PathKernel))
    reps = Repetitions(net, request.inputs, E, Asked(keep, request.names, request.by_start))
    rows = E if kept else min(GROUPS, E // PART)
    parts = reps.groups(1 if kept else rows, points)
    tasks = [[group] for part in parts for group in part] if kept else parts
    value, gradient = np.empty((len(points) * rows, J)), np.empty((len(points) * rows, J, width))
    code = np.zeros((len(points) * rows, J), dtype=np.int8)

    def work(part: slice, pace: Pace) -> None:
        space = reps.space()
        for t in range(*part.indices(len(tasks))):
            for j, loss in enumerate(request.objectives):
                done = [_group(request, reps, group, loss, handed, not kept, space) for group in tasks[t]]
                if kept:
                    first = int(np.searchsorted(points, tasks[t][0].point)) * E + tasks[t][0].first
                    at = slice(first, first + tasks[t][0].count)
                    value[at, j], code[at, j], gradient[at, j] = done[0]
                else:
                    values, codes, sums = zip(*done, strict=True)
                    together = np.concatenate(values)
                    value[t, j], code[t, j] = together.mean(), np.concatenate(codes).max()
                    gradient[t, j] = sum(one[0] for one in sums) / len(together)
            pace.done(sum(group.count for group in tasks[t]))

    with np.errstate(all="ignore"):
        run_chunks(work, _plan(request, len(tasks), backend, threads), progress)
        gradient = clipped(gradient, request.method) if clip else gradient
    worst = code.max(axis=1)
    failed = np.where(worst > 0, depth(net), -1)
    return Members(value, gradient, worst, failed, value[:, None], value**2, {})


def _group(
    request: NetGradientRequest, reps: Repetitions, group: Group, loss: Any, handed: bool, together: bool, space: Any
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(losses, codes, gradients or their sum) of a group."""
    with np.errstate(all="ignore"):
        value, w = reps.values(group, loss.member(group.point, request.shape), space, linear=True)
        code = np.where(np.isfinite(value), 0, status.NOT_FINITE).astype(np.int8)
        gain = gains(value[:, None], code, group.count)[:, 0] if handed else np.zeros(group.count)
        return value, code, reps.gradients(group, w, gain, together, space)


def _losses(request: NetGradientRequest, backend: Any, threads: Any, progress: Any) -> np.ndarray:
    """Losses of all members without gradients, (points * members, objectives)."""
    E, J = request.repetitions, len(request.objectives)
    reps = Repetitions(request.network, request.inputs, E)
    tasks = [group for part in reps.groups(1, range(request.points)) for group in part]
    value = np.empty((request.points * E, J))

    def work(part: slice, pace: Pace) -> None:
        space = reps.space()
        for group in tasks[part]:
            at = slice(group.point * E + group.first, group.point * E + group.first + group.count)
            for j, loss in enumerate(request.objectives):
                value[at, j] = reps.values(group, loss.member(group.point, request.shape), space)[0]
            pace.done(group.count)

    with np.errstate(all="ignore"):
        run_chunks(work, _plan(request, len(tasks), backend, threads), progress)
    return value


def planned(request: NetGradientRequest, name: Any, threads: Any) -> Plan:
    """What a gradient of a network runs."""
    tasks = request.points * -(-request.repetitions // 64)
    return _plan(request, tasks, name, threads)


def _plan(request: NetGradientRequest, tasks: int, name: Any, threads: Any) -> Plan:
    program, members = request.network.program, request.points * request.repetitions
    work = 3.0 * program.work * request.inputs.samples * members
    used = max(1, min(planning.thread_count(threads), tasks, int(work / WORTH_A_THREAD)))
    chosen = planning.backend(name)
    return Plan(
        "gradient", request.labels["system"].name, chosen, program_name(chosen), "groups of members", "dense", 1, tasks,
        max(1, -(-tasks // (CHUNKS * used))), members * depth(request.network), used,
        8 * (2 * used * sum(program.sizes) * request.inputs.samples * 64 + min(KEPT, members * request.width)),
        work / FLOPS / used, False,
    )  # fmt: skip
