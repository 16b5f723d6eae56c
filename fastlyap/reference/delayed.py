"""A step of a delay system as a plain map of the state and its stored history, with its exact tangent.

The extended vector of a member is (x_j; x_{j-1}, h f_{j-1}; ... x_{j-M}, h f_{j-M}), M = ceil(tau / h) + 1. The step is
RK4 on x' = f(t, x, x(t - tau_1), ...), whose delayed arguments are cubic Hermite interpolants of that history; then all
of it moves on by one place. A stack Z (B, 1 + k, N) of extended states and vectors goes through together. Sources:
Bellen & Zennaro, Numerical Methods for Delay Differential Equations, chapter 3; Farmer, Physica 4D (1982).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np

from fastlyap.reference.dual import Dual
from fastlyap.reference.views import View

CLOSE = 1e-9  # a time so close to a stored one, in steps, is that one


@dataclass(frozen=True)
class Past:
    """The delays of B members.

    tau : (B, D); several : whether `x.delayed` is a tuple
    slope : (B, n), h times the slope of the given history at its end, where the solution has another one
    """

    tau: np.ndarray
    several: bool
    slope: np.ndarray

    def slots(self, h: float) -> np.ndarray:
        """(B,) how many steps M are stored."""
        return np.ceil(self.tau.max(axis=1) / h - CLOSE).astype(int) + 1


class Now(View):
    """What a rule sees as `x`: the state, and under `delayed` the earlier ones."""

    def __init__(self, names: Sequence[str], values: Sequence[Any], delayed: View | tuple[View, ...]) -> None:
        super().__init__(names, values)
        self.delayed = delayed


def field(dynamics: Any, t: float, Y: np.ndarray, earlier: Sequence[np.ndarray]) -> np.ndarray:
    """f and its derivatives along the vectors, (B, 1 + k, n), at stacks of present and of earlier states."""
    views = [[Dual(Z[:, 0, i], Z[:, 1:, i].T) for i in range(Z.shape[2])] for Z in (Y, *earlier)]
    past = tuple(View(dynamics.state_names, values) for values in views[1:])
    x = Now(dynamics.state_names, views[0], past if dynamics.past.several else past[0])
    out = np.zeros_like(Y)
    returned = dynamics.rule(Dual(np.asarray(t, dtype=Y.dtype)), x, dynamics.parameters)
    components = [returned] if isinstance(returned, (Dual, Real)) else returned
    for i, component in zip(range(Y.shape[2]), components, strict=True):
        one = component if isinstance(component, Dual) else Dual(component)
        out[:, 0, i] = one.value
        if one.tangent is not None:
            out[:, 1:, i] = one.tangent.T
    return out


def interpolate(history: np.ndarray, ago: np.ndarray, number: int, slope: np.ndarray) -> np.ndarray:
    """The stack (B, 1 + k, n) so many steps ago.

    Parameters
    ----------
    history : (B, 1 + k, M + 1, 2, n)
        (x, h f) now, one step ago, ...
    ago : (B,)
        In steps, from 0 on.
    number : int
        Of the step: that long ago the run began, and the interval before that has its own slope there.
    slope : (B, n)
        That slope times h.
    """
    back = np.maximum(np.ceil(ago - CLOSE).astype(int), 1)
    s = (back - ago).astype(history.dtype)[:, None, None]
    each = np.arange(len(history))
    older, newer = history[each, :, back], history[each, :, back - 1]
    (x0, g0), (x1, g1) = (np.moveaxis(node, 2, 0) for node in (older, newer))
    given = np.zeros_like(g1)
    given[:, 0] = slope
    g1 = np.where((back - 1 == number)[:, None, None], given, g1)
    return (1 + 2 * s) * (1 - s) ** 2 * x0 + s * (1 - s) ** 2 * g0 + s**2 * (3 - 2 * s) * x1 + s**2 * (s - 1) * g1


def step(dynamics: Any, t: float, Z: np.ndarray) -> np.ndarray:
    """One step of a stack of extended states and vectors, (B, 1 + k, N)."""
    past, h, n = dynamics.past, dynamics.dt, dynamics.past.slope.shape[1]
    number = round((t - dynamics.t0) / h)
    x = Z[:, :, :n]
    stored = Z[:, :, n:].reshape(*Z.shape[:2], -1, 2, n)
    history = np.concatenate([np.stack([x, 0 * x], axis=2)[:, :, None], stored], axis=2)

    def slope_at(c: float, Y: np.ndarray) -> np.ndarray:
        earlier = [interpolate(history, tau / h - c, number, past.slope) for tau in past.tau.T]
        return field(dynamics, t + c * h, Y, earlier)

    h = Z.dtype.type(h)
    with np.errstate(all="ignore"):
        k1 = slope_at(0.0, x)
        history[:, :, 0, 1] = h * k1
        k2 = slope_at(0.5, x + h / 2 * k1)
        k3 = slope_at(0.5, x + h / 2 * k2)
        k4 = slope_at(1.0, x + h * k3)
        new = x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
    kept = history[:, :, :-1]
    kept[:, 1:] *= (np.arange(kept.shape[2]) < past.slots(dynamics.dt)[:, None])[:, None, :, None, None]
    return np.concatenate([new, kept.reshape(*Z.shape[:2], -1)], axis=2)
