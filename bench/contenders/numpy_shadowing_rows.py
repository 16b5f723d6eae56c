"""Adjoint shadowing of Lorenz 63 in NumPy as one writes it first: members first, vectors in rows, the whole orbit kept.

Batched over all values and members like `numpy_shadowing`, whose arrays are laid out for long loops; the formulas and
the solution for the coefficients are the same.
"""

import numpy as np

from bench.contenders.numpy_shadowing import BETA, SIGMA, coefficients


def field(x, rho):
    """(E, 3)"""
    return np.stack(
        [SIGMA * (x[:, 1] - x[:, 0]), x[:, 0] * (rho - x[:, 2]) - x[:, 1], x[:, 0] * x[:, 1] - BETA * x[:, 2]], axis=1
    )


def jacobian(x, rho):
    """(E, 3, 3)"""
    J = np.zeros((len(x), 3, 3))
    J[:, 0, 0], J[:, 0, 1] = -SIGMA, SIGMA
    J[:, 1, 0], J[:, 1, 1], J[:, 1, 2] = rho - x[:, 2], -1.0, -x[:, 0]
    J[:, 2, 0], J[:, 2, 1], J[:, 2, 2] = x[:, 1], x[:, 0], -BETA
    return J


def stages(x, rho, h):
    """The states of the stages of a Runge-Kutta step, and where it leads."""
    a = field(x, rho)
    x2 = x + 0.5 * h * a
    b = field(x2, rho)
    x3 = x + 0.5 * h * b
    c = field(x3, rho)
    x4 = x + h * c
    return x2, x3, x4, x + h / 6 * (a + 2 * (b + c) + field(x4, rho))


def step_back(x, rho, h, w):
    """The covectors w (E, k, 3) before a step, and their products with its derivative by rho (E, k)."""
    x2, x3, x4, _ = stages(x, rho, h)
    g4 = h / 6 * w
    a4 = g4 @ jacobian(x4, rho)
    g3 = h / 3 * w + h * a4
    a3 = g3 @ jacobian(x3, rho)
    g2 = h / 3 * w + 0.5 * h * a3
    a2 = g2 @ jacobian(x2, rho)
    g1 = h / 6 * w + 0.5 * h * a2
    a1 = g1 @ jacobian(x, rho)
    by_rho = sum(y[:, None, 0] * g[..., 1] for y, g in ((x4, g4), (x3, g3), (x2, g2), (x, g1)))
    return w + a1 + a2 + a3 + a4, by_rho


def shadowing(x, rho, h, segments, length, random):
    """The derivative of each member, (E,); x (E, 3), rho (E,), random (3,)."""
    E, K = len(x), segments
    orbit = [x]
    for _ in range(K * length):
        orbit.append(stages(orbit[-1], rho, h)[3])
    W = np.stack([np.broadcast_to(random, (E, 3)), field(orbit[-1], rho)], axis=1)
    W = np.linalg.qr(W.swapaxes(1, 2))[0].swapaxes(1, 2)
    v, gv, hv = np.zeros((E, 1, 3)), np.zeros(E), np.zeros(E)
    C, R, d, b = (np.zeros((K, E, 2, 2)) for _ in range(4))
    gW = np.zeros((K, E, 2))
    for k in reversed(range(K)):
        for n in reversed(range(k * length, (k + 1) * length)):
            w, g = step_back(orbit[n], rho, h, np.concatenate([W, v], axis=1))
            gW[k] += g[:, :2]
            gv += g[:, 2]
            W, v = w[:, :2], w[:, 2:]
            v[:, :, 2] += 1.0
            F = field(orbit[n], rho)
            C[k] += W @ W.swapaxes(1, 2)
            d[k, :, :, 0] += (W @ v.swapaxes(1, 2))[:, :, 0]
            d[k, :, :, 1] += (W @ F[:, :, None])[:, :, 0]
            hv += (v[:, 0] * F).sum(axis=1)
        Q, R[k] = np.linalg.qr(W.swapaxes(1, 2))
        b[k, :, :, 0] = (v @ Q)[:, 0]
        W, v = Q.swapaxes(1, 2), v - (b[k, :, None, :, 0] @ Q.swapaxes(1, 2))
    a = coefficients(C, R, d, b)
    turn = -(hv + (a[..., 0] * d[..., 1]).sum((0, 2))) / (a[..., 1] * d[..., 1]).sum((0, 2))
    a = a[..., 0] + turn[:, None] * a[..., 1]
    return (gv + (a * gW).sum((0, 2))) / (K * length)
