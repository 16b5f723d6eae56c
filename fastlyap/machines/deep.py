"""Finite-time exponents of deep networks: singular values of the product of their layers, at every sample."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from fastlyap import hardware, status
from fastlyap.errors import InputError
from fastlyap.kernel.layerwise import FAILED, PLAIN, RANK, SURE, SWEEPS
from fastlyap.machines import deep_reference, planning
from fastlyap.machines.average import MEANINGLESS
from fastlyap.machines.chunks import handed_over, run_chunks
from fastlyap.machines.finite_time_result import FiniteTime
from fastlyap.machines.layer_blocks import Blocks
from fastlyap.machines.layer_request import named
from fastlyap.machines.narrowest import way
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace, Stopped
from fastlyap.request import LayersRequest
from fastlyap.result import SystemInfo

EPS = float(np.finfo(np.float64).eps)
CHUNK_BLOCKS = 16  # blocks between two looks for Ctrl-C, at most
FLOPS = 1.5e10  # per second of one core, about


@dataclass
class Found:
    """Numbers of all samples (N, ...), N those of all members."""

    sums: np.ndarray
    change: np.ndarray
    right: np.ndarray
    left: np.ndarray
    state: np.ndarray
    kept: np.ndarray
    lost: np.ndarray
    live: np.ndarray  # the rank that dead units leave

    @classmethod
    def empty(cls, request: LayersRequest, count: int, p: int) -> Found:
        """Nothing is known."""
        k, n, w = request.k, request.stretches[0].n, request.stretches[-1].m
        shapes = ((p,), (p,), (k, n), (k, w), (w,))
        return cls(
            *(np.full((count, *shape), np.nan) for shape in shapes), np.full((count, PLAIN), -1, dtype=np.int64),
            np.ones(count), np.full(count, k, dtype=np.int64),
        )  # fmt: skip


def plan(request: LayersRequest, backend: Any, threads: Any) -> Plan:
    """What `finite_time` of a network runs."""
    name = planning.backend(backend)
    if name == "cuda":
        raise InputError('`backend` "cuda" cannot run networks yet; use "cpu".')
    inputs, program = request.given.inputs, request.network.program
    here = way(request.stretches, program.sizes, request.k, inputs.samples)
    samples = inputs.samples * inputs.members
    blocks = inputs.members * -(-inputs.samples // here.block)
    used = min(planning.thread_count(threads), blocks) if name == "cpu" else 1
    work = 2.0 * sum(s.n * s.m for s in request.stretches) * (1 + here.p * (1 if here.cut >= 0 else 20)) * samples
    tape = 8 * sum(program.sizes) * (1 + here.p) * here.block
    exact = f"from the identity at a cut {here.p} wide" if here.cut >= 0 else f"by sweeps of {here.p} vectors"
    return Plan(
        "finite_time", _name(request), name, program_name(name), f"blocks of {here.block} samples", "dense", 1, samples,
        here.block * chunk_blocks(blocks, used), samples * len(request.stretches), used,
        used * tape + 8 * samples * (request.k * (2 + request.stretches[0].n + request.stretches[-1].m)),
        work / FLOPS / used, name == "cpu" and Blocks.cached(), f"exponents {exact}",
    )  # fmt: skip


def chunk_blocks(blocks: int, threads: int) -> int:
    """Blocks of a chunk."""
    return max(1, min(CHUNK_BLOCKS, -(-blocks // threads)))


def program_name(backend: str) -> str:
    if backend == "reference":
        return "reference-float64"
    if hardware.interpreted():
        return "interpreted-layers-float64"
    from fastlyap.kernel import elementary

    return f"lanes{hardware.lanes('float64')}-layers-float64-{hardware.simd_name()}-{elementary.library()}"


def _name(request: LayersRequest) -> str:
    return named((request.stretches[0].n, *(s.m for s in request.stretches)))


def finite_time(request: LayersRequest, plan: Plan, progress: Any) -> FiniteTime:
    """Run a request for the exponents of a network's layers."""
    inputs = request.given.inputs
    here = way(request.stretches, request.network.program.sizes, request.k, inputs.samples)
    found = Found.empty(request, inputs.samples * inputs.members, here.p)
    if plan.backend == "reference":
        deep_reference.run(request, found)
        return _result(request, plan, found)
    items = [
        (member, first, min(here.block, inputs.samples - first))
        for member in range(inputs.members)
        for first in range(0, inputs.samples, here.block)
    ]
    chunks = replace(plan, members=len(items), chunk=chunk_blocks(len(items), plan.threads))
    complete = run_chunks(lambda part, pace: _chunk(request, here, items[part], found, pace), chunks, progress)
    result = _result(request, plan, found)
    return handed_over(result, complete, "samples")


def _chunk(request: LayersRequest, here: Any, items: list, found: Found, pace: Pace) -> bool:
    """The blocks in `items`; whether they were not interrupted."""
    try:
        blocks = Blocks(request, here, found)
        with np.errstate(all="ignore"):
            for item in items:
                blocks.run(*item)
                pace.done(item[2] * len(request.stretches))
    except Stopped:
        return False
    return True


def _result(request: LayersRequest, plan: Plan, found: Found) -> FiniteTime:
    """Put the numbers together."""
    k, front, depth = request.k, request.front, len(request.stretches)
    kept, sums = found.kept, found.sums[:, :k]
    code = np.where(kept[:, SURE] >= 2, status.OK, status.NOT_CONVERGED).astype(np.int8)
    code[(found.lost * EPS > MEANINGLESS) | (np.minimum(kept[:, RANK], k) < found.live)] = status.DEGENERATE
    lost = (kept[:, FAILED] < 0) & (kept[:, SWEEPS] >= 0) & ~np.isfinite(found.state).all(axis=1)
    kept[lost, FAILED] = depth  # slopes may be finite where values are not
    code[kept[:, FAILED] >= 0] = status.NOT_FINITE
    code[kept[:, SWEEPS] < 0] = status.PENDING
    bad = code >= status.NOT_FINITE
    for values in (found.sums, found.change, found.right, found.left, found.state, found.lost):
        values[bad] = np.nan
    net, given, ends = request.network, request.given, request.layers
    n, start = math.prod(net.input_shape), given.inputs.x_places
    x0 = given.inputs.x[start[:, None] + np.arange(given.inputs.samples * n)].reshape(*front, n)
    directions = {name: getattr(found, name) for name in ("right", "left", "state")}
    shaped = {name: values.reshape(*front, *values.shape[1:]) for name, values in directions.items()}
    return FiniteTime(
        exponents=sums.reshape(*front, k) / depth, change=found.change[:, :k].reshape(*front, k), **shaped,
        n_sweeps=np.maximum(kept[:, SWEEPS], 0).reshape(front), conditioning=found.lost.reshape(front),
        status=code.reshape(front), failed_step=np.where(bad, kept[:, FAILED], -1).reshape(front), x0=x0,
        dims=(*(f"axis_{i}" for i in range(len(front) - 1)), "sample"),
        system=SystemInfo(_name(request), "net", request.stretches[0].n),
        settings={
            "steps": depth, "transient": 0, "dt": None, "layers": f"{ends.start} to {ends.stop - 1}",
            "of_layers": request.total, "dtype": "float64", "backend": plan.backend, "program": plan.program,
            **{name: getattr(request, name) for name in ("k", "tolerance", "max_sweeps", "seed")},
        },
    )  # fmt: skip


