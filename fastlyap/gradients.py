"""The verb `gradient`: how an average or a final value changes with the parameters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from fastlyap import cast, lyapunov
from fastlyap import objective as objectives
from fastlyap.errors import InputError, Interrupted
from fastlyap.machines import (
    backprop,
    cell_weights,
    drives,
    fast_response,
    finite_difference,
    gradient_assembly,
    kernel_methods,
    net_gradients,
    noise,
    reference_gradient,
    shadowing,
)
from fastlyap.machines.gradient_program import is_cell
from fastlyap.machines.gradient_reasons import Reason
from fastlyap.machines.gradient_result import Gradient
from fastlyap.machines.gradient_starts import repeated
from fastlyap.machines.net_request import net_request
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Stopped
from fastlyap.method import (
    Backprop,
    FastResponse,
    FiniteDifference,
    KernelDifferentiation,
    Method,
    PathKernel,
    Shadowing,
)
from fastlyap.method import method as checked_method
from fastlyap.networks.network import Network
from fastlyap.request import GradientRequest, NetGradientRequest
from fastlyap.result import raise_failures
from fastlyap.trace import wraps
from fastlyap.trace.recorder import Recording

SMOOTH = (Backprop, PathKernel, Shadowing, FastResponse)  # methods that differentiate the objective
MACHINES = {Backprop: backprop, FiniteDifference: finite_difference, Shadowing: shadowing, FastResponse: fast_response}
Request = GradientRequest | NetGradientRequest
WRAP_SAMPLES = 16  # members of a point whose states are looked at


def gradient_request(system: Any, objective: Any, wrt: Any, x0: Any, parameters: Any, o: dict) -> Request:
    """Check every argument of `gradient`; nothing has been compiled yet."""
    if isinstance(system, Network):
        return net_request(system, objective, wrt, x0, parameters, o)
    system = _differentiable(cast.system(system))
    found = objectives.objectives(objective)
    drive = drives.given(system, o["drive"])
    steps, transient = drives.counts(drive, o["steps"], o["transient"], lyapunov.USUAL)
    method = _chosen(checked_method(o["method"]), system, found[0].kind == "average" and transient)
    names, by_start = wrt_names(wrt, system)
    how = lyapunov.integration(system, o)
    seed, count = cast.count("seed", o["seed"], 0), cast.count("members", o["members"], 1)
    if by_start and transient:
        raise InputError('`transient` must be 0 for a gradient by "x0", which the transient would make one by the '
                         f"state long before, got {transient}.")  # fmt: skip
    noise.check_steps(system, how, (64 if not system.noise_count else 1) * transient + steps)
    spread, finite = o["spread"], not transient and isinstance(method, (Backprop, FiniteDifference))
    if isinstance(spread, str) and (system.noise_count or finite):
        cast.choice("spread", spread, ("auto",))
        spread = 0.0  # independent noise parts members; a run from a given start is the objective itself
        count = count if system.noise_count else 1
    batch = drives.members(system, how, x0, parameters, drive, steps + transient, volume=False)
    batch = repeated(batch, count, spread, seed)
    recordings = tuple(one.recorded(system) for one in found)
    for one in recordings:
        if isinstance(method, SMOOTH) or isinstance(method, KernelDifferentiation) and getattr(one, "explicit", False):
            objectives.check_slope(one, method.name)
    ordered = tuple(name for name in system.parameters if name in names)
    request = GradientRequest(
        system, how, noise.keyed(batch, system, seed), recordings, found[0].kind, ordered, _columns(system, names),
        by_start, steps, transient, count, seed, method, bool(o["keep_members"]),
    )  # fmt: skip
    if isinstance(method, (KernelDifferentiation, PathKernel)):
        kernel_methods.check(request)
    if isinstance(method, Shadowing):
        shadowing.check(request)
    if isinstance(method, FastResponse):
        fast_response.check(request)
    return request


def _columns(system: Any, names: set[str]) -> Sequence[int]:
    """Numbers of these parameters in the flat vector; of recurrent cells, which have none, in the gradient itself."""
    if system.architecture is not None:
        return range(cell_weights.count(system, names))
    first, columns = 0, list[int]()
    for name, value in system.parameters.items():
        size = int(np.prod(np.shape(value), dtype=int))
        if name in names:
            columns += range(first, first + size)
        first += size
    return tuple(columns)


def _differentiable(system: Any) -> Any:
    """Refuse systems that gradients are not available for yet."""
    if system.delays:
        raise InputError(f"`system` {system.name} has a delay; gradients of delay systems are not available yet.")
    if system.recording is None and system.architecture is None:
        raise InputError(f"`system` {system.name} consists of compiled functions; gradients need a recorded rule.")
    return system


def _chosen(method: Method | str, system: Any, long: Any) -> Method:
    """The method for "auto"; `long` tells averages over an attractor from objectives of a given start."""
    if isinstance(method, Method):
        return method
    if system.noise_count:
        return PathKernel()
    return Shadowing() if long else Backprop()


def wrt_names(wrt: Any, system: Any) -> tuple[set[str], bool]:
    """Names of parameters, and whether the start is among what to differentiate by."""
    given = tuple(system.parameters) if wrt is None else (wrt,) if isinstance(wrt, str) else tuple(wrt)
    by_start = "x0" in given and "x0" not in system.parameters
    for name in given:
        if name in system.parameters or (name == "x0" and by_start):
            continue
        if name == "noise_size":
            raise InputError(f'`wrt` "noise_size" is a parameter of systems made by with_noise(...); {system.name} has '
                             "none: name the parameter of its noise, or add noise.")  # fmt: skip
        known = ", ".join([*system.parameters, "x0"])
        raise InputError(f"`wrt` has no `{name}` in {system.name}; there are: {known}.")
    if not given:
        raise InputError(f"`wrt` is empty: {system.name} has no parameters; name some, or \"x0\".")
    return {name for name in given if name in system.parameters}, by_start


def gradient(
    system: Any,
    objective: Any,
    wrt: Any = None,
    x0: Any = None,
    parameters: Any = None,
    *,
    steps: int | None = None,
    transient: int | None = None,
    drive: Any = None,
    dt: float | None = None,
    t0: float = 0.0,
    integrator: str | None = None,
    rtol: float | None = None,
    atol: float | None = None,
    escape_radius: float = 1e8,
    members: int = 16,
    spread: float | str = "auto",
    seed: int = 0,
    method: Any = "auto",
    keep_members: bool = False,
    backend: str = "auto",
    threads: int | None = None,
    progress: Any = None,
    throw: bool = False,
) -> Any:
    """The gradient of a long-time average or a final value, with a standard error.

    Parameters
    ----------
    system : System or Network
    objective : fl.average(fn), fl.terminal(fn), or a tuple of either
        For a network fl.loss.cross_entropy(labels), fl.loss.mse(targets), fl.loss.terminal(fn), or a tuple of these.
    wrt : str or sequence of str, optional
        Parameters to differentiate by, all by default; also "x0" (without transient) and "noise_size".
    x0, parameters : as in `fl.spectrum`
        Batch axes in front of own shapes; every point of the batch gets its own gradient. For a network `x0` holds
        samples (..., B, width), over which losses are means, and `parameters` may replace some of its own.
    steps, transient : int
        Steps of the run and before it, by default 10 000 and 1000. Deterministic members that have not parted after
        the transient go on with it, up to 64 times as long. With a drive by default no transient and all its steps.
        Networks have neither.
    drive : (..., T, m) or callable, optional
        Inputs of a recurrent cell, as in `fl.spectrum`; never differentiated. Objectives of cells read the state.
    members : int
        Repetitions of every point, whose spread gives the standard errors: of networks with noise, or with dropout in
        train mode. Of more than 128 with many parameters, means of up to 64 groups stand for the members.
    spread : float or "auto"
        Size of the perturbations of their starts. "auto": 0.1 * (|x0_i| + the rms of x0); none with noise, nor for
        Backprop and FiniteDifference without transient, where one member is the exact answer.
    method : a method or "auto"
        fl.Backprop(), fl.Shadowing(), fl.FastResponse(), fl.KernelDifferentiation(), fl.PathKernel() or
        fl.FiniteDifference(step). "auto": PathKernel with noise; without, Shadowing of averages after a transient, and
        Backprop otherwise, also for networks without noise.
    keep_members : bool
        Keep every member's gradient in the result.
    backend : "auto", "cpu" or "reference"
        "reference" is plain NumPy from the formulas, slow, with the same result; pilot runs that choose settings stay
        compiled.
    Others as in `fl.spectrum`.

    Returns
    -------
    Gradient, or a tuple of them for a tuple of objectives

    Raises
    ------
    InputError
        For wrong arguments, before anything is compiled.
    Interrupted
        On Ctrl-C.
    """
    given = dict(locals(), dtype="float64")
    ours = ("dtype", "objective")
    again = functools.partial(gradient, **{name: value for name, value in given.items() if name not in ours})
    request = gradient_request(system, objective, wrt, x0, parameters, given)
    net = isinstance(request, NetGradientRequest)
    if backend not in ("auto", "cpu", "reference") or backend == "reference" and net:
        raise InputError(f'`backend` must be "auto", "cpu" or, for systems, "reference" in gradients, got {backend!r}.')
    results = run_gradient(request, backend, threads, progress)
    several = objective if isinstance(objective, (tuple, list)) else (objective,)
    for result, one in zip(results, several, strict=True):
        object.__setattr__(result, "_again", functools.partial(again, objective=one))
        if throw:
            raise_failures(result)
    return results if isinstance(objective, (tuple, list)) else results[0]


def gradient_plan(request: Request, backend: Any, threads: Any) -> Plan:
    """What `gradient` runs."""
    if backend not in ("auto", "cpu"):
        raise InputError(f'`backend` must be "auto" or "cpu" for gradients, got {backend!r}.')
    if isinstance(request, NetGradientRequest):
        return net_gradients.planned(request, backend, threads)
    machine = MACHINES.get(type(request.method), kernel_methods)
    return machine.planned(request, backend, threads)


def run_gradient(request: Request, backend: Any, threads: Any, progress: Any) -> tuple[Gradient, ...]:
    """A gradient for each objective of a request."""
    try:
        return _run(request, backend, threads, progress)
    except Stopped:
        raise Interrupted("stopped by Ctrl-C", partial=None) from None


def _run(request: Request, backend: Any, threads: Any, progress: Any) -> tuple[Gradient, ...]:
    """Run the method and put its numbers together."""
    if isinstance(request, NetGradientRequest):
        return net_gradients.run(request, backend, threads, progress)
    how = request.integration
    settings = {
        "steps": request.steps, "transient": request.transient, "members": request.repetitions, "seed": request.seed,
        "integrator": how.integrator, "dt": how.dt if request.system.kind == "flow" else None, "t0": how.t0,
        "dtype": how.dtype, "method": repr(request.method), "objective": request.kind,
    }  # fmt: skip
    if request.members.drive is not None:
        settings["drive"] = drives.token(request.members, int(how.t0) + request.transient + request.steps)
    checks = gradient_assembly.Checks(request.points)
    if isinstance(request.method, FiniteDifference):
        found, starts = finite_difference.run(request, backend, threads, progress)
        return gradient_assembly.gradients(request, found, starts, settings, checks, {})
    if isinstance(request.method, Backprop):
        found, starts = backprop.run(request, backend, threads, progress)
        stats = backprop.judged(request, found, checks)
    elif backend == "reference":
        found, starts, stats = reference_gradient.run(request, checks, threads, progress)
    elif isinstance(request.method, Shadowing):
        found, starts, stats = shadowing.run(request, checks, backend, threads, progress)
    elif isinstance(request.method, FastResponse):
        found, starts, stats = fast_response.run(request, checks, backend, threads, progress)
    else:
        found, starts, stats = kernel_methods.run(request, checks, backend, threads, progress)
    _check_wraps(request, starts, checks, stats)
    return gradient_assembly.gradients(request, found, starts, settings, checks, stats)


def _check_wraps(request: GradientRequest, starts: Any, checks: Any, stats: dict[str, Any]) -> None:
    """Doubt gradients along the path of objectives that jump where a coordinate is wrapped."""
    points, beta = request.points, stats.get("beta", 0.0)
    seen = beta != 1.0 if isinstance(beta, np.ndarray) else np.full(points, np.any(np.asarray(beta) != 1.0))
    if isinstance(request.method, KernelDifferentiation):
        return

    def some(rows: np.ndarray, width: int) -> np.ndarray:
        each = min(request.repetitions, WRAP_SAMPLES)
        return rows[:, :width].reshape(points, request.repetitions, width)[:, :each].reshape(points * each, width)

    x = some(starts.rows, request.system.dim)
    p = some(request.members.p, 0 if is_cell(request) else request.system.flat_parameters.size)
    known = [one for one in request.objectives if isinstance(one, Recording)]
    jumps = [wraps.differs(one, request.system.recording, x, p) for one in known] or [np.zeros(len(x), dtype=bool)]
    stats["wrapped"] = np.any(jumps, axis=0).reshape(points, -1).any(axis=1) & seen
    checks.doubt(stats["wrapped"], Reason.WRAPPED)
