"""Batches whose covectors walk back in segments beside tangents: both parts of a linear response, on the CPU."""

from __future__ import annotations

import numpy as np

from fastlyap.backend.cpu import aligned, pack, unpack
from fastlyap.backend.segments import SegmentBatch
from fastlyap.backend.sensitivity import SensitivityBatch
from fastlyap.request import Integration


class TangentBatch(SensitivityBatch):
    """Members on the way forward with k tangents."""

    def begin(self, frame: np.ndarray) -> None:
        """Tangents (B, k, n)."""
        n = self.kernels.dim
        e = np.zeros((self.members, self.k, n))
        e[:, :, : self.own] = frame
        self.S[:, n + 1 :] = pack(e.reshape(self.members, -1), self.kernels.width, self.kernels.dtype)

    def push(self, how: Integration, t0: float, first: int, length: int, segments: int) -> np.ndarray:
        """The orthonormal tangents at the start of each segment from step `first`, as rows."""
        E = aligned((len(self.S), segments * self.k * self.own + 1, self.kernels.width), self.kernels.dtype)
        given = (self.S, self.A, self.P, self._scratch, E, 0, len(self.S), self.k, length, t0, how.dt, first, segments,
                 how.rtol, how.atol)  # fmt: skip
        self._call("push_forward", *given)
        return E


class ResponseBatch(SegmentBatch):
    """Members with covectors v of the objectives, nut, and W, all in one frame; nut is the last objective's column."""

    def respond(self, E: np.ndarray, weights: np.ndarray, length: int, first: int) -> None:
        """Take tangents `E` and weights psi (B, steps, columns) of the steps from `first` on."""
        s, width = self.shape, self.kernels.width
        self.columns, self._length, self._first, self._E = weights.shape[2], length, first, E
        self._F = pack(weights.reshape(self.members, -1), width, "float64")
        count = s.count - 1
        self._more = (count + self.columns * (1 + s.modes)) * s.p
        self._V = aligned((len(self.S), s.segments * self._more + 1, width), "float64")
        self._T = aligned((self.kernels.dim * (s.modes + 1) + 1, width), self.kernels.dtype)
        self._Z = aligned((2 * s.modes**2 + s.modes * self.own + 1, width), self.kernels.dtype)

    def respond_back(self, how: Integration, t0: float, first: int, n_steps: int, pairs: int) -> None:
        """Walk back over the steps from `first`, at whose start the state is now; `pairs` is a row of P."""
        s, length = self.shape, self._length
        rows = (self.own + 1 + s.modes * self.own) * n_steps + s.modes * self.own * (n_steps // length) + 1
        X = aligned((rows, self.kernels.width), self.kernels.dtype, np.empty)
        given = (self.S, self._T, self.A, self.P, self._scratch, X, self.Y, self._V, self._E, self._F, self._Z, 0,
                 len(self.S), s.count - 1, s.modes, self.columns, pairs, length, (first - self._first) // length, t0,
                 how.dt, first, n_steps, (first - self._first) * self.columns, how.rtol, how.atol)  # fmt: skip
        self._call("respond_back", *given)

    def parts(self, skip: int) -> tuple[np.ndarray, np.ndarray]:
        """Sums over all but `skip` segments at either end: shadowing (B, J, p) and unstable (B, columns, p)."""
        s, K = self.shape, self.shape.segments
        J, c, M, p = s.count - 1, self.columns, s.modes, s.p
        some = slice(skip, K - skip)
        V = unpack(self._V[:, :-1], self.members).reshape(self.members, K, self._more)[:, some]
        own, rest = V[..., : J * p].reshape(len(V), -1, J, p), V[..., J * p :]
        nut, along = rest[..., : c * p].reshape(len(V), -1, c, p), rest[..., c * p :].reshape(len(V), -1, c, M, p)
        a, gW = self.part("a")[:, some], self.part("g")[:, some]
        shadowing = own.sum(axis=1) + np.einsum("bkmj,bkmp->bjp", a[..., :J], gW)
        return shadowing, nut.sum(axis=1) + np.einsum("bkm,bkcmp->bcp", a[..., J], along)
