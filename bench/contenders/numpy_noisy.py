"""A noisy Henon map and Lorenz 63 with noise (Heun's scheme) in NumPy, all members of a batch at once, by components.

`normals(step, count)` gives the (count, members) normals of a step: NumPy's own generator for the timing, the
counter-based ones, slow to make one by one, for the agreement.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import ndtri

from bench.contenders.numpy_lorenz63 import _both, _gram_schmidt
from bench.workloads import DT, EVERY, frame, henon, lorenz63

Normals = Callable[[int, int], np.ndarray]


def fresh(members: int) -> Normals:
    """Normals of one generator for the whole batch, the fastest way."""
    rng = np.random.default_rng(0)
    return lambda step, count: rng.standard_normal((count, members))


def counted(members: int) -> Normals:
    """The normals that we draw at seed 0."""

    def normals(step: int, count: int) -> np.ndarray:
        words = [np.random.Philox(key=[0, e], counter=[0, step, 1, 0]).random_raw(count) for e in range(members)]
        return ndtri(((np.array(words).T >> np.uint64(12)) + 0.5) * 2.0**-52)

    return normals


def noisy_henon(a: np.ndarray, steps: int, sigma: float, make: Callable[[int], Normals] = fresh) -> np.ndarray:
    """Exponents (members, 2)."""
    x, y = np.repeat(henon.x0[:, None], len(a), axis=1)
    V = np.repeat(frame(2)[:, :, None], len(a), axis=2)
    normals, total = make(len(a)), 0.0
    for step in range(steps):
        b = normals(step, 2)
        slope = -2 * a * x
        x, y = 1 - a * x * x + y + sigma * b[0], 0.3 * x + sigma * b[1]
        V = np.stack([slope * V[:, 0] + V[:, 1], 0.3 * V[:, 0]], axis=1)
        if (step + 1) % EVERY == 0:
            lengths = np.empty_like(V[:, 0])
            for j in range(2):
                if j:
                    V[1] -= (V[0] * V[1]).sum(axis=0) * V[0]
                lengths[j] = np.sqrt((V[j] * V[j]).sum(axis=0))
                V[j] /= lengths[j]
            total = total + np.log(lengths)
    return total.T / steps


def noisy_lorenz63(rho: np.ndarray, steps: int, sigma: float, make: Callable[[int], Normals] = fresh) -> np.ndarray:
    """Exponents (members, 3)."""
    x = np.repeat(lorenz63.x0[:, None], len(rho), axis=1)
    V = np.repeat(frame(3)[:, :, None], len(rho), axis=2)
    normals, total = make(len(rho)), 0.0
    for step in range(steps):
        kick = sigma * np.sqrt(DT) * normals(step, 3)
        k1, l1 = _both(x, V, rho)
        k2, l2 = _both(x + DT * k1 + kick, V + DT * l1, rho)
        x = x + 0.5 * DT * (k1 + k2) + kick
        V = V + 0.5 * DT * (l1 + l2)
        if (step + 1) % EVERY == 0:
            V, lengths = _gram_schmidt(V)
            total = total + np.log(lengths)
    return total.T / (steps * DT)
