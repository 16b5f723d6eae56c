"""A stored orbit with everything the gradient methods read from it. They are then formulas on arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.sensitivity import linear
from fastlyap.reference.sensitivity.linear import Part


class Noisy(NamedTuple):
    """The noise of N steps: its normals b (N, B, q), V (n, q), and s (N, B, n) with its derivatives."""

    b: np.ndarray
    directions: np.ndarray
    size: Part

    @property
    def mixed(self) -> np.ndarray:
        """V b, (N, B, n)."""
        return self.b @ self.directions.T


class Orbit(NamedTuple):
    """N steps of B members.

    x : (N + 1, B, n)
    A, B : (N, B, n, n), (N, B, n, p), the derivatives of the step without its noise
    phi, phi_x, phi_p : (N + 1, B), (N + 1, B, n), (N + 1, B, p), the observable
    field : (N + 1, B, n), the right-hand side of a flow; None for maps
    noise : Noisy, or None
    """

    x: np.ndarray
    A: np.ndarray
    B: np.ndarray
    phi: np.ndarray
    phi_x: np.ndarray
    phi_p: np.ndarray
    field: np.ndarray | None = None
    noise: Noisy | None = None

    @property
    def whole(self) -> tuple[np.ndarray, np.ndarray]:
        """A and B of the whole step, the normals of its noise held fixed."""
        if self.noise is None:
            return self.A, self.B
        mixed = self.noise.mixed[..., None]
        return self.A + mixed * self.noise.size.x, self.B + mixed * self.noise.size.p


def orbit(
    dynamics: Dynamics, columns: tuple[int, ...], fn: Callable, x: np.ndarray, *, steps: int, transient: int = 0
) -> Orbit:
    """The orbit of `steps` steps that follow `transient` steps.

    Parameters
    ----------
    columns : tuple of int
        Flat parameters to differentiate by.
    fn : callable
        The observable, `fn(x, p)`.
    x : (B, n)
        States at `dynamics.t0`.
    """
    seen, moves = [], []
    for number in range(transient + steps):
        move, b, spread = _advance(dynamics, columns, number, x)
        if number >= transient:
            seen.append(x)
            moves.append((move.x, move.p, b, spread))
        x = move.value if b is None else move.value + spread.value * (b @ _directions(dynamics, x).T)
    states = np.array([*seen, x])
    times = dynamics.t0 + (transient + np.arange(steps + 1)) * dynamics.dt
    parts = [linear.observable(dynamics, columns, fn, state) for state in states]
    phi, phi_x, phi_p = (np.array([part[i][:, 0] for part in parts]) for i in range(3))
    flow = dynamics.integrator != "map"
    fields = [dynamics.field(t, state[:, None])[:, 0] for t, state in zip(times, states, strict=True)] if flow else None
    A, B, b, sizes = zip(*moves, strict=True)
    noise = None
    if dynamics.noise is not None:
        size = Part(*(np.array(each) for each in zip(*sizes, strict=True)))
        noise = Noisy(np.array(b), _directions(dynamics, x), size)
    return Orbit(states, np.array(A), np.array(B), phi, phi_x, phi_p, fields and np.array(fields), noise)


def _advance(dynamics: Dynamics, columns: tuple[int, ...], number: int, x: np.ndarray) -> tuple:
    """The step without noise; and its normals and size, None where there are none."""
    t = dynamics.t0 + number * dynamics.dt
    move = linear.drift(dynamics, columns, t, x)
    if dynamics.noise is None:
        return move, None, None
    return move, dynamics.noise.normals(number, len(x)), linear.size(dynamics, columns, t, x)


def _directions(dynamics: Dynamics, x: np.ndarray) -> np.ndarray:
    V = dynamics.noise.directions if dynamics.noise is not None else None
    return np.eye(x.shape[1]) if V is None else V
