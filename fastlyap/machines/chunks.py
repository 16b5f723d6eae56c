"""Run a plan on its machine, chunk by chunk, and hand back a result; on Ctrl-C, what there is.

Chunks run beside each other in plain Python threads around kernels that hold no interpreter lock: no threading layer
to conflict with others, no fork hazard, and a waiting main thread that hears Ctrl-C. Members never meet in arithmetic,
so nothing depends on how they are shared out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.errors import Interrupted
from fastlyap.hardware import one_blas_thread
from fastlyap.kernel import layout
from fastlyap.machines import assembly, delays, noise, subspace
from fastlyap.machines.average import Chunk, Numbers, first_rows, numbers, run_chunk, start, untouched
from fastlyap.machines.planning import Plan
from fastlyap.machines.run import Pace, Stopped, follow
from fastlyap.progress import Interrupt, Progress
from fastlyap.request import SpectrumRequest, TrajectoryRequest
from fastlyap.result import Spectrum, Trajectory

PATIENCE = 0.1  # seconds between two looks for Ctrl-C


def new_batches(request: Any, plan: Plan) -> Callable:
    """How this plan's machine makes a batch from rows S, A and parameters P."""
    noise.check_ready(request.system, request.members)
    delays.check_ready(request.system, request.members)
    if plan.backend == "cpu":
        from fastlyap.backend import cpu

        kernels = cpu.load(request.system, request.integration, plan.width, plan.form, request.members.pool)
        return lambda S, A, P: cpu.CpuBatch(kernels, S, A, P)
    from fastlyap.backend import cuda

    kernels = cuda.load(request.system, request.integration)
    extended = subspace.extension(request.system, request.integration)
    return lambda S, A, P: cuda.CudaBatch(kernels, S, A, extended(P))


def spectrum(request: SpectrumRequest, plan: Plan, progress: Any) -> Spectrum:
    """Run a spectrum request."""
    if len(request.members) == 0:
        return assembly.spectrum(request, plan, [], [])
    if plan.backend == "reference":
        from fastlyap.backend import reference

        return reference.spectrum(request, plan)
    new_batch = new_batches(request, plan)
    keeps = assembly.keeps_state(request)

    def work(part: slice, pace: Pace) -> tuple[bool, Numbers, dict | None]:
        run = _pending if pace.interrupt.heard else _chunk
        chunk = run(request, part, new_batch, pace)
        return chunk.complete, numbers(chunk, request), assembly.state_of(chunk, request.k) if keeps else None

    done = run_chunks(work, plan, progress)
    result = assembly.spectrum(request, plan, [found for _, found, _ in done], [s for _, _, s in done if s])
    if not all(complete for complete, _, _ in done):
        raise Interrupted("stopped by Ctrl-C; `.partial` holds the result so far", partial=result)
    return result


def run_chunks(work: Callable[[slice, Pace], Any], plan: Plan, progress: Any) -> list:
    """`work(part, pace)` done on every chunk, with progress and Ctrl-C; results in the order of the chunks."""
    bar = Progress(progress, plan.member_steps)
    with Interrupt() as interrupt:
        pace = Pace(bar, interrupt)
        done = _side_by_side(lambda part: work(part, pace), plan)
    bar.close()
    return done


def handed_over(result: Any, complete: Iterable[bool], what: str = "members") -> Any:
    """The result of chunks that are all complete; else `Interrupted`, which carries what there is of it."""
    if not all(complete):
        raise Interrupted(f"stopped by Ctrl-C; `.partial` holds the {what} that were done", partial=result)
    return result


def _side_by_side(work: Callable, plan: Plan) -> list:
    """`work` done on every chunk, in the plan's threads."""
    parts = plan.parts()
    with one_blas_thread() if plan.form == "dense" else nullcontext():
        if plan.threads == 1 or len(parts) == 1:
            return [work(part) for part in parts]
        return _in_threads(work, parts, plan.threads)


def _in_threads(work: Callable, parts: list[slice], threads: int) -> list:
    with ThreadPoolExecutor(threads) as pool:
        futures = [pool.submit(work, part) for part in parts]
        while wait(futures, timeout=PATIENCE).not_done:
            pass  # a wait without end would not let the main thread hear Ctrl-C everywhere
        return [future.result() for future in futures]


def _chunk(request: SpectrumRequest, part: slice, new_batch: Callable, pace: Pace) -> Chunk:
    if request.direction == "adjoint":
        from fastlyap.machines.backward import run_chunk_backward

        return run_chunk_backward(request, part, new_batch, pace)
    return run_chunk(request, part, new_batch, pace)


def _pending(request: SpectrumRequest, part: slice, new_batch: Callable, pace: Pace) -> Chunk:
    """A chunk that was never begun."""
    members = start(request, part, new_batch, pace)
    if request.state is None:
        untouched(members)
    return Chunk(members, members.A, False, np.zeros(len(members), dtype=bool))


def trajectory(request: TrajectoryRequest, plan: Plan, progress: Any) -> Trajectory:
    """Run a trajectory request."""
    if plan.backend == "reference":
        from fastlyap.backend import reference

        return reference.trajectory(request, plan)
    members, n = request.members, request.system.dim
    kept = request.steps // request.every
    orbit = np.full((len(members), kept, n), np.nan)
    codes = np.zeros(len(members), dtype=np.int8)
    failed = np.full(len(members), -1, dtype=np.int64)
    if len(members):
        new_batch = new_batches(request, plan)
        run_chunks(lambda part, pace: _orbits(request, part, new_batch, pace, orbit, codes, failed), plan, progress)
    return assembly.trajectory(request, plan, orbit, codes, failed)


def _orbits(request: TrajectoryRequest, part: slice, new_batch: Callable, pace: Pace, orbit, codes, failed) -> None:
    """Fill in the orbits of one chunk."""
    how, every = request.integration, request.every
    S, A = first_rows(request, part, 0)
    batch = new_batch(S, A, request.members.p[part])
    t0 = how.t0 + request.transient * how.dt
    try:
        follow(batch, how, how.t0, request.transient, every, pace, len(S))
        began = batch.read()[1][:, layout.STATUS] > 0  # failed in the transient already
        done = 0
        for now in pace.slices(len(S), request.steps // every):
            orbit[part, done : done + now] = batch.follow(how, t0, done * every, now * every, every)
            done += now
    except Stopped:
        raise Interrupted("stopped by Ctrl-C", partial=None) from None
    A = batch.read()[1]
    codes[part] = A[:, layout.STATUS]
    lost = codes[part] >= status.NOT_FINITE
    late = np.where(began, 0, request.transient)
    failed[part] = np.where(lost, A[:, layout.FAILED_STEP] + late, -1)
    first = np.maximum((failed[part] - request.transient) // every - 1, 0)
    orbit[part][lost[:, None] & (np.arange(orbit.shape[1]) >= first[:, None])] = np.nan
