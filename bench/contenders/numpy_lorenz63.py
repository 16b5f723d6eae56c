"""Lorenz 63 in NumPy, RK4 and its tangent: one system after another, and all systems as arrays."""

import numpy as np

from bench.workloads import DT, EVERY, frame, lorenz63

SIGMA, BETA = 10.0, 8 / 3


def loop(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), the members one after another; state and frame as small arrays."""
    return np.array([_one(value, steps) for value in rho])


def _rule(x, rho):
    return np.array([SIGMA * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - BETA * x[2]])


def _jacobian(x, rho):
    return np.array([[-SIGMA, SIGMA, 0.0], [rho - x[2], -1.0, -x[0]], [x[1], x[0], -BETA]])


def _one(rho, steps):
    x, V = lorenz63.x0, frame(3).T
    total = np.zeros(3)
    for step in range(1, steps + 1):
        k1, l1 = _rule(x, rho), _jacobian(x, rho) @ V
        y = x + 0.5 * DT * k1
        k2, l2 = _rule(y, rho), _jacobian(y, rho) @ (V + 0.5 * DT * l1)
        y = x + 0.5 * DT * k2
        k3, l3 = _rule(y, rho), _jacobian(y, rho) @ (V + 0.5 * DT * l2)
        y = x + DT * k3
        k4, l4 = _rule(y, rho), _jacobian(y, rho) @ (V + DT * l3)
        x = x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        V = V + DT / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        if step % EVERY == 0:
            V, R = np.linalg.qr(V)
            total += np.log(np.abs(np.diag(R)))
    return total / (steps * DT)


def batched(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), all members at once: x (3, B), tangent vectors V (3 vectors, 3, B)."""
    x = np.repeat(lorenz63.x0[:, None], len(rho), axis=1)
    V = np.repeat(frame(3)[:, :, None], len(rho), axis=2)
    total = np.zeros((3, len(rho)))
    for step in range(1, steps + 1):
        k1, l1 = _both(x, V, rho)
        k2, l2 = _both(x + 0.5 * DT * k1, V + 0.5 * DT * l1, rho)
        k3, l3 = _both(x + 0.5 * DT * k2, V + 0.5 * DT * l2, rho)
        k4, l4 = _both(x + DT * k3, V + DT * l3, rho)
        x = x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        V = V + DT / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        if step % EVERY == 0:
            total += np.log(_gram_schmidt(V))
    return total.T / (steps * DT)


def _both(x, V, rho):
    k = np.empty_like(x)
    k[0] = SIGMA * (x[1] - x[0])
    k[1] = x[0] * (rho - x[2]) - x[1]
    k[2] = x[0] * x[1] - BETA * x[2]
    L = np.empty_like(V)
    L[:, 0] = SIGMA * (V[:, 1] - V[:, 0])
    L[:, 1] = (rho - x[2]) * V[:, 0] - V[:, 1] - x[0] * V[:, 2]
    L[:, 2] = x[1] * V[:, 0] + x[0] * V[:, 1] - BETA * V[:, 2]
    return k, L


def _gram_schmidt(V):
    """Orthonormalise in place; the lengths (3, B)."""
    lengths = np.empty_like(V[:, 0])
    for j in range(3):
        for i in range(j):
            V[j] -= (V[i] * V[j]).sum(axis=0) * V[i]
        lengths[j] = np.sqrt((V[j] * V[j]).sum(axis=0))
        V[j] /= lengths[j]
    return lengths
