"""Batches of states with their tangents, on the CPU: factors along the orbit, covectors pulled back through them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from fastlyap.backend.cpu import Kernels, aligned, pack, unpack
from fastlyap.backend.sensitivity import SensitivityBatch, load
from fastlyap.kernel import layout
from fastlyap.request import Integration
from fastlyap.trace.frame_gradient import assemble_factors


class FrameBatch(SensitivityBatch):
    """Members on (x, v_1 ... v_k, theta) with `count` covectors; `own` is n (1 + k)."""

    def grow_frame(self, how: Integration, k: int, first: int, n_steps: int, every: int) -> np.ndarray:
        """Advance by `n_steps`; the diagonals of the factors (B, factorisations, k)."""
        pieces = -(-n_steps // every)
        R = aligned((len(self.S), pieces * k * k, self.kernels.width), self.kernels.dtype)
        given = (self.S, self.A, self.P, self._scratch, R, 0, len(self.S), k, how.t0, how.dt, first, n_steps, every,
                 how.escape_radius, how.rtol, how.atol)  # fmt: skip
        self._call("grow_frame", *given)
        factors = unpack(R, self.members).reshape(self.members, pieces, k, k)
        return np.diagonal(factors, axis1=2, axis2=3)

    def pull_frame(self, how: Integration, k: int, first: int, n_steps: int, every: int, weights: np.ndarray) -> None:
        """Pull the covectors back over the steps from `first`, at whose start the state is now.

        weights : (B, count, k), of the logarithms of the factors' diagonals
        """
        width, whole = self.kernels.width, self.kernels.dim
        rows = (self.own + 1) * (n_steps + 1) + k * k + layout.INNER_STEPS * (whole + 2)
        X = aligned((rows, width), self.kernels.dtype, np.empty)
        R = aligned((-(-n_steps // every) * k * k, width), self.kernels.dtype)
        F = pack(weights.reshape(self.members, -1), width, "float64")
        given = (self.S, self.A, self.P, self._scratch, X, R, F, 0, len(self.S), k, self.k, how.t0, how.dt, first,
                 n_steps, every, how.rtol, how.atol)  # fmt: skip
        self._call("pull_frame", *given)


@np.errstate(all="ignore")
def log_growth(lengths: np.ndarray, counts: bool) -> np.ndarray:
    """Sums of logarithms (B, k) of diagonals (B, factorisations, k), 0 of those that do not count; a direction that was
    lost, at any time, has grown by -inf, and so have those behind it."""
    lost = np.logical_or.accumulate(~(lengths > 0.0).all(axis=1), axis=1)
    return np.where(lost, -np.inf, counts * np.log(np.where(lost[:, None], 1.0, lengths)).sum(axis=1))


@functools.cache
def _factors() -> Kernels:
    how = Integration("map", 1.0)
    return load(assemble_factors(1), how, 1, 1)


def factor(V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V (B, k, n) of rows as Q (B, k, n) and R (B, k, k) with V' = Q' R, R_jj >= 0."""
    members, k, n = V.shape
    S, R = np.array(V, order="C").reshape(members, k * n, 1), np.zeros((members, k * k, 1))
    _run("factor", S, R, 0, members, n, k)
    return S.reshape(members, k, n), R.reshape(members, k, k)


def pull_factor(Q: np.ndarray, R: np.ndarray, q: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The covectors of V, (B, count, k, n), of covectors q of Q and weights (B, count, k) of log R_jj."""
    members, count, k, n = q.shape
    S = np.concatenate([Q[:, None], q], axis=1).reshape(members, (1 + count) * k * n, 1)
    F = np.array(weights, order="C").reshape(members, count * k, 1)
    _run("pull_factor", S, R.reshape(members, k * k, 1), F, np.zeros((k * k, 1)), 0, members, n, k, count)
    return S.reshape(members, 1 + count, k, n)[:, 1:]


def _run(name: str, *given: Any) -> None:
    with np.errstate(all="ignore"):
        _factors().entry(name, *given)(*given)
