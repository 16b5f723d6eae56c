"""The plain path as a backend: the same requests and results, computed by `fastlyap.reference` from the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.errors import InputError
from fastlyap.machines import assembly, delays, drives, exponential, rest, subspace
from fastlyap.machines.average import frame_of, judge
from fastlyap.machines.planning import Plan
from fastlyap.reference import adjoint, growth, orbit
from fastlyap.reference.cells import CellDynamics
from fastlyap.reference.delayed import Past
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.noise import Noise
from fastlyap.reference.step import step
from fastlyap.request import SpectrumRequest, TrajectoryRequest
from fastlyap.result import Spectrum, Trajectory
from fastlyap.statistics import block_stderr
from fastlyap.trace.evaluate import replay


def dynamics(request: Any) -> Dynamics | CellDynamics:
    """The request's rule as it was written (its recording, where the function is gone), with its parameters."""
    system, how = request.system, request.integration
    if system.architecture is not None:
        return _cells(request)
    rule = system.function or replayed(system, system.recording)
    names = tuple(system.parameters)
    shapes = tuple(np.shape(value) for value in system.parameters.values())
    return Dynamics(
        rule, request.members.p.astype(how.dtype), names, shapes, tuple(system.state_names), how.integrator,
        how.dt, how.t0, how.rtol, how.atol, _noise(system, request.seed), _past(system, request),
        exponential.rates(system, request.members.p) if how.integrator == "etdrk4" else None,
        None if system.subspace is None else (system.subspace.rows, system.subspace.held),
    )  # fmt: skip


def _cells(request: Any) -> CellDynamics:
    """Recurrent cells: the weights and inputs of every member."""
    members, shapes = request.members, request.system.shapes
    weights = {
        name: np.broadcast_to(value, members.shape + shapes[name]).reshape(-1, *shapes[name]).astype(
            request.integration.dtype
        )
        for name, value in members.parameters.items()
    }
    drive = members.drive
    if drive is not None:
        own = drive.shape[-2:]
        drive = np.broadcast_to(drive, members.shape + own).reshape(-1, *own).astype(request.integration.dtype)
    system, sigma = request.system, weights.pop("noise_size", None)
    noise = Noise(lambda t, x, p: None, system.noise_directions, True, system.noise_count, request.seed)
    return CellDynamics(
        system.architecture, weights, drive, request.integration.t0, noise=noise if system.noise_count else None,
        sigma=sigma,
    )  # fmt: skip


def _past(system: Any, request: Any) -> Past | None:
    """The system's delays, and the slopes with which the histories of the members end."""
    if not system.delays:
        return None
    members = request.members
    tau = [np.broadcast_to(members.parameters[name], members.shape).ravel() for name in system.delays]
    slope = np.zeros_like(members.x) if members.past is None else members.past[:, 0, 1]
    return Past(np.array(tau).T, not isinstance(system.delay, str), slope)


def _starts(request: Any, k: int) -> tuple[np.ndarray, np.ndarray]:
    """States (B, n) and the frame (k, n), or with delays (B, N) and (B, k, N), short histories filled with zeros."""
    system, members, n = request.system, request.members, request.system.dim
    if not system.delays:
        return members.x, frame_of(system, k, request.seed)
    most = members.extent.rows
    x, frame = np.zeros((len(members), most)), np.zeros((len(members), k, most))
    for index, E, vectors in delays.starts(system, members, k, seed=request.seed):
        size = vectors.shape[1]
        x[index, :size] = np.delete(E, np.s_[n : 2 * n], axis=1)
        frame[index, :, :size] = vectors
    return x, frame


def _noise(system: Any, seed: int) -> Noise | None:
    """The system's noise, its size by the recording."""
    if not system.noise_count:
        return None
    size = system.noise_recording and replayed(system, system.noise_recording)
    return Noise(size, system.noise_directions, system.noise_is_additive, system.noise_count, seed)


def replayed(system: Any, recording: Any) -> Callable:
    """A recording as a function of t, x, p and, if need be, the normals of the step."""
    if recording is None:
        raise InputError('`backend` "reference" cannot run a system of kernels that were not recorded; use "cpu".')
    outputs, names = recording.outputs, tuple(system.parameters) if system.architecture is None else ()

    def rule(t: Any, x: Any, p: Any, w: Any = ()) -> list:
        flat = [item for name in names for item in _items(getattr(p, name))]
        past = x.delayed if system.delays else ()
        views = (x, past) if isinstance(system.delay, str) else (x, *past)
        return replay(outputs, [value for view in views for value in view], flat, t, w)

    return rule


def _items(value: Any) -> list:
    """A parameter as the list of its numbers."""
    return list(value.ravel()) if isinstance(value, np.ndarray) else [value]


def spectrum(request: SpectrumRequest, plan: Plan) -> Spectrum:
    """Run a spectrum request."""
    if request.stderr_below is not None or request.state is not None:
        raise InputError('`backend` "reference" knows neither `stderr_below` nor `resume`; use "cpu".')
    how, k, n = request.integration, request.k, request.system.dim
    run = adjoint.growth if request.direction == "adjoint" else growth.growth
    x, frame = _starts(request, k)
    found = run(
        dynamics(request), x.astype(how.dtype), frame,
        steps=request.steps, transient=request.transient, every=request.every or 1, radius=how.escape_radius,
    )  # fmt: skip
    time = request.steps * how.dt
    nothing = np.full(len(found.x), np.nan)
    full = k == n and not request.system.delays
    flow = full and request.system.kind == "flow"
    cell_time = np.full(len(found.x), (found.cell_steps or 1) * how.dt)
    numbers = judge(
        rates=found.total / time, stderr=block_stderr(found.cells, cell_time),
        volume=found.log_det / time if full else nothing, divergence=found.divergence / time if flow else nothing,
        conditioning=found.conditioning, code=found.status, failed_step=found.failed_step,
        step=np.full(len(found.x), request.steps), transient=request.transient, eps=how.eps,
        converged=np.ones(len(found.x), dtype=bool), expected=drives.rank_lost(request.system, found.log_det),
    )  # fmt: skip
    end = how.t0 + (request.transient + request.steps) * how.dt
    code = subspace.judged(request.system, found.x, request.members.p, end, numbers.status)
    moved = numbers.moved
    if rest.asked(request.system):
        after = step(dynamics(request), end, found.x[:, None], np.zeros_like(found.x[:, 0])).Z[:, 0]
        moved = rest.distance(found.x, after)
    return assembly.spectrum(request, plan, [numbers._replace(status=code, moved=moved)], [])


def trajectory(request: TrajectoryRequest, plan: Plan) -> Trajectory:
    """Run a trajectory request."""
    how = request.integration
    found = orbit.orbit(
        dynamics(request), _starts(request, 0)[0].astype(how.dtype), steps=request.steps, transient=request.transient,
        every=request.every, radius=how.escape_radius,
    )  # fmt: skip
    state = found.state[..., : request.system.dim]
    return assembly.trajectory(request, plan, state, found.status.astype(np.int8), found.failed_step)

