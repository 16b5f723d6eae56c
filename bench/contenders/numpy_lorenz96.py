"""Lorenz 96 in NumPy, all members of a batch at once: RK4 and its tangent, QR by the batched `linalg.qr`.

Neighbours are slices of arrays padded round the ring, which is faster than index arrays and than J @ V.
"""

import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz96

N = 40


def batched(forcing: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, N): states x (B, N), tangent vectors V (B, N, N vectors)."""
    x = np.repeat(lorenz96(N).x0[None], len(forcing), axis=0)
    V = np.repeat(frame(N).T[None], len(forcing), axis=0)
    F = forcing[:, None]
    total = np.zeros((len(forcing), N))
    for step in range(1, steps + 1):
        k1, l1 = _both(x, V, F)
        k2, l2 = _both(x + 0.5 * DT * k1, V + 0.5 * DT * l1, F)
        k3, l3 = _both(x + 0.5 * DT * k2, V + 0.5 * DT * l2, F)
        k4, l4 = _both(x + DT * k3, V + DT * l3, F)
        x = x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        V = V + DT / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        if step % EVERY == 0:
            V, R = np.linalg.qr(V)
            total += np.log(np.abs(np.diagonal(R, axis1=1, axis2=2)))
    return total / (steps * DT)


def _both(x, V, F):
    y, W = _padded(x), _padded(V)
    slope, before = y[:, 3:] - y[:, :-3], y[:, 1:-2]
    L = before[:, :, None] * (W[:, 3:] - W[:, :-3]) + slope[:, :, None] * W[:, 1:-2] - V
    return slope * before - x + F, L


def _padded(a):
    """Two components in front and one behind."""
    return np.concatenate([a[:, -2:], a, a[:, :1]], axis=1)
