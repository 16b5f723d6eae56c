"""Lyapunov vectors and finite-time exponents by the plain path, with all Jacobians in memory."""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend.reference import dynamics
from fastlyap.kernel.covariant import N_BINS
from fastlyap.machines.average import initial_frame
from fastlyap.machines.orientation import Found
from fastlyap.machines.settling import IN_A_ROW, judge
from fastlyap.reference import covariant, singular
from fastlyap.reference.dynamics import stack
from fastlyap.request import FiniteTimeRequest, VectorsRequest


def vectors(request: VectorsRequest) -> Found:
    """The numbers of all members."""
    how, k = request.integration, request.k
    before, window, every = request.warmup[0], request.steps, request.every
    after = 0 if request.kind == "backward" else request.warmup[1]
    found = Found.empty(request)
    if not len(request.members):
        return found
    motion = dynamics(request)
    total = before + window + after
    orbit = covariant.orbit(motion, request.members.x.astype(how.dtype), total, radius=how.escape_radius)
    first = {"forward": before}.get(request.kind, 0)
    frame = initial_frame(request.system.dim, k, request.seed)
    swept = covariant.lyapunov_vectors(orbit.jacobian[:, first:], frame, request.kind)
    shown = slice(before + every, before + window + 1, every)
    chosen = swept.vectors[:, shown.start - first : shown.stop - first : every]
    inside = slice(before - first, before - first + window)
    growth = swept.growth[:, inside].reshape(len(chosen), -1, every, k).sum(axis=2)
    judged = {"covariant": slice(before, None), "adjoint_covariant": slice(before + window)}.get(request.kind, inside)
    found.total, found.rate = growth.sum(axis=1), swept.frame_growth[:, judged].mean(axis=1) / how.dt
    _angles(found, chosen)
    if request.flow:
        found.flow_cosine = _along(motion, request, orbit.state[:, shown], chosen)
    found.conditioning, found.failed_step = np.ones(len(chosen)), orbit.failed_step
    found.status = orbit.status.astype(np.int8)
    if request.store:
        parts = growth, orbit.state[:, shown], chosen
        for target, values in zip(found.parts(k, request.system.dim), parts, strict=True):
            target[:] = values
    found.failed_step[found.status < status.NOT_FINITE] = -1
    return found


def _angles(found: Found, vectors: np.ndarray) -> None:
    """Largest cosine and histogram of every pair, over (B, T, k, n) vectors."""
    k = vectors.shape[2]
    for j in range(k):
        for i in range(j):
            cosine = np.minimum(np.abs(np.einsum("btn,btn->bt", vectors[:, :, i], vectors[:, :, j])), 1.0)
            found.largest_cosine[:, j * (j - 1) // 2 + i] = cosine.max(axis=1)
            for member, angles in enumerate(np.arccos(cosine)):
                counts = np.histogram(angles, N_BINS, (0.0, np.pi / 2))[0]
                found.counts[member, j * (j - 1) // 2 + i] = counts


def _along(motion, request: VectorsRequest, state: np.ndarray, vectors: np.ndarray) -> np.ndarray:
    """Smallest |cosine| (B, k) of vectors (B, T, k, n) and the flow at states (B, T, n)."""
    smallest = np.ones((len(state), vectors.shape[2]))
    for number in range(state.shape[1]):
        t = motion.t0 + (request.warmup[0] + (number + 1) * request.every) * motion.dt
        f = motion.field(t, stack(state[:, number], vectors[:, number, :0]))[:, 0]
        with np.errstate(all="ignore"):
            f = f / np.linalg.norm(f, axis=1, keepdims=True)
        smallest = np.minimum(smallest, np.abs(np.einsum("bn,bkn->bk", f, vectors[:, number])))
    return smallest


def finite_time(request: FiniteTimeRequest, found: Any) -> None:
    """Finite-time exponents of all members, one after another, filled in."""
    how, n, k, N = request.integration, request.system.dim, request.k, request.transient
    if not len(request.members):
        return
    x, total = request.members.x.astype(how.dtype), N + request.steps
    orbit = covariant.orbit(dynamics(request), x, total, radius=how.escape_radius)
    frame = initial_frame(n, min(k + 1, n), request.seed)
    for member, jacobian in enumerate(orbit.jacobian[:, N:]):
        swept = singular.Singular(np.full(len(frame), np.nan), frame, frame)
        sure = number = 0
        while number < request.max_sweeps:
            number += 1
            before, swept = swept, singular.sweep(jacobian, swept.right.T)
            change, settled = judge(swept.sums[None], before.sums[None], request.tolerance, k)
            sure = sure + 1 if settled[0] else 0
            if sure >= IN_A_ROW or orbit.status[member]:
                break
        found.sums[member], found.change[member] = swept.sums[:k], change[0, :k]
        found.right[member], found.left[member], found.n_sweeps[member] = swept.right[:k], swept.left[:k], number
        found.status[member] = orbit.status[member] or (status.OK if sure >= IN_A_ROW else status.NOT_CONVERGED)
    found.state[:], found.conditioning[:] = orbit.state[:, -1], 1.0
    found.failed_step[:] = np.where(orbit.status >= status.NOT_FINITE, orbit.failed_step, -1)
