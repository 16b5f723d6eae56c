"""Explicit Runge-Kutta methods by their tables, applied to states and tangents at once.

Y_i = Z + h sum_j a_ij K_j, K_i = f(t + c_i h, Y_i), Z' = Z + h sum_i b_i K_i. Since Z stacks a state and its
tangents, and the field returns f and its Jacobian-vector products, Z' holds the exact tangent of the step.
Source: Hairer, Norsett & Wanner, Solving Ordinary Differential Equations I, tables II.1.2 and II.5.2.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Tableau(NamedTuple):
    """Coefficients; `error` gives b - b_hat where the method has an embedded one."""

    a: tuple[tuple[float, ...], ...]
    b: tuple[float, ...]
    c: tuple[float, ...]
    error: tuple[float, ...] = ()


EULER = Tableau(((),), (1.0,), (0.0,))
RK4 = Tableau(((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)), (1 / 6, 1 / 3, 1 / 3, 1 / 6), (0.0, 1 / 2, 1 / 2, 1.0))
DOPRI5 = Tableau(
    a=(
        (),
        (1 / 5,),
        (3 / 40, 9 / 40),
        (44 / 45, -56 / 15, 32 / 9),
        (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
        (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
    ),
    b=(35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
    c=(0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
    error=(71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40),
)
TABLEAUS = {"euler": EULER, "rk4": RK4, "dopri5": DOPRI5}


class Stages(NamedTuple):
    """One explicit step: the stages (times, points, slopes) and the new stack."""

    times: list[np.ndarray]
    points: list[np.ndarray]
    slopes: list[np.ndarray]
    new: np.ndarray


def combine(weights: Sequence[float], slopes: Sequence[np.ndarray]) -> np.ndarray | float:
    """Sum of weighted slopes; weights 0 are left out, so that a NaN there cannot enter."""
    return sum(w * K for w, K in zip(weights, slopes, strict=False) if w)


def explicit_step(field: Callable, t: np.ndarray, Z: np.ndarray, h: np.ndarray, method: Tableau) -> Stages:
    """A step of size h (B,) from time t (B,) of the stack Z (B, 1 + k, n)."""
    wide = h[:, None, None]
    times, points, slopes = [], [], []
    for a, c in zip(method.a, method.c, strict=True):
        times.append(t + c * h)
        points.append(Z + wide * combine(a, slopes))
        slopes.append(field(times[-1], points[-1]))
    return Stages(times, points, slopes, Z + wide * combine(method.b, slopes))


def mean_divergence(jacobian: Callable, made: Stages, method: Tableau) -> np.ndarray:
    """sum_i b_i tr f_x at the stages of a step, (B,): the method's own quadrature of the divergence."""
    traces = [
        np.trace(jacobian(t, Y[:, 0]), axis1=1, axis2=2) if b else 0.0
        for t, Y, b in zip(made.times, made.points, method.b, strict=True)
    ]
    return combine(method.b, traces)
