"""Three ways to factor a frame of rows, V = L Q: L lower triangular with diagonal >= 0, rows of Q orthonormal.

With rows for vectors this is the QR decomposition of V'. In finite precision the rows of Q are orthonormal to
eps * cond(V)^2 by classical Gram-Schmidt, eps * cond(V) by the modified one, eps by reflections. Source: Golub &
Van Loan, Matrix Computations, section 5.2; Bjorck, BIT 7 (1967) 1.
"""

from __future__ import annotations

import numpy as np


@np.errstate(all="ignore")
def classical(V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Classical Gram-Schmidt: what is taken out of a vector is measured on the vector as it was, (B, k, n)."""
    return _gram_schmidt(V, as_it_was=True)


@np.errstate(all="ignore")
def modified(V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Modified Gram-Schmidt: it is measured on what is left of the vector, (B, k, n)."""
    return _gram_schmidt(V, as_it_was=False)


def _gram_schmidt(V: np.ndarray, as_it_was: bool) -> tuple[np.ndarray, np.ndarray]:
    Q, L = np.zeros_like(V), np.zeros((len(V), V.shape[1], V.shape[1]), dtype=V.dtype)
    for j in range(V.shape[1]):
        rest = V[:, j].copy()
        for i in range(j):
            measured = V[:, j] if as_it_was else rest
            L[:, j, i] = (Q[:, i] * measured).sum(axis=1)
            rest -= L[:, j, i, None] * Q[:, i]
        L[:, j, j] = np.sqrt((rest * rest).sum(axis=1))
        Q[:, j] = rest / L[:, j, j, None]
    return Q, L


@np.errstate(all="ignore")
def householder(V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Reflections, each of which turns one vector into an axis; V (B, k, n)."""
    members, k, n = V.shape
    R = V.swapaxes(1, 2).copy()
    reflectors = []
    for j in range(min(k, n)):
        u = R[:, j:, j].copy()
        length = np.sqrt((u * u).sum(axis=1))
        u[:, 0] += np.where(u[:, 0] < 0, -length, length)  # no cancellation
        square = (u * u).sum(axis=1)
        reflectors.append((u, 2.0 / np.where(square > 0, square, 1.0)))
        _reflect(R[:, j:, j:], *reflectors[-1])
    Q = np.broadcast_to(np.eye(n, k, dtype=V.dtype), (members, n, k)).copy()
    for j in reversed(range(len(reflectors))):
        _reflect(Q[:, j:], *reflectors[j])
    R = np.triu(R[:, :k])
    sign = np.where(np.diagonal(R, axis1=1, axis2=2) < 0, -1, 1).astype(V.dtype)
    return (Q * sign[:, None, :]).swapaxes(1, 2), (R * sign[:, :, None]).swapaxes(1, 2)


def _reflect(A: np.ndarray, u: np.ndarray, beta: np.ndarray) -> None:
    """A - beta u u' A in place, for A (B, m, k), u (B, m), beta (B,)."""
    A -= (beta[:, None] * u)[:, :, None] * np.einsum("bi,bij->bj", u, A)[:, None, :]
