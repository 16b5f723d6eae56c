"""Singular values and directions of a product of matrices, by QR sweeps in turn or from the product itself.

The sweeps never form the product: with A = J_{N-1} ... J_0, QR through the J and back through their transposes is
subspace iteration on A'A. The product itself serves where it neither overflows nor loses its small singular values.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Singular(NamedTuple):
    """sums : (k,) log singular values; right, left : (k, n) unit vectors at the start and at the end."""

    sums: np.ndarray
    right: np.ndarray
    left: np.ndarray


def through(matrices: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The frame (n, k) after QR at each of the matrices (N, n, n), and the sum of log R_jj (k,)."""
    total = np.zeros(frame.shape[1])
    for matrix in matrices:
        frame, R = np.linalg.qr(matrix @ frame)
        frame = frame * np.where(np.diag(R) < 0, -1.0, 1.0)
        with np.errstate(divide="ignore"):
            total = total + np.log(np.abs(np.diag(R)))
    return frame, total


def sweep(jacobian: np.ndarray, frame: np.ndarray) -> Singular:
    """One sweep there and back over the Jacobians (N, n, n) of an orbit, from the frame (n, k) at its start."""
    end, _ = through(jacobian, frame)
    start, sums = through(jacobian[::-1].swapaxes(1, 2), end)
    return Singular(sums, start.T, end.T)


def product(jacobian: np.ndarray) -> Singular:
    """All n by the singular value decomposition of the product, scaled on the way."""
    total, scale = np.eye(jacobian.shape[1]), 0.0
    for matrix in jacobian:
        total = matrix @ total
        size = np.abs(total).max()
        total, scale = total / size, scale + np.log(size)
    left, values, right = np.linalg.svd(total)
    return Singular(np.log(values) + scale, right, left.T)
