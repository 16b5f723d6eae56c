"""Batches whose covectors walk back in segments, on the CPU: what the segments leave, and their coefficients."""

from __future__ import annotations

import functools
import threading
from typing import NamedTuple

import numpy as np

from fastlyap.backend.cpu import Kernels, aligned, pack, unpack
from fastlyap.backend.sensitivity import SensitivityBatch, load
from fastlyap.kernel import layout
from fastlyap.request import Integration
from fastlyap.trace.shadowing import assemble_solver


class Shape(NamedTuple):
    """Sizes of the rows that segments leave.

    segments : how many; modes : homogeneous covectors; count : objectives; flow : whether there is a neutral
    direction; p : parameters
    """

    segments: int
    modes: int
    count: int
    flow: bool
    p: int

    @property
    def q(self) -> int:
        """Columns that are solved for: one for each objective, and of a flow one more."""
        return self.count + self.flow

    @property
    def block(self) -> int:
        """Rows of a segment, as in `kernel.segments.block_rows`."""
        m, q = self.modes, self.q
        return 4 * m * m + 2 * m * q + m * self.p

    @property
    def rows(self) -> int:
        """Rows of all segments and of the sums behind them."""
        return self.segments * self.block + self.q * (self.p + 2) + self.modes + 1


_LOCK = threading.Lock()


def _solver(width: int) -> Kernels:
    """The program that solves for coefficients; chunks in several threads wait for the first to load it."""
    with _LOCK:
        return _loaded(width)


@functools.cache
def _loaded(width: int) -> Kernels:
    how = Integration("map", 1.0, 0.0, 1e-9, 1e-12, 1e8, "float64")
    return load(assemble_solver(width), how, 1, width)


class SegmentBatch(SensitivityBatch):
    """Members with `count` covectors v and `modes` covectors W, and the rows their segments leave."""

    def begin(self, shape: Shape, frame: np.ndarray, keep: bool = False) -> None:
        """Covectors at the end of the orbit, (B, modes, n) orthonormal; v = 0. `keep` those at ends of segments."""
        n = self.kernels.dim
        self.shape, self.keeps = shape, keep
        kept = shape.segments * self.k * self.own if keep else 1
        self._ends = aligned((len(self.S), kept, self.kernels.width), "float64")
        w = np.zeros((self.members, self.k, n))
        w[:, shape.count :, : self.own] = frame
        self.S[:, n + 1 :] = pack(w.reshape(self.members, -1), self.kernels.width, self.kernels.dtype)
        self.Y = aligned((len(self.S), shape.rows, self.kernels.width), "float64")

    def walk_back(self, how: Integration, t0: float, first: int, n_steps: int, *, length: int, segment: int) -> None:
        """Pull back over the steps from `first`: segment number `segment` begins there, and the state is there now."""
        n, width, s = self.kernels.dim, self.kernels.width, self.shape
        rows = (self.own + 1) * n_steps + (layout.INNER_STEPS * (n + 2) if self.kernels.adaptive else 0)
        X = aligned((rows, width), self.kernels.dtype, np.empty)
        given = (self.S, self.A, self.P, self._scratch, X, self.Y, self._ends, 0, len(self.S), s.count, s.modes, s.flow,
                 self.keeps, length, segment, s.segments * s.block, t0, how.dt, first, n_steps, how.rtol,
                 how.atol)  # fmt: skip
        self._call("walk_back", *given)

    def ends(self) -> np.ndarray:
        """The covectors at the ends of all segments, (B, K, k, n)."""
        return unpack(self._ends, self.members).reshape(self.members, self.shape.segments, self.k, self.own)

    def begin_again(self, nu: np.ndarray) -> None:
        """The second sweep: covectors (B, K, k, n) at the ends of all segments; gradients are 0."""
        self._ends = pack(nu.reshape(self.members, -1), self.kernels.width, "float64")

    def walk_again(self, how: Integration, t0: float, first: int, n_steps: int, *, length: int, segment: int) -> None:
        """Pull those back, as `walk_back` does, and add up their gradients."""
        n, width = self.kernels.dim, self.kernels.width
        rows = (self.own + 1) * n_steps + (layout.INNER_STEPS * (n + 2) if self.kernels.adaptive else 0)
        X = aligned((rows, width), self.kernels.dtype, np.empty)
        F = aligned((len(self.S), n_steps * self.k, width), "float64")
        given = (self.S, self.A, self.P, self._scratch, X, F, self._ends, 0, len(self.S), self.k, length, segment, t0,
                 how.dt, first, n_steps, how.rtol, how.atol)  # fmt: skip
        self._call("walk_again", *given)

    def solve(self, marching: bool) -> np.ndarray:
        """The sum over all steps of the shadowing covectors' gradients, (B, count, p)."""
        s = self.shape
        Z = aligned((s.modes * (4 * s.modes + 2 * s.q) + 1, self.kernels.width), "float64")
        given = (self.Y, Z, 0, len(self.S), s.segments, s.modes, s.q, s.p, marching)
        with np.errstate(all="ignore"):
            _solver(self.kernels.width).entry("solve", *given)(*given)
        tail = unpack(self.Y[:, s.segments * s.block :], self.members)
        sums = tail[:, : s.q * s.p].reshape(self.members, s.q, s.p)
        total = self.covectors()[1][:, : s.count] + sums[:, : s.count]
        if s.flow:
            with np.errstate(all="ignore"):
                total = total + self.turns()[..., None] * sums[:, s.count :]
        return total

    def turns(self) -> np.ndarray:
        """How far the coefficients of a flow must go along its direction for nu F to vanish on average, (B, count)."""
        s = self.shape
        tail = unpack(self.Y[:, s.segments * s.block + s.q * s.p :], self.members)
        with np.errstate(all="ignore"):
            return -(tail[:, s.q : s.q + s.count] + tail[:, : s.count]) / tail[:, s.count : s.q]

    def judgement(self) -> tuple[np.ndarray, np.ndarray]:
        """(sums of log|R_ii| (B, M), the largest conditioning of C (B,)), once coefficients have been solved for."""
        s = self.shape
        tail = unpack(self.Y[:, s.segments * s.block + s.q * (s.p + 2) :], self.members)
        return tail[:, : s.modes], tail[:, s.modes]

    def part(self, name: str) -> np.ndarray:
        """Numbers of the segments: "R" or "C" (B, K, M, M), "a" or "b" (B, K, M, q), "g" (B, K, M, p)."""
        s = self.shape
        m, mm = s.modes, s.modes * s.modes
        at = {"R": 0, "C": 3 * mm, "b": 4 * mm, "a": 4 * mm + m * s.q, "g": 4 * mm + 2 * m * s.q}[name]
        size = (m, {"a": s.q, "b": s.q, "g": s.p}.get(name, m))
        blocks = self.Y[:, : s.segments * s.block].reshape(len(self.Y), s.segments, s.block, self.kernels.width)
        found = np.moveaxis(blocks[:, :, at : at + size[0] * size[1]], -1, 1)
        return found.reshape(len(self.Y) * self.kernels.width, s.segments, *size)[: self.members]
