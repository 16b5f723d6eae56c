"""Gradients of finite-time exponents: the orbit with its frame forward once, then backward stretch by stretch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastlyap import cast, status
from fastlyap.backend import sensitivity as cpu
from fastlyap.backend.frame_gradient import FrameBatch, log_growth
from fastlyap.errors import InputError
from fastlyap.machines import assembly
from fastlyap.machines.average import initial_frame
from fastlyap.machines.chunks import run_chunks
from fastlyap.machines.exponent_gradient_result import ExponentGradient
from fastlyap.machines.gradient_program import make_plan, width_of
from fastlyap.machines.run import Pace
from fastlyap.request import Integration, Members
from fastlyap.trace.augment import augmented
from fastlyap.trace.frame_gradient import assemble_frame_gradient, with_tangents

LARGE = 1e6  # growth of covectors per step counted, beyond which a derivative is that of one orbit alone


@dataclass(frozen=True)
class ExponentGradientRequest:
    """Everything `fl.exponent_gradient` was asked. Counts in steps; `every` between factorisations.

    names, columns, by_start, part : as in `GradientRequest`; weights : function of exponents (B, k), or None for each
    exponent alone
    """

    system: Any
    integration: Integration
    members: Members
    k: int
    steps: int
    transient: int
    every: int
    names: tuple[str, ...]
    columns: tuple[int, ...]
    by_start: bool
    weights: Callable | None
    seed: int
    part: bool = False

    @property
    def frame(self) -> np.ndarray:
        """The tangents at the start, (k, n), the same for all members."""
        return initial_frame(self.system.dim, self.k, self.seed)

    @property
    def time(self) -> float:
        """Length of the run."""
        return self.steps * self.integration.dt

    @property
    def stretches(self) -> list[tuple[int, int, bool]]:
        """(first step, steps, whether they count), whole intervals, about sqrt(N) of each phase."""
        found = []
        for first, last, counts in ((0, self.transient, False), (self.transient, self.transient + self.steps, True)):
            pieces = -(-(last - first) // self.every)
            length = self.every * max(1, math.isqrt(pieces))
            found += [(at, min(length, last - at), counts) for at in range(first, last, length)]
        return found

    def weighted(self, exponents: np.ndarray) -> np.ndarray:
        """The weights of the exponents, (B, count, k)."""
        if self.weights is None:
            return np.broadcast_to(np.eye(self.k), (len(exponents), self.k, self.k))
        given = cast.real_array("weights", self.weights(exponents), finite=False)
        try:
            return np.broadcast_to(given, exponents.shape)[:, None]
        except ValueError:
            raise InputError(f"`weights` must give numbers of shape (..., {self.k}), got {given.shape}.") from None


class Found(NamedTuple):
    """Of members: exponents (B, k), weights (B, count, k), gradients by name (B, count, own) and by the start, fate."""

    exponents: np.ndarray
    weights: np.ndarray
    gradient: dict[str, np.ndarray]
    start: np.ndarray
    status: np.ndarray
    failed: np.ndarray


def run(request: ExponentGradientRequest, name: Any, threads: Any, progress: Any) -> ExponentGradient:
    """Run the request and put its result together."""
    n, k = request.system.dim, request.k
    if name == "reference":
        from fastlyap.backend import reference_exponents

        return _result(request, [Found(*reference_exponents.found(request))])
    numbers = (n * (1 + k) + len(request.columns) + k * k) * 4 * max(1, math.isqrt(request.steps + request.transient))
    plan = make_plan(request, name, threads, per_member=numbers * (1 if request.weights else k))
    if request.system.architecture is not None:
        from fastlyap.machines import cell_frame_gradient

        parts = run_chunks(lambda part, pace: cell_frame_gradient.chunk(request, part, pace), plan, progress)
    else:
        wide = augmented(with_tangents(request.system, k), request.columns)
        width = width_of(request)
        made = assemble_frame_gradient(wide, n, request.integration.integrator, width)
        kernels = cpu.load(made, request.integration, wide.dim, width)
        parts = run_chunks(lambda part, pace: _chunk(request, kernels, part, pace), plan, progress)
    return _result(request, [Found(*part) for part in parts])


@np.errstate(all="ignore")
def _chunk(request: ExponentGradientRequest, kernels: Any, part: slice, pace: Pace) -> tuple:
    """The members `part` of a recorded system."""
    how, n, k = request.integration, request.system.dim, request.k
    x, p = request.members.x[part], request.members.p[part]
    rows = np.concatenate([x, np.tile(request.frame.ravel(), (len(x), 1)), np.zeros((len(x), 1))], axis=1)
    theta = np.ascontiguousarray(p[:, list(request.columns)])
    batch = FrameBatch(kernels, rows, theta, p, k if request.weights is None else 1)
    starts, growth = [], np.zeros((len(x), k))
    for first, n_steps, counts in request.stretches:
        starts.append(batch.checkpoint())
        lengths = batch.grow_frame(how, k, first, n_steps, request.every)
        growth += log_growth(lengths, counts)
        pace.done(len(x) * n_steps)
    exponents = growth / request.time
    weights = request.weighted(exponents)
    code, failed = batch.fate()
    for (first, n_steps, counts), start in zip(reversed(request.stretches), reversed(starts), strict=True):
        batch.go_to(start)
        batch.pull_frame(how, k, first, n_steps, request.every, weights * (counts / request.time))
        pace.done(2 * len(x) * n_steps)
    w, g = batch.covectors()
    return exponents, weights, _named(request, g), w[..., :n], code, failed


def _named(request: ExponentGradientRequest, g: np.ndarray) -> dict[str, np.ndarray]:
    """The gradients (B, count, p) by the names of the parameters."""
    found, at = {}, 0
    for name in request.names:
        own = request.system.shapes[name]
        size = math.prod(own)
        found[name] = g[..., at : at + size].reshape(*g.shape[:-1], *own)
        at += size
    return found


def _joined(parts: Sequence[Found]) -> Found:
    gradient = {name: np.concatenate([part.gradient[name] for part in parts]) for name in parts[0].gradient}
    return Found(*(gradient if isinstance(column[0], dict) else np.concatenate(column)
                   for column in zip(*parts, strict=True)))  # fmt: skip


def _result(request: ExponentGradientRequest, parts: Sequence[Found]) -> ExponentGradient:
    """Statuses, and the shapes of the batch."""
    found, how, members = _joined(parts), request.integration, request.members
    with np.errstate(all="ignore"):
        reach = np.abs(found.start).max(axis=(1, 2), initial=0.0) * request.time
        rate = np.log(reach) / ((request.steps + request.transient) * how.dt)
    code = found.status
    lost = np.isneginf(found.exponents).any(axis=1)
    code = np.where((code == 0) & ~lost & ~(reach <= LARGE * (1.0 + request.steps)), status.UNTRUSTED, code)
    code = np.where((code == 0) & lost, status.DEGENERATE, code)
    code = np.where((code < status.NOT_FINITE) & np.isnan(found.exponents).any(axis=1), status.NOT_FINITE, code)
    bad, shape, each = code >= status.NOT_FINITE, members.shape, request.weights is None

    def shaped(values: np.ndarray, drop: bool = False) -> np.ndarray:
        blank = np.where(bad.reshape(-1, *(1,) * (values.ndim - 1)), np.nan, values)
        return (blank[:, 0] if drop else blank).reshape(shape + values.shape[1 + drop :])

    gradient = {name: shaped(values, not each) for name, values in found.gradient.items()}
    if request.by_start:
        gradient["x0"] = shaped(found.start, not each)
    settings = {
        "steps": request.steps, "transient": request.transient, "every": request.every, "k": request.k,
        "seed": request.seed, "integrator": how.integrator, "t0": how.t0, "dtype": how.dtype,
        "dt": how.dt if request.system.kind == "flow" else None,
    }  # fmt: skip
    return ExponentGradient(
        exponents=shaped(found.exponents), gradient=gradient, growth=shaped(rate),
        weights=None if each else shaped(found.weights, True), status=code.astype(np.int8).reshape(shape),
        failed_step=found.failed.reshape(shape), parameters=members.parameters,
        x0=members.x.reshape(*shape, -1), dims=members.dims, system=assembly.info(request.system), settings=settings,
    )  # fmt: skip
