"""What a gradient runs: the compiled program of the augmented system, its batches, and its plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlyap.backend import cell_gradients
from fastlyap.backend import sensitivity as cpu
from fastlyap.backend.segments import SegmentBatch
from fastlyap.machines import planning
from fastlyap.machines.planning import Plan
from fastlyap.request import GradientRequest
from fastlyap.trace import score
from fastlyap.trace.augment import augmented, widened
from fastlyap.trace.foreign_objective import ForeignObjective
from fastlyap.trace.likelihood import assemble_likelihood
from fastlyap.trace.module import Module
from fastlyap.trace.sensitivity import assemble_sensitivity

CHUNK_BYTES = 64 * 2**20


class Program(NamedTuple):
    """Kernels of an augmented system, and what its members are made of."""

    kernels: Any
    theta: np.ndarray  # (B, p)
    P: np.ndarray  # (B, ...)
    kinds: tuple[type, type] = (cpu.SensitivityBatch, SegmentBatch)

    def batch(self, rows: np.ndarray, index: Any, k: int) -> cpu.SensitivityBatch:
        """The members `index`, a slice or numbers, at these states, with k covectors."""
        return self.kinds[0](self.kernels, rows, self.theta[index], self.P[index], k)

    def segments(self, rows: np.ndarray, index: Any, k: int) -> SegmentBatch:
        """The same, to walk back in segments."""
        return self.kinds[1](self.kernels, rows, self.theta[index], self.P[index], k)


def width_of(request: GradientRequest) -> int:
    """Lanes of this request; a part of a batch runs in those of the whole, even if it is a single member. Cells and
    functions of the user take one member at a time."""
    if is_cell(request) or any(isinstance(one, ForeignObjective) for one in getattr(request, "objectives", ())):
        return 1
    return cpu.width_of(max(len(request.members), 2 if request.part else 0))


def objectives_of(request: GradientRequest) -> tuple[Any, ...]:
    """The objectives on the augmented state."""
    return tuple(
        one.on(request.columns) if isinstance(one, ForeignObjective) else widened(one, one.outputs, request.columns)
        for one in request.objectives
    )


def make_program(
    request: GradientRequest, assemble: Callable[[Any, tuple[Any, ...], int], Module], P: np.ndarray
) -> Program:
    """The program of a module made by `assemble(augmented system, objectives, lanes)`."""
    wide = augmented(request.system, request.columns)
    width = width_of(request)
    made = assemble(wide, objectives_of(request), width)
    kernels = cpu.load(made, request.integration, wide.dim, width)
    return Program(kernels, np.ascontiguousarray(request.members.p[:, list(request.columns)]), P)


def is_cell(request: GradientRequest) -> bool:
    """Whether the system is a recurrent cell, whose parameters are no states of its program."""
    return request.system.architecture is not None


def _cell_program(request: GradientRequest, share: np.ndarray, *, path: bool = True) -> Program:
    """The program of a recurrent cell; share (B,) is 1 - beta of each member."""
    members = request.members
    assert members.pool is not None
    kernels = cell_gradients.load(
        request.system, request.integration, request.objectives, request.names, members.pool, path=path
    )
    P = np.concatenate([members.p, share[:, None]], axis=1) if request.random else members.p
    kinds = cell_gradients.CellBatch, cell_gradients.CellSegmentBatch
    return Program(kernels, np.zeros((len(members), 0)), P, kinds)


def plain_program(request: GradientRequest) -> Program:
    """The program whose covectors go back through whole steps, noise included."""
    integrator = request.integration.integrator
    if is_cell(request):
        return _cell_program(request, np.ones(len(request.members)))
    if integrator == "rk4" and request.system.noise_count and request.columns:
        # noise that is added after the step, of a size that may be differentiated: a path-kernel that keeps all
        return path_program(request, np.ones(len(request.members)))
    return make_program(request, lambda wide, phi, width: assemble_sensitivity(wide, phi, integrator, width),
                        request.members.p)  # fmt: skip


def path_program(request: GradientRequest, share: np.ndarray) -> Program:
    """The program of the path-kernel; share (B,) is 1 - beta of each member."""
    system, integrator = request.system, request.integration.integrator
    if is_cell(request):
        return _cell_program(request, share)
    P = np.concatenate([request.members.p, share[:, None]], axis=1)
    return make_program(request, lambda wide, phi, width: score.assemble_score(system, wide, phi, integrator, width), P)


def likelihood_program(request: GradientRequest) -> Program:
    """The program of kernel differentiation: scores are advanced beside the state."""
    how, B, p = request.integration, len(request.members), len(request.columns)
    if is_cell(request):  # their scores are covectors that the path-kernel would pull back, and go no further
        return _cell_program(request, np.zeros(B), path=False)
    width = width_of(request)
    made = assemble_likelihood(request.system, request.objectives, request.columns, how.integrator, width)
    kernels = cpu.load(made, how, request.system.dim + p, width)
    step = np.broadcast_to([how.dt, 1.0 / how.dt], (B, 2))
    return Program(kernels, np.zeros((B, p)), np.concatenate([request.members.p, step], axis=1))


def make_plan(request: GradientRequest, name: Any, threads: Any, *, per_member: int, passes: int = 3) -> Plan:
    """The plan of a gradient; per_member: numbers kept of each member."""
    chosen, how, members = planning.backend(name), request.integration, len(request.members)
    cell, width = is_cell(request), width_of(request)
    form = "dense" if cell else cpu.form_of(request.system.dim + len(request.columns))
    used = min(planning.thread_count(threads), max(1, -(-members // width)))
    chunk = planning.chunk_size(members, max(width, CHUNK_BYTES // (8 * max(per_member, 1))), width, used)
    work = members * (request.transient + passes * request.steps)
    operations = planning._flops(request.system, how, 1, request.system.dim)
    program = planning._program(chosen, how, width, form, request.system.architecture is not None)
    return Plan(
        "gradient", request.system.name, chosen, program,
        planning._family(chosen, form, width), form, width, members, chunk, work, used,
        used * 8 * per_member * chunk, work * operations / (4e9 * width) / used, False,
    )  # fmt: skip
