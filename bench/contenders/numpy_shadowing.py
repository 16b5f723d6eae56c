"""Adjoint shadowing of Lorenz 63 in NumPy, all values and members at once, in the rho-derivative of the mean of z.

Components first, members last, so that every operation runs over long contiguous arrays. States are recomputed in each
segment from its first; two homogeneous covectors, least squares by block elimination with the neutral constraint.
"""

import numpy as np

SIGMA, BETA = 10.0, 8.0 / 3


def field(x, rho):
    """(3, E)"""
    return np.stack([SIGMA * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - BETA * x[2]])


def pull(x, rho, w):
    """J' w for covectors w (3, k, E)."""
    first = (rho - x[2]) * w[1] - SIGMA * w[0] + x[1] * w[2]
    return np.stack([first, SIGMA * w[0] - w[1] + x[0] * w[2], -x[0] * w[1] - BETA * w[2]])


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
    """The covectors before a step, and their products with its derivative by rho (k, E)."""
    x2, x3, x4, _ = stages(x, rho, h)
    g4 = h / 6 * w
    a4 = pull(x4, rho, g4)
    g3 = h / 3 * w + h * a4
    a3 = pull(x3, rho, g3)
    g2 = h / 3 * w + 0.5 * h * a3
    a2 = pull(x2, rho, g2)
    g1 = h / 6 * w + 0.5 * h * a2
    a1 = pull(x, rho, g1)
    return w + a1 + a2 + a3 + a4, x4[0] * g4[1] + x3[0] * g3[1] + x2[0] * g2[1] + x[0] * g1[1]


def orthonormalise(W):
    """Q, R (E, 2, 2) of two covectors W (3, 2, E)."""
    E = W.shape[2]
    R = np.zeros((E, 2, 2))
    R[:, 0, 0] = np.sqrt((W[:, 0] ** 2).sum(0))
    first = W[:, 0] / R[:, 0, 0]
    R[:, 0, 1] = (first * W[:, 1]).sum(0)
    rest = W[:, 1] - R[:, 0, 1] * first
    R[:, 1, 1] = np.sqrt((rest**2).sum(0))
    return np.stack([first, rest / R[:, 1, 1]], axis=1), R


def shadowing(x, rho, h, segments, length, random):
    """The derivative of each member, (E,).

    x : (3, E); rho : (E,); random : (3,), the first covector at the end; the second is the flow's direction.
    """
    E, K = x.shape[1], segments
    starts = []
    for _ in range(K):
        starts.append(x)
        for _ in range(length):
            x = stages(x, rho, h)[3]
    W = orthonormalise(np.stack([np.repeat(random[:, None], E, axis=1), field(x, rho)], axis=1))[0]
    v, gv = np.zeros((3, 1, E)), np.zeros(E)
    C, R = np.zeros((K, E, 2, 2)), np.zeros((K, E, 2, 2))
    d, b = np.zeros((K, E, 2, 2)), np.zeros((K, E, 2, 2))  # columns: the objective, the flow
    gW, hv = np.zeros((K, 2, E)), np.zeros(E)
    for k in reversed(range(K)):
        states = [starts[k]]
        for _ in range(length - 1):
            states.append(stages(states[-1], rho, h)[3])
        c, s, f = np.zeros((2, 2, E)), np.zeros((2, E)), np.zeros((2, E))
        for x in reversed(states):
            w, g = step_back(x, rho, h, np.concatenate([W, v], axis=1))
            gW[k] += g[:2]
            gv += g[2]
            W, v = w[:, :2], w[:, 2:]
            v[2] += 1.0
            F = field(x, rho)
            c += np.einsum("cie,cje->ije", W, W)
            s += (W * v).sum(0)
            f += (W * F[:, None]).sum(0)
            hv += (v[:, 0] * F).sum(0)
        C[k], d[k, :, :, 0], d[k, :, :, 1] = c.transpose(2, 0, 1), s.T, f.T
        W, R[k] = orthonormalise(W)
        take = (W * v).sum(0)
        b[k, :, :, 0] = take.T
        v = v - (W * take).sum(1)[:, None]
    a = coefficients(C, R, d, b)
    turn = -(hv + (a[..., 0] * d[..., 1]).sum((0, 2))) / (a[..., 1] * d[..., 1]).sum((0, 2))
    a = a[..., 0] + turn[:, None] * a[..., 1]
    return (gv + (a.transpose(0, 2, 1) * gW).sum((0, 1))) / (K * length)


def coefficients(C, R, d, b):
    """Least squares with continuity, two right-hand sides at once: a (K, E, 2, 2)."""
    K = len(C)
    inverse = np.linalg.inv(C)
    Cd = inverse @ d
    D, G, r = [None] * K, [None] * K, [None] * K
    for k in range(1, K):
        U = R[k] @ inverse[k]
        D[k] = inverse[k - 1] + U @ R[k].swapaxes(1, 2)
        r[k] = R[k] @ Cd[k] - b[k] - Cd[k - 1]
        if k > 1:
            m = np.linalg.solve(D[k - 1], G[k - 1]).swapaxes(1, 2)
            D[k] -= m @ G[k - 1]
            r[k] -= m @ r[k - 1]
        G[k] = -U
    later, a = np.zeros_like(d[0]), np.empty_like(d)
    for k in reversed(range(K)):
        now = np.linalg.solve(D[k], r[k] - (G[k] @ later if k < K - 1 else 0.0)) if k else 0.0
        a[k] = -inverse[k] @ (d[k] + later - (R[k].swapaxes(1, 2) @ now if k else 0.0))
        later = now
    return a
