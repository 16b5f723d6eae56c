"""Gradients by the plain path: the pages of `reference.sensitivity` on stored orbits, handed on like the kernels'.

Where a method chooses modes, segments or steps to leave out by a pilot run, the pilot is the kernels'.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap.backend.segments import Shape
from fastlyap.errors import InputError
from fastlyap.machines import fast_response, kernel_methods, shadowing, shadowing_pilot
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_starts import Starts
from fastlyap.machines.kernel_windows import chosen_windows, windows_of
from fastlyap.machines.orbit import Members, origin
from fastlyap.machines.reference_orbits import Run, dynamics_of
from fastlyap.machines.shadowing_orbit import has_neutral, last_frame
from fastlyap.machines.shadowing_trust import judged
from fastlyap.method import FastResponse, KernelDifferentiation, PathKernel, Shadowing
from fastlyap.reference.sensitivity import fast_response as response
from fastlyap.reference.sensitivity import kernel, path_kernel
from fastlyap.reference.sensitivity import shadowing as shadow
from fastlyap.request import GradientRequest


def kernels(request: GradientRequest, checks: Any, threads: Any, progress: Any) -> tuple[Members, Starts, dict]:
    """Kernel differentiation and the path-kernel of every member."""
    method, stats = request.method, dict[str, Any]()
    path, final = isinstance(method, PathKernel), request.kind == "terminal"
    if path and isinstance(method.beta, str):
        raise InputError('`backend` "reference" needs a `beta` in numbers: "auto" is found by repeated runs; pass the '
                         "one that `stats` of such a run tells.")  # fmt: skip
    keep, beta, spin = np.zeros(1), np.ones(request.points), np.zeros(request.points, dtype=np.int64)
    if path:
        keep, beta, spin = kernel_methods.damping(request, checks, stats, "cpu", threads)
        stats["beta"] = kernel_methods.told(keep, beta)
    run, phi, grads = Run(request, progress), [], []
    member = run.good // request.repetitions
    windows = (0,) if final else windows_of(method.window, request.steps, request.repetitions)
    for j in range(len(request.objectives)):
        made = run.linearised(j)
        phi.append(made.phi)
        for W in windows:
            grads.append(np.zeros((len(run.good), request.width)))
            for point in np.unique(member):
                some = member == point
                share = keep if keep.ndim == 3 else 1.0 - keep * (1.0 - beta[point])
                grads[-1][some] = _one(request, _some(made, some), share, W, windows[-1], int(spin[point]))
    J = len(request.objectives)
    shaped = np.stack(grads, axis=1).reshape(len(run.good), J, len(windows), -1).swapaxes(1, 2)
    found = run.members(phi, shaped.reshape(len(run.good), J * len(windows), -1), {})
    return (found if final else chosen_windows(request, found, windows, checks, stats)), run.starts, stats


def _one(request: GradientRequest, made: Any, beta: np.ndarray, W: int, widest: int, spin: int) -> np.ndarray:
    """The gradients of the members of one point."""
    path, end = isinstance(request.method, PathKernel), len(made.A) - widest - 1
    beta = beta if len(beta) > 1 else beta[0]
    if request.kind == "terminal":
        count = made.phi.shape[1]
        gain = (made.phi[-1] - made.phi[-1].mean()) * (count / (count - 1) if count > 1 else 0.0)
        if not path and _square(made):
            return kernel.terminal(made, gain)
        by_parameter, by_start = path_kernel.terminal(made, beta, gain)
        return np.concatenate([by_parameter, by_start], axis=1) if request.by_start else by_parameter
    if not path and _square(made):
        return kernel.average(made, W, widest)
    drop = min(max(spin, widest), end // 2) if spin else 0
    return path_kernel.average(made, beta, W, drop, widest)


def _square(made: Any) -> bool:
    return made.noise.directions.shape[0] == made.noise.directions.shape[1]


def _some(made: Any, some: np.ndarray) -> Any:
    """An orbit of some of the members alone."""
    def cut(values: Any) -> Any:
        return values if values is None else values[:, some]

    kind = made.noise
    size = None if kind is None else type(kind.size)(*(cut(each) for each in kind.size))
    noise = None if kind is None else kind._replace(b=cut(kind.b), size=size)
    return type(made)(*(cut(each) for each in made[:-1]), noise)


def shadowed(request: GradientRequest, checks: Any, threads: Any, progress: Any) -> tuple[Members, Starts, dict]:
    """Shadowing of every member."""
    run = Run(request, progress)
    neutral, E = has_neutral(request.system), request.repetitions
    choice = _choice(run, shadowing.shadowing_program, neutral, threads)
    found, dt = shadowing.empty(request, int(choice.modes.max(initial=0))), request.integration.dt
    phi, grads = [], []
    for j in range(len(request.objectives)):
        gradient = np.zeros((len(run.good), len(request.columns)))
        for point in np.unique(run.good // E):
            some = run.good[run.good // E == point]
            M, length = int(choice.modes[point]), int(choice.segment[point])
            first = request.steps % length
            made = run.linearised(j, first, some=some)
            t = origin(run.request) + request.steps * dt
            frame = last_frame(request, _End(run, some), t, M, neutral and bool(M), some)
            left = shadow.sweep(made, frame, length)
            marching = request.method.solver == "march"
            a = shadow.march(left) if marching else shadow.least_squares(left, neutral and bool(M))
            gradient[np.searchsorted(run.good, some)] = shadow.contribution(made, left, a)
            found.exponents[some, :M] = left.exponents / dt
            if M:
                size = np.linalg.norm(a, axis=2)
                found.coefficients[some, :, j] = np.stack([size.max(axis=0), np.median(size, axis=0)], axis=1)
                if not marching:
                    pivots = shadowing_pilot.pivots_of(np.moveaxis(left.C, (2, 3), (0, 1)))
                    found.conditioning[some] = ((pivots.max(axis=0) / pivots.min(axis=0)) ** 2).max(axis=0)
        phi.append(run.linearised(j).phi)
        grads.append(gradient)
    found = found._replace(members=run.members(phi, np.stack(grads, axis=1), {}))
    return found.members, run.starts, judged(request, choice, found, checks, neutral)


class _End:
    """What `last_frame` asks of a batch: the states of some members at the end of the run, or of some step."""

    def __init__(self, run: Run, some: np.ndarray, step: int = -1) -> None:
        self._rows = run.x[step, some]

    def rows(self) -> np.ndarray:
        return self._rows


def _choice(run: Run, program: Any, neutral: bool, threads: Any) -> shadowing_pilot.Choice:
    """Modes and segments, given or chosen by the kernels' pilot."""
    request, method = run.request, run.request.method
    fixed = not isinstance(method.modes, str) and not isinstance(method.segment, str)
    made = None if fixed and getattr(method, "solver", "march") != "march" else program(request)
    plan = shadowing.planned(request, "cpu", threads)
    return shadowing_pilot.choose(request, made, run.starts, plan, neutral)


