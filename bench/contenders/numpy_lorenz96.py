"""Lorenz 96 in NumPy, all members of a batch at once: RK4 and its tangent, QR by the batched `linalg.qr`."""

import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz96

N = 40
AHEAD, BEHIND, FAR = (np.arange(N) + 1) % N, np.arange(N) - 1, np.arange(N) - 2


def batched(forcing: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, N): states x (B, N), tangent vectors V (B, N vectors, N)."""
    x = np.repeat(lorenz96(N).x0[None], len(forcing), axis=0)
    V = np.repeat(frame(N)[None], len(forcing), axis=0)
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
            Q, R = np.linalg.qr(V.swapaxes(1, 2))
            V = np.ascontiguousarray(Q.swapaxes(1, 2))
            total += np.log(np.abs(np.diagonal(R, axis1=1, axis2=2)))
    return total / (steps * DT)


def _both(x, V, F):
    slope, before = x[:, AHEAD] - x[:, FAR], x[:, BEHIND]
    L = (V[:, :, AHEAD] - V[:, :, FAR]) * before[:, None] + slope[:, None] * V[:, :, BEHIND] - V
    return slope * before - x + F, L
