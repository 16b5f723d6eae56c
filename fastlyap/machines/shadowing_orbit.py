"""The orbit of shadowing: where it is cut, and the covectors at its end."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastlyap.backend.segments import SegmentBatch
from fastlyap.request import GradientRequest
from fastlyap.trace.evaluate import evaluate

CACHED = 1024  # numbers of a member's states that are recomputed together


def has_neutral(system: Any) -> bool:
    """Whether nu may turn along the flow: of autonomous flows without noise."""
    return system.kind == "flow" and not system.noise_count and not system.recording.ops["t"]


def edges(first: int, steps: int, length: int, n: int) -> list[int]:
    """Where to cut the orbit: whole segments, about sqrt(steps) long together or what fits into a cache, and before."""
    stretch = length * max(1, max(math.isqrt(steps), CACHED // (n + 1)) // length)
    return sorted({0, *range(first, steps, stretch), steps})


def last_frame(
    request: GradientRequest, batch: SegmentBatch, t: float, modes: int, flow: bool, who: np.ndarray
) -> np.ndarray:  # fmt: skip
    """Orthonormal covectors at the end of the orbit, (B, modes, n): random; of a flow, they span its direction.

    That comes last: covectors that begin across the flow stay across it, and would miss the neutral direction.
    """
    n = request.system.dim
    x, p = batch.rows()[:, :n], request.members.p[who]
    random = np.random.Generator(np.random.Philox(key=[request.seed, 2**63])).standard_normal((modes, n))
    W = np.broadcast_to(random, (len(who), modes, n)).copy()
    if flow and modes:
        with np.errstate(all="ignore"):
            field = evaluate(request.system.recording.outputs, x.T, p.T, t)
        W[:, -1] = np.stack([np.broadcast_to(f, len(who)) for f in field], axis=1)
    sound = np.isfinite(W).all(axis=(1, 2), keepdims=True) & (np.abs(W[:, -1:]).sum(axis=2, keepdims=True) > 0)
    return np.linalg.qr(np.where(sound, W, random).swapaxes(1, 2))[0].swapaxes(1, 2)
