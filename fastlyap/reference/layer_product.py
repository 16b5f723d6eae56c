"""Singular values of a product of matrices of different shapes, the Jacobians of the layers of a network.

QR through the matrices and back through their transposes in turn, as in `singular`: subspace iteration on A'A for
A = A_L ... A_1, which is never formed. A column whose remainder is rounding has met the end of the rank.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastlyap.reference.singular import Singular

ROUNDING = 1e-14


def dense_jacobians(
    weights: Sequence[np.ndarray], biases: Sequence[np.ndarray], activation: tuple, x: np.ndarray
) -> list[np.ndarray]:
    """Jacobians diag(phi'(z)) W' of the layers y = phi(z), z = x W + b, at one input x (n0,), as columns go.

    activation : the function and its slope.
    """
    found = []
    for W, b in zip(weights, biases, strict=True):
        z = x @ W + b
        x = activation[0](z)
        found.append(activation[1](z)[:, None] * W.T)
    return found


def through(matrices: Sequence[np.ndarray], frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frame (n, k) after QR at each of the matrices in turn, and the sum of log R_jj (k,)."""
    total = np.zeros(frame.shape[1])
    for matrix in matrices:
        moved = matrix @ frame
        frame, R = np.linalg.qr(moved)
        r = np.abs(np.diag(R))
        r = np.where(r <= ROUNDING * np.linalg.norm(moved, axis=0), 0.0, r)
        with np.errstate(divide="ignore"):
            total = total + np.log(r)
    return frame, total


def singular_values(matrices: Sequence[np.ndarray], k: int, n_sweeps: int = 12, seed: int = 0) -> Singular:
    """The k largest, after so many sweeps there and back from a random frame; close ones need many."""
    noise = np.random.default_rng(seed).standard_normal((matrices[0].shape[1], k))
    start = np.linalg.qr(noise)[0]
    for _ in range(n_sweeps):
        end, _ = through(matrices, start)
        start, sums = through([matrix.T for matrix in matrices[::-1]], end)
    order = np.argsort(-sums, kind="stable")
    return Singular(sums[order], start.T[order], end.T[order])