def responded(request: GradientRequest, checks: Any, threads: Any, progress: Any) -> tuple[Members, Starts, dict]:
    """Fast response of every member; frames begin at random, so the kernels agree once they have turned into place."""
    run, E = Run(request, progress), request.repetitions
    choice = _choice(run, lambda asked: fast_response.response_program(asked)[0], False, threads)
    windows = windows_of(request.method.window, request.steps, request.repetitions)
    found = shadowing.empty(request, int(choice.modes.max(initial=0)))
    J, p = len(request.objectives), len(request.columns)
    parts = np.full((2, len(run.status), len(windows), J, p), np.nan)
    last = request.steps - windows[-1] - 1
    for point in np.unique(run.good // E):
        some = run.good[run.good // E == point]
        M, length = int(choice.modes[point]), int(choice.segment[point])
        shape = Shape((request.steps - 2 * windows[-1] - 1) // length, M, J + 1, False, p)
        skip = min(int(fast_response.turning(choice)[point]), (shape.segments - 1) // 4)
        first = last - shape.segments * length
        frame = last_frame(request, _End(run, some, first), 0.0, M, False, some)
        for j in range(J):
            whole = run.linearised(j, some=some).phi[:-1].mean(axis=0)
            for w, W in enumerate(windows):
                made = run.linearised(j, first - W, last + W, some)
                both = response.response(dynamics_of(request, some), request.columns, made, frame, length=length,
                                         window=W, skip=skip, mean=(whole, request.steps))  # fmt: skip
                parts[0, some, w, j], parts[1, some, w, j] = both.shadowing, both.unstable
                found.exponents[some, :M], found.coefficients[some] = both.exponents, 1.0  # of which the page is silent
    phi = [run.linearised(j).phi for j in range(J)]
    gradient = (parts[0] - parts[1]).reshape(len(run.status), -1, p)
    members = run.members(phi, gradient[run.good], {})
    stats = judged(request, choice, found._replace(members=members), checks, False)
    checks.doubt(choice.modes != choice.unstable, Reason.OTHER_MODES)
    members = chosen_windows(request, members, windows, checks, stats)
    fast_response.tell_parts(request, members, parts[0, :, 0], stats)
    return members, run.starts, stats


METHODS = {Shadowing: shadowed, FastResponse: responded, KernelDifferentiation: kernels, PathKernel: kernels}


def run(request: GradientRequest, checks: Any, threads: Any, progress: Any) -> tuple[Members, Starts, dict[str, Any]]:
    """Every member's objectives and gradients, and what was met on the way; of the methods in `METHODS`."""
    return METHODS[type(request.method)](request, checks, threads, progress)
