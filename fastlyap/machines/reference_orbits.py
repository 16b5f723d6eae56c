"""Orbits of a gradient by the plain path: the run-up, the run, and orbits linearised for the pages on derivatives."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend import reference
from fastlyap.errors import InputError
from fastlyap.machines import noise, reference_cells
from fastlyap.machines.gradient_program import is_cell, make_plan
from fastlyap.machines.gradient_starts import Starts, after, run_up
from fastlyap.machines.orbit import Members, fate, origin
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.fate import date, examine
from fastlyap.reference.noise import Noise, normals
from fastlyap.reference.sensitivity.orbit import Orbit, orbit
from fastlyap.reference.step import step_with_tangent
from fastlyap.request import GradientRequest, Integration
from fastlyap.trace.foreign_objective import ForeignObjective

INTEGRATORS = ("map", "euler", "rk4")
BLOCKS = 64


@dataclass(frozen=True)
class _Keyed(Noise):
    """Noise whose members have seeds and numbers of their own: keys, the limbs (B, 5) of `machines.noise`."""

    keys: Any = None

    def normals(self, step: int, members: int) -> np.ndarray:
        limbs = self.keys.astype(np.int64)
        found = []
        for a, b, c, low, high in limbs.tolist()[:members]:
            seed = a + (b << noise.LIMB) + (c << 2 * noise.LIMB)
            found.append(normals(seed, low + (high << noise.LIMB), step, self.count))
        return np.array(found)


def check(request: GradientRequest) -> None:
    """Refuse what the pages on sensitivities have no formula for."""
    how, system = request.integration, request.system
    if how.integrator not in INTEGRATORS:
        raise InputError(f'`backend` "reference" has gradients of maps, "euler" and "rk4", not of {how.integrator!r}.')
    if any(isinstance(one, ForeignObjective) for one in request.objectives):
        raise InputError('`backend` "reference" needs objectives that can be recorded, got compiled functions.')
    if system.architecture is None and system.noise_count and system.recording.ops["w"]:
        raise InputError(f'`backend` "reference" has no gradients of {system.name}, whose rule reads its noise itself.')


def dynamics_of(request: GradientRequest, index: Any) -> Dynamics:
    """The members of `index`, stepped from the start of the run-up."""
    if is_cell(request):
        made = reference_cells.dynamics(request, index)
    else:
        made = reference.dynamics(request)
        made = replace(made, p=made.p[index])
    keys = request.members.p[:, noise.own_columns(request.system) :][index, :5]
    kind = made.noise
    if kind is not None:
        kind = _Keyed(kind.size, kind.directions, kind.additive, kind.count, kind.seed, keys)
    return replace(made, noise=kind)


class _Walk:
    """Members on their way, as `run_up` knows them from `backend.sensitivity`."""

    def __init__(self, dynamics: Dynamics, x: np.ndarray) -> None:
        self.dynamics, self.x = dynamics, x
        self.code, self.failed = np.zeros(len(x), dtype=np.int8), np.full(len(x), -1)

    def wander(self, how: Integration, t0: float, first: int, n_steps: int, stride: int) -> np.ndarray:
        """Advance by `n_steps`; the states after every `stride` of them, (B, n_steps // stride, n)."""
        seen = []
        for s in range(n_steps):
            t = t0 + (first + s) * how.dt
            with np.errstate(all="ignore"):
                self.x = step_with_tangent(self.dynamics, t, self.x, np.zeros((len(self.x), 0, self.x.shape[1])))[0]
            self.code = examine(self.code, self.x, how.escape_radius)
            self.failed = date(self.failed, self.code, first + s + 1)
            if (s + 1) % stride == 0:
                seen.append(self.x)
        return np.stack(seen, axis=1) if seen else np.zeros((len(self.x), 0, self.x.shape[1]))

    def rows(self) -> np.ndarray:
        return np.concatenate([self.x, np.zeros((len(self.x), 1))], axis=1)

    def fate(self) -> tuple[np.ndarray, np.ndarray]:
        return self.code, self.failed


@dataclass(frozen=True)
class _Program:
    request: GradientRequest

    def batch(self, rows: np.ndarray, index: Any, k: int) -> _Walk:
        return _Walk(dynamics_of(self.request, index), rows[:, :-1])


class Run:
    """A request's members after the run-up and along the run.

    starts : as of `run_up`; x : (N + 1, B, n) states of the run; good : numbers of the members that did not fail
    """

    def __init__(self, request: GradientRequest, progress: Any) -> None:
        check(request)
        plan = make_plan(request, "cpu", 1, per_member=1)
        one = replace(plan, chunk=max(len(request.members), 1), threads=1)
        self.starts: Starts = run_up(request, _Program(request), one, progress)
        self.request = request = after(request, self.starts)
        how = request.integration
        walk = _Walk(dynamics_of(request, slice(None)), self.starts.rows[:, :-1])
        t0, first = (how.t0, request.transient) if request.random else (origin(request), 0)
        seen = walk.wander(how, t0, first, request.steps, 1)
        self.x = np.concatenate([self.starts.rows[None, :, :-1], np.moveaxis(seen, 1, 0)])
        walk.failed = np.where(walk.failed >= 0, walk.failed - first, -1)
        self.status, self.failed = fate(walk, request, (self.starts.status, self.starts.failed))
        self.good = np.flatnonzero(self.status < status.NOT_FINITE)

    def linearised(self, j: int, first: int = 0, last: int | None = None, some: Any = None) -> Orbit:
        """The run's steps first .. last - 1 of the members `some`, linearised, seen by objective j."""
        request, how = self.request, self.request.integration
        index = self.good if some is None else some
        rule = reference.replayed(request.system, request.objectives[j])
        dynamics, n_steps = dynamics_of(request, index), (request.steps if last is None else last) - first

        columns = reference_cells.columns(request) if is_cell(request) else request.columns

        def fn(x: Any, p: Any) -> Any:
            return rule(0.0, x, p)[0]

        with np.errstate(all="ignore"):
            if request.random:  # the noise is told by the number of the step, counted from the start of the run-up
                return orbit(dynamics, columns, fn, request.members.x[index], steps=n_steps,
                             transient=request.transient + first)  # fmt: skip
            late = replace(dynamics, t0=origin(request) + first * how.dt)
            return orbit(late, columns, fn, self.x[first, index], steps=n_steps)

    def members(self, phi: list[np.ndarray], gradient: np.ndarray, more: dict[str, np.ndarray]) -> Members:
        """As the other backend's machines hand it on: phi of each objective at all states (N + 1, good members)."""
        B, J, steps = len(self.status), len(phi), self.request.steps
        values = np.full((B, steps + 1, J), np.nan)
        values[self.good] = np.stack(phi, axis=-1).swapaxes(0, 1)
        along, bounds = values[:, :-1], np.arange(min(BLOCKS, steps)) * steps // min(BLOCKS, steps)
        blocks = np.add.reduceat(along, bounds, axis=1) / np.diff([*bounds, steps])[:, None]
        value = values[:, -1] if self.request.kind == "terminal" else along.mean(axis=1)
        return Members(value, self.filled(gradient), self.status, self.failed, blocks, (along**2).mean(axis=1),
                       {name: self.filled(each) for name, each in more.items()})  # fmt: skip

    def filled(self, values: np.ndarray) -> np.ndarray:
        """Values of the good members among NaN."""
        found = np.full((len(self.status), *values.shape[1:]), np.nan)
        found[self.good] = values
        return found


def values(request: GradientRequest, progress: Any) -> tuple[Members, Starts]:
    """The objectives alone."""
    run = Run(request, progress)
    phi = [run.linearised(j).phi for j in range(len(request.objectives))]
    return run.members(phi, np.zeros((len(run.good), len(phi), 0)), {}), run.starts
