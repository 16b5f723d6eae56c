"""From what a sweep counted and showed to a result: rates, angles, statuses."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend.frames import FrameBatch, output_rows
from fastlyap.kernel import layout
from fastlyap.kernel.covariant import N_BINS
from fastlyap.machines.assembly import info, settings
from fastlyap.machines.average import MEANINGLESS
from fastlyap.machines.planning import Plan
from fastlyap.machines.vectors_result import RIGHT_ANGLE, Vectors
from fastlyap.request import VectorsRequest

SEPARATED = 1e-3  # directions that part by less during the warm-up have not been told apart


@dataclass
class Found:
    """Numbers of all members (B, ...), filled in chunk by chunk; angles and counts as in `Vectors`."""

    shown: np.ndarray | None  # (B, T, k + n + k n): log growth over the steps before each output, state, vectors
    total: np.ndarray  # (B, k) log growth of the vectors over the window
    rate: np.ndarray  # (B, k) growth rates of the frame that gaps are judged by, per unit time
    largest_cosine: np.ndarray  # (B, pairs)
    counts: np.ndarray  # (B, pairs, N_BINS) int32
    flow_cosine: np.ndarray  # (B, k)
    conditioning: np.ndarray
    status: np.ndarray
    failed_step: np.ndarray

    @classmethod
    def empty(cls, request: VectorsRequest) -> Found:
        """Members that have not been computed."""
        members, n, k = len(request.members), request.system.dim, request.k
        T, pairs = request.steps // request.every, k * (k - 1) // 2
        return cls(
            np.empty((members, T, output_rows(n, k))) if request.store else None,
            np.full((members, k), np.nan), np.full((members, k), np.nan), np.zeros((members, pairs)),
            np.zeros((members, pairs, N_BINS), np.int32), np.ones((members, k)), np.full(members, np.nan),
            np.full(members, status.PENDING, dtype=np.int8), np.full(members, -1, dtype=np.int64),
        )  # fmt: skip

    def parts(self, k: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray] | tuple[None, None, None]:
        """Views of what is shown: log growth (B, T, k), state (B, T, n), vectors (B, T, k, n)."""
        if self.shown is None:
            return None, None, None
        growth, state, vectors = np.split(self.shown, [k, k + n], axis=2)
        return growth, state, vectors.reshape(*vectors.shape[:2], k, n)

    def take(self, part: slice, batch: FrameBatch, time: float) -> None:
        """Keep what was counted for a chunk; `time` is that of the frame's growth."""
        tally, A = batch.tally(), batch.read()[1]
        self.total[part] = tally.growth
        self.rate[part] = tally.frame_growth / time
        self.largest_cosine[part] = tally.largest_cosine
        self.counts[part] = tally.counts
        self.flow_cosine[part] = tally.flow_cosine
        self.conditioning[part] = A[:, layout.CONDITIONING]
        self.status[part] = A[:, layout.STATUS]
        lost = A[:, layout.STATUS] >= status.NOT_FINITE
        self.failed_step[part] = np.where(lost, A[:, layout.FAILED_STEP], -1)

    def blank(self, lost: np.ndarray) -> None:
        """Members without numbers."""
        for field in fields(self):
            values = getattr(self, field.name)
            if values is not None and field.name not in ("status", "failed_step"):
                values[lost] = 0 if field.name == "counts" else np.nan


def result(request: VectorsRequest, plan: Plan, found: Found) -> Vectors:
    """Put the numbers together and give every member its status."""
    members, how, k = request.members, request.integration, request.k
    code = found.status
    found.blank(code >= status.NOT_FINITE)  # pending members too
    separation = separations(found.rate, request)
    with np.errstate(invalid="ignore"):
        poor = np.isneginf(found.total).any(axis=1) | (found.conditioning * how.eps > MEANINGLESS)
        code[(code == status.OK) & (poor | (separation > SEPARATED).any(axis=1))] = status.DEGENERATE
        angles, counts = _pairs(found, request)
        flow_angle = np.arccos(np.clip(found.flow_cosine, 0.0, 1.0))
    driven = not info(request.system).autonomous
    if not request.flow or request.kind != "covariant" or driven:
        flow_angle = np.full_like(flow_angle, np.nan)
    growth, state, vectors = found.parts(k, request.system.dim)
    if growth is not None:
        growth /= request.every * how.dt
    flat = dict(
        vectors=vectors, state=state, local_growth=growth,
        exponents=found.total / (request.steps * how.dt), minimum_angle=angles, angle_histogram=counts,
        separation=separation, flow_angle=flow_angle, conditioning=found.conditioning, status=code,
        failed_step=found.failed_step,
    )  # fmt: skip
    T = request.steps // request.every
    shaped = {
        name: None if value is None else value.reshape(members.shape + value.shape[1:]) for name, value in flat.items()
    }
    chosen: dict[str, Any] = {
        "kind": request.kind, "k": k, "every": request.every, "warmup": request.warmup, "store": request.store,
        "seed": request.seed,
    }  # fmt: skip
    return Vectors(
        times=how.t0 + (request.transient + np.arange(1, T + 1) * request.every) * how.dt, **shaped,
        parameters=members.parameters, x0=members.x.reshape(*members.shape, request.system.dim), dims=members.dims,
        system=info(request.system), settings={**settings(request, plan), **chosen},
    )  # fmt: skip


def separations(rate: np.ndarray, request: VectorsRequest) -> np.ndarray:
    """exp(-gap * warm-up) of each vector, (B, k), the gap that to its nearer neighbour."""
    forward, backward = request.warmup
    steps = {"backward": forward, "forward": backward}.get(request.kind, min(forward, backward))
    with np.errstate(invalid="ignore", over="ignore"):
        apart = np.exp(-(rate[:, :-1] - rate[:, 1:]) * steps * request.integration.dt)
        apart = np.where(np.isneginf(rate[:, 1:]), np.where(np.isneginf(rate[:, :-1]), 1.0, 0.0), apart)
    nothing = np.zeros_like(rate[:, :1])
    near = np.concatenate([nothing, apart], axis=1), np.concatenate([apart, nothing], axis=1)
    return np.where(np.isnan(rate), np.nan, np.maximum(*near))


def _pairs(found: Found, request: VectorsRequest) -> tuple[np.ndarray, np.ndarray]:
    """Smallest angle (B, k, k) and histogram (B, k, k, N_BINS) of every pair of vectors."""
    members, k = len(found.status), request.k
    angles = np.zeros((members, k, k))
    counts = np.zeros((members, k, k, N_BINS), dtype=np.int32)
    lost = np.isnan(found.conditioning)
    i, j = np.tril_indices(k, -1)  # pair (j < i) is number i (i - 1) / 2 + j: row by row below the diagonal
    for rows, columns in ((i, j), (j, i)):
        if request.kind in ("backward", "forward"):
            angles[:, rows, columns] = RIGHT_ANGLE
            counts[:, rows, columns, -1] = np.where(lost, 0, request.steps // request.every)[:, None]
        else:
            angles[:, rows, columns] = np.arccos(np.clip(found.largest_cosine, 0.0, 1.0))
            counts[:, rows, columns] = found.counts
    angles[lost] = np.nan
    return angles, counts
