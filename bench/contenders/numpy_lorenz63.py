"""Lorenz 63 in NumPy, RK4 and its tangent: one system after another, and all at once in two layouts.

`components` keeps each component of all members together and is the fastest; `matrices` is what one writes first.
"""

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


def components(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), all members at once: x (3, B), tangent vectors V (3 vectors, 3, B)."""
    x = np.repeat(lorenz63.x0[:, None], len(rho), axis=1)
    V = np.repeat(frame(3)[:, :, None], len(rho), axis=2)
    return _all(x, V, rho, steps, both=_both, orthonormalise=_gram_schmidt).T


def matrices(rho: np.ndarray, steps: int) -> np.ndarray:
    """Exponents (members, 3), all members at once: x (B, 3), J @ V of stacked matrices, `linalg.qr`."""
    x = np.repeat(lorenz63.x0[None], len(rho), axis=0)
    V = np.repeat(frame(3).T[None], len(rho), axis=0)
    return _all(x, V, rho, steps, both=_both_of_matrices, orthonormalise=_qr)


def _all(x, V, rho, steps, *, both, orthonormalise):
    total = 0.0
    for step in range(1, steps + 1):
        k1, l1 = both(x, V, rho)
        k2, l2 = both(x + 0.5 * DT * k1, V + 0.5 * DT * l1, rho)
        k3, l3 = both(x + 0.5 * DT * k2, V + 0.5 * DT * l2, rho)
        k4, l4 = both(x + DT * k3, V + DT * l3, rho)
        x = x + DT / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        V = V + DT / 6 * (l1 + 2 * l2 + 2 * l3 + l4)
        if step % EVERY == 0:
            V, lengths = orthonormalise(V)
            total = total + np.log(lengths)
    return total / (steps * DT)


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
    """Orthonormalise in place; the lengths are (3, B)."""
    lengths = np.empty_like(V[:, 0])
    for j in range(3):
        for i in range(j):
            V[j] -= (V[i] * V[j]).sum(axis=0) * V[i]
        lengths[j] = np.sqrt((V[j] * V[j]).sum(axis=0))
        V[j] /= lengths[j]
    return V, lengths


def _both_of_matrices(x, V, rho):
    X, Y, Z = x.T
    J = np.zeros((len(x), 3, 3))
    J[:, 0, 0], J[:, 0, 1] = -SIGMA, SIGMA
    J[:, 1, 0], J[:, 1, 1], J[:, 1, 2] = rho - Z, -1.0, -X
    J[:, 2, 0], J[:, 2, 1], J[:, 2, 2] = Y, X, -BETA
    return np.stack([SIGMA * (Y - X), X * (rho - Z) - Y, X * Y - BETA * Z], axis=1), J @ V


def _qr(V):
    Q, R = np.linalg.qr(V)
    return Q, np.abs(np.diagonal(R, axis1=1, axis2=2))
