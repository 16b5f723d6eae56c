"""Batches whose reorthonormalisations are recorded, some blocks at a time, and gone back over (`kernel.covariant`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from fastlyap.backend.cpu import CpuBatch, Kernels, aligned, unpack
from fastlyap.kernel import layout
from fastlyap.kernel.covariant import N_BINS
from fastlyap.machines.rows import nats
from fastlyap.request import Integration


def point_rows(n: int, k: int, whole: bool) -> int:
    """Rows of a recorded point; a `whole` one holds state and frame too."""
    return k * (k + 3) // 2 + (layout.state_rows(n, k) if whole else 0)


def output_rows(n: int, k: int) -> int:
    """Rows of an output: growth, state, vectors."""
    return k + n + k * n


def tally_rows(k: int) -> int:
    """Rows of what is counted over a window."""
    return 5 * k + (1 + N_BINS) * (k * (k - 1) // 2)


class Tally(NamedTuple):
    """What was counted over a window, (B, ...). The pair of vectors i < j is number j (j - 1) / 2 + i."""

    growth: np.ndarray  # (B, k) log growth of the vectors in the window
    frame_growth: np.ndarray  # (B, k) log growth of the frame over all that was swept
    flow_cosine: np.ndarray  # (B, k) smallest |cosine| with the flow
    largest_cosine: np.ndarray  # (B, pairs)
    counts: np.ndarray  # (B, pairs, N_BINS) of angles


class Segment(NamedTuple):
    """A stretch of the orbit: reorthonormalisations after place `first` up to `last` of the window, `every` steps each.

    step : number of steps from the very start to place 0.
    """

    first: int
    last: int
    every: int
    step: int

    @property
    def start(self) -> int:
        """Number of its first step, from the very start."""
        return self.step + self.first * self.every

    @property
    def points(self) -> int:
        """How many reorthonormalisations."""
        return self.last - self.first


class FrameBatch(CpuBatch):
    """Members in blocks of lanes, with what their frames and covariant vectors need."""

    def __init__(self, kernels: Kernels, rows: tuple[np.ndarray, np.ndarray, np.ndarray], how: Integration) -> None:
        super().__init__(kernels, *rows)
        n = kernels.dim
        self.k = k = kernels.most_vectors(rows[0].shape[1], rows[1].shape[1])
        self._spare = kernels.scratch_rows(k)
        self._scratch = self._rows(1, self._spare + max(k * n, 2 * k))[0]
        self._limits = how.escape_radius, how.rtol, how.atol, how.eps
        self._clock = how.t0, how.dt
        self._kept: dict[str, np.ndarray] = {}
        self._compiled: dict[str, Callable[..., None]] = {}
        self.C = self._rows(len(self.S), k * (k + 1) // 2)
        for i in range(k):
            self.C[:, i * (i + 3) // 2] = 1.0
        self.D = aligned((len(self.S), max(tally_rows(k), 1), kernels.width), "float64")
        for first in (0, 2 * k, 4 * k):  # mantissas and cosines
            self.D[:, first : first + k] = 1.0

    def _rows(self, blocks: int, rows: int) -> np.ndarray:
        return aligned((blocks, max(rows, 1), self.kernels.width), self.kernels.dtype)

    def _room(self, name: str, blocks: int, rows: int) -> np.ndarray:
        """Rows kept under a name for the next use, which finds the content of the last."""
        found = self._kept.get(name)
        if found is None or found.shape[0] < blocks or found.shape[1] < rows:
            found = self._kept[name] = aligned((blocks, rows, self.kernels.width), self.kernels.dtype, np.empty)
        return found

    def _enter(self, name: str, *args: object) -> None:
        if name not in self._compiled:
            self._compiled[name] = self.kernels.entry(name, *args)
        with np.errstate(all="ignore"):
            self._compiled[name](*args)

    def advance(self, k: int, step: int, points: int, every: int) -> None:
        """Advance the states, and k vectors of the frames, over `points` intervals from step number `step`."""
        X = self._room("nothing", len(self.S), 1)
        self._enter(
            "record", self.S, self.A, self.P, self._scratch, X, 0, len(self.S), 0, 0, k, False, False, False,
            *self._clock, step, points, every, self._spare, *self._limits,
        )  # fmt: skip

    def advance_along(self, segment: Segment, k: int, pace: Any) -> None:
        """Advance the states, and k vectors of the frames, over a segment, in slices."""
        step = segment.start
        for now in pace.slices(self.members * segment.every, segment.points):
            self.advance(k, step, now, segment.every)
            step += now * segment.every

    def record(self, blocks: slice, segment: Segment, whole: bool, flow: bool) -> None:
        """Advance some blocks over a segment and record its points."""
        lo, hi, k = blocks.start, blocks.stop, self.k
        width = point_rows(self.kernels.dim, k, whole)
        X = self._room("points", hi - lo, segment.points * width)
        self._enter(
            "record", self.S, self.A, self.P, self._scratch, X, lo, hi, 0, width, k, True, flow, whole, *self._clock,
            segment.start, segment.points, segment.every, self._spare, *self._limits,
        )  # fmt: skip

    def factors(self, step: int, n_steps: int) -> np.ndarray:
        """Advance the frame of the one member over steps from number `step`, and keep its factors (n_steps, k, k)."""
        F = np.empty((1, n_steps * self.k * self.k), dtype=self.kernels.dtype)
        self._enter(
            "factors", self.S, self.A, self.P, self._scratch, F, 0, 1, self.k, *self._clock, step, n_steps,
            self._spare, *self._limits,
        )  # fmt: skip
        return F.reshape(n_steps, self.k, self.k)

    def points(self, rows: int) -> np.ndarray:
        """What was recorded last, (blocks, rows, lanes)."""
        return self._kept["points"][:, :rows]

    def walk(self, blocks: slice, segment: Segment) -> None:
        """Advance the states of some blocks over a segment and keep them all, the first and the last one too."""
        lo, hi, row = blocks.start, blocks.stop, self.kernels.dim + 1
        steps = segment.points * segment.every
        inner = layout.INNER_STEPS * (row + 1) if self.kernels.adaptive else 0
        states = self._room("states", hi - lo, (steps + 1) * row + inner)
        states[: hi - lo, :row] = self.S[blocks, :row]
        self._enter(
            "record", self.S, self.A, self.P, self._scratch, states, lo, hi, row, row, 0, True, False, True,
            *self._clock, segment.start, steps, 1, self._spare, *self._limits,
        )  # fmt: skip

    def pull(self, blocks: slice, segment: Segment, keep: bool, whole: bool = False) -> None:
        """Pull the frames of some blocks back over the segment last walked, and `keep` its points."""
        lo, hi, k = blocks.start, blocks.stop, self.k
        width = point_rows(self.kernels.dim, k, whole) if keep else 0
        X = self._room("points" if keep else "nothing", hi - lo, max(segment.points * width, 1))
        self._enter(
            "record_back", self.S, self.A, self.P, self._scratch, X, self._kept["states"], lo, hi, width, k, keep,
            whole, *self._clock, segment.start, segment.points, segment.every, self._spare, *self._limits,
        )  # fmt: skip

    def sweep(
        self, blocks: slice, segment: Segment, n_window: int, stride: int, adjoint: bool, covary: bool, flow: bool,
        shown: np.ndarray | None,
    ) -> None:  # fmt: skip
        """Go back over the points recorded last; outputs go to `shown` (members of these blocks, outputs, rows)."""
        lo, hi, k, n = blocks.start, blocks.stop, self.k, self.kernels.dim
        tall, whole = output_rows(n, k), shown is not None
        direct = whole and self.kernels.width == 1 and shown.dtype == self.S.dtype  # one lane needs no unpacking
        base = 0 if direct else segment.first // stride - adjoint
        count = -(-segment.points // stride) + adjoint
        if direct:
            Y = shown.reshape(len(shown), -1, 1)
        else:
            Y = self._room("outputs", hi - lo, count * tall if whole else 1)
        self._enter(
            "sweep", self.A, self._scratch, self._kept["points"], self.C, self.D, Y, lo, hi,
            point_rows(n, k, whole), k, segment.first, segment.points, n_window, stride, base, adjoint, covary, whole,
            flow, self._spare,
        )  # fmt: skip
        if whole and not direct:
            found = unpack(Y[: hi - lo, : count * tall], len(shown)).reshape(len(shown), count, tall)
            _place(found, base, adjoint, k, shown)

    def tally(self) -> Tally:
        """What was counted so far."""
        k, rows = self.k, unpack(self.D, self.members)
        pairs = k * (k - 1) // 2
        parts = np.split(rows[:, : tally_rows(k)], np.cumsum([k, k, k, k, k, pairs]), axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            growth, frame = (nats(np.log2(parts[i]) + parts[i + 1]) for i in (0, 2))
        return Tally(growth, frame, parts[4], parts[5], parts[6].reshape(len(rows), pairs, N_BINS))


def _place(found: np.ndarray, base: int, adjoint: bool, k: int, shown: np.ndarray) -> None:
    """Put the outputs of a segment, the first of which has number `base`, where they belong.

    An adjoint segment shows the vectors at the start of each interval: its first output lacks the growth, its last one
    the vectors, which are a neighbour's.
    """
    lo, hi = max(base, 0), min(base + found.shape[1], shown.shape[1])
    whole = slice(max(lo, base + adjoint), min(hi, base + found.shape[1] - adjoint))
    shown[:, whole] = found[:, whole.start - base : whole.stop - base]
    if adjoint and base >= 0:
        shown[:, base, k:] = found[:, 0, k:]
    last = base + found.shape[1] - 1
    if adjoint and last < shown.shape[1]:
        shown[:, last, :k] = found[:, -1, :k]
