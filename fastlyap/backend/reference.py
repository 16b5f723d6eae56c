"""The plain path as a backend: the same requests and results, computed by `fastlyap.reference` from the formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap import assembly
from fastlyap.average import initial_frame, judge
from fastlyap.errors import InputError
from fastlyap.planning import Plan
from fastlyap.reference import adjoint, growth, orbit
from fastlyap.reference.dynamics import Dynamics
from fastlyap.request import SpectrumRequest, TrajectoryRequest
from fastlyap.result import Spectrum, Trajectory
from fastlyap.statistics import block_stderr
from fastlyap.trace.evaluate import replay


def dynamics(request: Any) -> Dynamics:
    """The request's rule as it was written (its recording, where the function is gone), with its parameters."""
    system, how = request.system, request.integration
    rule = system.function or _replayed(system)
    names = tuple(system.parameters)
    shapes = tuple(np.shape(value) for value in system.parameters.values())
    return Dynamics(
        rule, request.members.p.astype(how.dtype), names, shapes, tuple(system.state_names), how.integrator,
        how.dt, how.t0, how.rtol, how.atol,
    )  # fmt: skip


def _replayed(system: Any) -> Callable:
    """The recording as a function of t, x, p."""
    if system.recording is None:
        raise InputError('`backend` "reference" cannot run a system of kernels that were not recorded; use "cpu".')
    outputs, names = system.recording.outputs, tuple(system.parameters)

    def rule(t: Any, x: Any, p: Any) -> list:
        flat = [item for name in names for item in _items(getattr(p, name))]
        return replay(outputs, list(x), flat, t)

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
    found = run(
        dynamics(request), request.members.x.astype(how.dtype), initial_frame(n, k, request.seed),
        steps=request.steps, transient=request.transient, every=request.every or 1, radius=how.escape_radius,
    )  # fmt: skip
    time = request.steps * how.dt
    nothing = np.full(len(found.x), np.nan)
    flow = k == n and request.system.kind == "flow"
    cell_time = np.full(len(found.x), (found.cell_steps or 1) * how.dt)
    numbers = judge(
        rates=found.total / time, stderr=block_stderr(found.cells, cell_time),
        volume=found.log_det / time if k == n else nothing, divergence=found.divergence / time if flow else nothing,
        conditioning=found.conditioning, code=found.status, failed_step=found.failed_step,
        step=np.full(len(found.x), request.steps), transient=request.transient, eps=how.eps,
        converged=np.ones(len(found.x), dtype=bool),
    )  # fmt: skip
    return assembly.spectrum(request, plan, [numbers], [])


def trajectory(request: TrajectoryRequest, plan: Plan) -> Trajectory:
    """Run a trajectory request."""
    members, how = request.members, request.integration
    found = orbit.orbit(
        dynamics(request), members.x.astype(how.dtype), steps=request.steps, transient=request.transient,
        every=request.every, radius=how.escape_radius,
    )  # fmt: skip
    return assembly.trajectory(request, plan, found.state, found.status.astype(np.int8), found.failed_step)

