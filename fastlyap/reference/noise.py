"""Random steps, from the formulas: maps with noise, Euler-Maruyama (Ito), Heun (Stratonovich), noise after RK4.

x' = f + s(t, x) V b for maps and dx = f dt + s(t, x) V dB for flows, with independent standard normals b that are the
same for the state and its tangents. Sources: Maruyama (1955); Ruemelin, SIAM J. Numer. Anal. 19 (1982); Kloeden &
Platen, Numerical Solution of Stochastic Differential Equations. The words are NumPy's, the quantiles SciPy's.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtri

from fastlyap.reference.tableau import TABLEAUS, explicit_step, mean_divergence

STREAM = 1


@dataclass(frozen=True)
class Noise:
    """The noise of B members.

    size : rule(t, x, p) -> one number or one per state; None where only the dynamics' own rule reads the normals
    directions : (n, q), V; None is the identity
    additive : whether the size does not depend on the state
    count : normals drawn at every step, those that the rule reads first
    seed : int; member e is number e
    """

    size: Callable | None
    directions: np.ndarray | None
    additive: bool
    count: int
    seed: int

    def normals(self, step: int, members: int) -> np.ndarray:
        """(B, count) of step number `step`."""
        return np.array([normals(self.seed, e, step, self.count) for e in range(members)])


def normals(seed: int, member: int, step: int, count: int) -> np.ndarray:
    """The normals of one member at one step, from the middles of 2**52 equal parts of (0, 1)."""
    return _quantiles(_words(seed, member, 0, step, count))


def sequence(seed: int, member: int, sample: int, count: int) -> np.ndarray:
    """The normals of the layers of a network, for one sample: 32 at a time, first words of 8 counters before second.

    The counters q = 8k ... 8k + 7 of two blocks give the numbers from 64k on.
    """
    found = []
    for r in range(-(-count // 32)):
        block, first = 2 * sample + r % 2, 8 * (r // 2)
        found.append(np.array([_words(seed, member, block, q, 4) for q in range(first, first + 8)]).T.ravel())
    return _quantiles(np.concatenate(found)[:count])


def _words(seed: int, member: int, first: int, step: int, count: int) -> np.ndarray:
    key, counter = (np.array(v, dtype=np.uint64) for v in ([seed, member], [first, step, STREAM, 0]))
    return np.random.Philox(key=key, counter=counter).random_raw(count)


def _quantiles(words: np.ndarray) -> np.ndarray:
    return ndtri(((words >> np.uint64(12)).astype(np.float64) + 0.5) / 2.0**52)


def step(dynamics: Any, t: float, Z: np.ndarray, divergence: bool) -> tuple[np.ndarray, np.ndarray]:
    """The stack Z (B, 1 + k, n) a step later, and the integral of the divergence (B,), NaN for multiplicative Ito."""
    noise, dt = dynamics.noise, dynamics.dt
    b = noise.normals(round((t - dynamics.t0) / dt), len(Z)).astype(Z.dtype)
    own = b[:, : noise.count - _width(noise, Z.shape[2])]
    mixed = b[:, own.shape[1] :] if noise.directions is None else b[:, own.shape[1] :] @ noise.directions.T
    with np.errstate(all="ignore"):
        if dynamics.integrator == "map":
            made = dynamics.field(t, Z, own)
            if noise.size is not None:
                made = made + dynamics.size(t, Z) * mixed[:, None].astype(Z.dtype)
            return made, np.zeros(len(Z))
        dW = (np.sqrt(dt) * mixed[:, None]).astype(Z.dtype)
        return METHODS[dynamics.integrator](dynamics, np.full(len(Z), t, dtype=Z.dtype), Z, dW, divergence)


def _width(noise: Noise, n: int) -> int:
    if noise.size is None:
        return 0
    return n if noise.directions is None else noise.directions.shape[1]


def euler(dynamics: Any, t: np.ndarray, Z: np.ndarray, dW: np.ndarray, divergence: bool) -> tuple:
    """Z + h f(Z) + s(Z) dW."""
    h, x = Z.dtype.type(dynamics.dt), Z[:, 0]
    made = Z + h * dynamics.field(t, Z) + dynamics.size(t, Z) * dW
    if not divergence:
        return made, np.zeros(len(Z))
    return made, h * _trace(dynamics.jacobian(t, x)) if dynamics.noise.additive else np.full(len(Z), np.nan)


def heun(dynamics: Any, t: np.ndarray, Z: np.ndarray, dW: np.ndarray, divergence: bool) -> tuple:
    """Y = Z + h f(Z) + s(Z) dW, then Z + h (f(Z) + f(Y)) / 2 + (s(Z) + s(Y)) dW / 2."""
    h = Z.dtype.type(dynamics.dt)
    later = t + h
    f, s = dynamics.field(t, Z), dynamics.size(t, Z)
    Y = Z + h * f + s * dW
    made = Z + (h * (f + dynamics.field(later, Y)) + (s + dynamics.size(later, Y)) * dW) / 2
    if not divergence:
        return made, np.zeros(len(Z))
    total = np.zeros(len(Z))
    for time, x in ((t, Z[:, 0]), (later, Y[:, 0])):
        slope = np.einsum("bii,bi->b", dynamics.size_jacobian(time, x), dW[:, 0])
        total = total + (h * _trace(dynamics.jacobian(time, x)) + slope) / 2
    return made, total


def rk4(dynamics: Any, t: np.ndarray, Z: np.ndarray, dW: np.ndarray, divergence: bool) -> tuple:
    """The classical step without noise, then the noise, which does not depend on the state."""
    h = np.full(len(Z), dynamics.dt, dtype=Z.dtype)
    made = explicit_step(dynamics.field, t, Z, h, TABLEAUS["rk4"])
    mean = mean_divergence(dynamics.jacobian, made, TABLEAUS["rk4"]) if divergence else np.zeros(len(Z))
    return made.new + dynamics.size(t, Z) * dW, h * mean


METHODS = {"euler": euler, "heun_sde": heun, "rk4": rk4}


def _trace(J: np.ndarray) -> np.ndarray:
    return np.trace(J, axis1=1, axis2=2)
