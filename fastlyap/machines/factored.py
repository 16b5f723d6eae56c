"""Finite-time exponents from one sweep: the factors of all steps, kept, say all that further sweeps would.

The sweeps that make the frames turn into singular vectors then act on small triangular matrices, and what is left to
do after one or two of them is done by rotations, which do not mind close singular values; see `kernel.product`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import status
from fastlyap.backend.frames import FrameBatch, Segment
from fastlyap.kernel import layout
from fastlyap.kernel.product import scratch
from fastlyap.machines.average import initial_frame
from fastlyap.machines.rows import new_rows
from fastlyap.machines.run import Pace
from fastlyap.request import FiniteTimeRequest
from fastlyap.trace import factors

MOST_BYTES = 2**26  # factors of a member


def fits(request: FiniteTimeRequest) -> bool:
    """Whether all singular values are asked of a system whose steps leave their factors, and these fit in memory."""
    n, wide = request.system.dim, request.integration.dtype == "float64"
    cells = request.system.architecture is not None
    return cells and request.k == n and wide and 8 * request.steps * n * n <= MOST_BYTES


def finite_time(request: FiniteTimeRequest, part: slice, kernels: Any, pace: Pace, found: Any) -> np.ndarray:
    """The members in `part`; the numbers of those that are left, whose product has lost rank or needs more digits."""
    left = []
    for member in range(part.start, part.stop):
        if not _one(request, member, kernels, pace, found):
            left.append(member)
    return np.array(left, dtype=np.int64)


def _one(request: FiniteTimeRequest, member: int, kernels: Any, pace: Pace, found: Any) -> bool:
    """One member; whether it is done."""
    n, steps, how = request.system.dim, request.steps, request.integration
    frame = initial_frame(n, n, request.seed)
    S, A = new_rows(request.members.x[member : member + 1], frame)
    batch = FrameBatch(kernels, (S, A, request.members.p[member : member + 1]), how)
    batch.advance_along(Segment(0, request.transient, 1, 0), 0, pace)
    F = batch.factors(request.transient, steps)
    pace.done(steps)
    S, A = batch.read()
    if A[0, layout.STATUS] != status.OK or not np.all(F[:, range(n), range(n)] > 0):
        return False
    right, left, sums, change = np.empty((n, n)), np.empty((n, n)), np.empty(n), np.empty(n)
    told = np.zeros(3)
    factors.decompose()(
        steps, n, F.ravel(), np.full(2 * steps, n), request.tolerance, max(request.max_sweeps - 1, 1), right.ravel(),
        left.ravel(), sums, change, np.empty(scratch(n)), told,
    )  # fmt: skip
    if not told[2]:
        return False
    found.sums[member], found.change[member], found.n_sweeps[member] = sums, change, 1 + int(told[1])
    found.right[member], found.left[member] = right @ frame, left @ S[0, n + 1 :].reshape(n, n)
    found.state[member], found.conditioning[member] = S[0, :n], A[0, layout.CONDITIONING]
    found.status[member], found.failed_step[member] = status.OK, -1
    return True
