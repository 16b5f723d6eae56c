"""One step linearised by state and parameters: the parameters are dual variables that do not move.

The rule is called on (x, theta) with the unit vectors of both as tangents, so that one step gives A = dx'/dx and
B = dx'/dtheta at once. A random step x' = f(x) + s(x) V b is differentiated in two parts: f, and the size s of the
noise, sqrt(dt) included.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from fastlyap.reference.dual import Dual
from fastlyap.reference.dynamics import Dynamics, with_identity
from fastlyap.reference.step import step
from fastlyap.reference.views import View, objects


class Part(NamedTuple):
    """Values (B, m), their derivatives by the state (B, m, n) and by the parameters (B, m, p)."""

    value: np.ndarray
    x: np.ndarray
    p: np.ndarray


def drift(dynamics: Dynamics, columns: tuple[int, ...], t: float, x: np.ndarray) -> Part:
    """The step without its noise; B of the flat parameters `columns`."""
    n = x.shape[1]

    def rule(t, big, p, *normals):
        made = dynamics.rule(t, *_cut(dynamics, columns, big, n), *normals)
        made = list(made) if isinstance(made, (tuple, list, np.ndarray)) else [made]
        return made + (list(big)[n:] if dynamics.integrator == "map" else [0.0] * len(columns))

    quiet = replace(dynamics, rule=rule, noise=None, state_names=())
    return _part(step(quiet, t, _stack(dynamics, columns, x), np.zeros(len(x))).Z, n)


def size(dynamics: Dynamics, columns: tuple[int, ...], t: float, x: np.ndarray) -> Part:
    """The size of the noise of a whole step, one number per state."""
    n, noise = x.shape[1], dynamics.noise
    assert noise is not None and noise.size is not None

    def rule(t, big, p):
        sizes = list(noise.size(t, *_cut(dynamics, columns, big, n)))
        return (sizes * n if len(sizes) == 1 else sizes) + [0.0] * len(columns)

    part = _part(replace(dynamics, rule=rule, state_names=()).field(t, _stack(dynamics, columns, x)), n)
    return Part(*(np.sqrt(dynamics.dt) * each for each in part))


def observable(dynamics: Dynamics, columns: tuple[int, ...], fn: Callable, x: np.ndarray) -> Part:
    """The number fn(x, p), m = 1."""
    n = x.shape[1]

    def rule(t, big, p):
        return [fn(*_cut(dynamics, columns, big, n))] + [0.0] * (n + len(columns) - 1)

    part = _part(replace(dynamics, rule=rule, state_names=()).field(0.0, _stack(dynamics, columns, x)), n)
    return Part(*(each[:, :1] for each in part))


def _cut(dynamics: Dynamics, columns: tuple[int, ...], big: View, n: int) -> tuple[View, View]:
    """What the user's functions see of (x, theta): the state and all parameters."""
    items, flat = list(big), [Dual(column) for column in dynamics.p.T]
    for column, value in zip(columns, items[n:], strict=True):
        flat[column] = value
    values, first = [], 0
    for shape in dynamics.parameter_shapes:
        count = int(np.prod(shape, dtype=int))
        values.append(objects(flat[first : first + count]).reshape(shape) if shape else flat[first])
        first += count
    return View(dynamics.state_names, items[:n]), View(dynamics.parameter_names, values)


def _stack(dynamics: Dynamics, columns: tuple[int, ...], x: np.ndarray) -> np.ndarray:
    return with_identity(np.concatenate([x, dynamics.p[:, list(columns)]], axis=1))


def _part(Z: np.ndarray, n: int) -> Part:
    J = Z[:, 1:, :n].swapaxes(1, 2)
    return Part(Z[:, 0, :n], J[:, :, :n], J[:, :, n:])
