"""Batches of augmented members on the CPU: objectives along the orbit, covectors pulled back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap import hardware
from fastlyap.backend.cpu import CpuBatch, Kernels, aligned, options, pack, unpack
from fastlyap.kernel import layout
from fastlyap.machines.rows import new_accumulators
from fastlyap.request import Integration
from fastlyap.trace import cache, foreign_objective
from fastlyap.trace.module import Module
from fastlyap.trace.sensitivity import form_of


def width_of(members: int) -> int:
    """Lanes for so many members."""
    return hardware.lanes("float64") if members > 1 else 1


def load(made: Module, how: Integration, dim: int, width: int) -> Kernels:
    """Import the kernels of a module of `trace.sensitivity`."""

    def load_module() -> Any:
        if made.functions:
            return foreign_objective.load(made.text, made.functions)
        return cache.load(made.text, options(width, how.dtype))

    return Kernels(made, load_module, width=width, how=how, dim=dim, form=form_of(dim))


class SensitivityBatch(CpuBatch):
    """Members on (x, theta) with k covectors (w, g) each.

    Parameters
    ----------
    kernels : of an augmented system
    rows : (B, n + 1), states x, and behind them the row that counts (noise) or proposes steps (dopri5)
    theta : (B, p), the parameters that are states
    P : (B, ...), parameters and what lies behind them
    k : covectors of each member, zero to begin with
    """

    def __init__(self, kernels: Kernels, rows: np.ndarray, theta: np.ndarray, P: np.ndarray, k: int) -> None:
        self.own, self.k = rows.shape[1] - 1, k
        size = kernels.dim
        S = np.zeros((len(rows), layout.state_rows(size, k)))
        S[:, : self.own], S[:, self.own : size], S[:, size] = rows[:, :-1], theta, rows[:, -1]
        super().__init__(kernels, S, new_accumulators(len(rows), k), P)

    def observe(self, how: Integration, t0: float, first: int, n_steps: int, count: int) -> np.ndarray:
        """Advance by `n_steps`; the `count` objectives at the start of each step, (B, n_steps, count)."""
        F = aligned((len(self.S), n_steps * count, self.kernels.width), "float64", np.empty)
        given = (self.S, self.A, self.P, self._scratch, F, 0, len(self.S), self.own, count, t0, how.dt, first, n_steps,
                 how.escape_radius, how.rtol, how.atol)  # fmt: skip
        self._call("observe_orbit", *given)
        return unpack(F, self.members).reshape(self.members, n_steps, count)

    def wander(self, how: Integration, t0: float, first: int, n_steps: int, stride: int) -> np.ndarray:
        """Advance by `n_steps`; the states after every `stride` of them, (B, n_steps // stride, n)."""
        kept = n_steps // stride
        X = aligned((len(self.S), max(1, kept * self.own), self.kernels.width), self.kernels.dtype)
        given = (self.S, self.A, self.P, self._scratch, X, 0, len(self.S), self.own, t0, how.dt, first, n_steps, stride,
                 how.escape_radius, how.rtol, how.atol)  # fmt: skip
        self._call("wander", *given)
        return unpack(X, self.members)[:, : kept * self.own].reshape(self.members, kept, self.own)

    def values(self, how: Integration, t: float, count: int) -> np.ndarray:
        """The `count` objectives at the present state, (B, count); the state stays."""
        start, A = self.checkpoint(), self.A.copy()
        found = self.observe(how, t, 0, 1, count)[:, 0]
        self.go_to(start)
        self.A = A
        return found

    def checkpoint(self) -> np.ndarray:
        """State and counter, to go back to."""
        return np.concatenate([self.S[:, : self.own], self.S[:, self.kernels.dim : self.kernels.dim + 1]], axis=1)

    def go_to(self, start: np.ndarray) -> None:
        """Go back to a checkpoint; covectors stay."""
        self.S[:, : self.own], self.S[:, self.kernels.dim] = start[:, :-1], start[:, -1]

    def scores(
        self, how: Integration, t0: float, first: int, n_steps: int, count: int, *, feeds: bool = False,
        weights: np.ndarray | None = None,
    ) -> np.ndarray:  # fmt: skip
        """Advance as `kernel.likelihood.score_orbit`; objectives and scores, (B, n_steps, J + p).

        With weights (B, n_steps, columns) they are not kept, but added up in the vectors behind the first `count`.
        """
        each = weights is None
        columns = 0 if weights is None else weights.shape[2]
        if weights is None:
            rows = n_steps * (count + self.kernels.dim - self.own)
            F = aligned((len(self.S), rows, self.kernels.width), "float64", np.empty)
        else:
            F = pack(weights.reshape(self.members, -1), self.kernels.width, "float64")
        given = (self.S, self.A, self.P, self._scratch, F, 0, len(self.S), count, columns, each, feeds, t0, how.dt,
                 first, n_steps, how.escape_radius)  # fmt: skip
        self._call("score_orbit", *given)
        return unpack(F, self.members).reshape(self.members, n_steps, -1)

    def feed_end(self, t: float, weight: float, k: int | None = None) -> None:
        """Add the derivatives of the objectives at the present state to the first k covectors, all by default."""
        given = (self.S, self.P, self._scratch, 0, len(self.S), self.k if k is None else k, t, weight)
        self._call("feed_end", *given)

    def pull(
        self, how: Integration, t0: float, first: int, n_steps: int, *, last: int, weight: float, cut: int = 0,
        numbers: np.ndarray | None = None, keep: np.ndarray | None = None,
    ) -> None:  # fmt: skip
        """Pull the covectors back over the steps from `first`, at whose start the state is now.

        Parameters
        ----------
        last, weight, cut : see `kernel.sensitivity.pull_segment`
        numbers : (B, n_steps, k), what `back` of the module reads at each step, zeros by default
        keep : (steps,) or (1,)
        """
        n, width = self.kernels.dim, self.kernels.width
        rows = (self.own + 1) * n_steps + (layout.INNER_STEPS * (n + 2) if self.kernels.adaptive else 0)
        X = aligned((rows, width), self.kernels.dtype, np.empty)
        if numbers is None:
            F = aligned((len(self.S), n_steps * self.k, width), "float64")
        else:
            F = pack(numbers.reshape(self.members, -1), width, "float64")
        keep = np.ones(1) if keep is None else np.ascontiguousarray(keep, dtype=np.float64)
        given = (self.S, self.A, self.P, self._scratch, X, F, 0, len(self.S), self.own, self.k, t0, how.dt, first,
                 n_steps, last, cut, weight, keep, how.rtol, how.atol)  # fmt: skip
        self._call("pull_segment", *given)

    def _call(self, name: str, *given: Any) -> None:
        run: Callable = self.kernels.entry(name, *given)
        with np.errstate(all="ignore"):
            run(*given)

    def covectors(self) -> tuple[np.ndarray, np.ndarray]:
        """The covectors (w, g) of every member, (B, k, n) and (B, k, p)."""
        n = self.kernels.dim
        found = unpack(self.S, self.members)[:, n + 1 :].reshape(self.members, self.k, n)
        return found[..., : self.own], found[..., self.own :]

    def set_covectors(self, w: np.ndarray) -> None:
        """Set the state's part of the covectors, (B, k, n), and forget the gradient."""
        full = np.zeros((self.members, self.k, self.kernels.dim))
        full[..., : self.own] = w
        self.S[:, self.kernels.dim + 1 :] = pack(full.reshape(self.members, -1), self.kernels.width, self.kernels.dtype)

    def forget_gradient(self) -> None:
        """Set g of all covectors to zero; w stays."""
        n = self.kernels.dim
        for c in range(self.k):
            o = n + 1 + c * n
            self.S[:, o + self.own : o + n] = 0.0

    def rows(self) -> np.ndarray:
        """States and counters, (B, n + 1)."""
        return unpack(self.checkpoint(), self.members)

    def fate(self) -> tuple[np.ndarray, np.ndarray]:
        """Status and failed step of every member."""
        A = unpack(self.A, self.members)
        return A[:, layout.STATUS].astype(np.int8), A[:, layout.FAILED_STEP].astype(np.int64)
