"""Adjoint shadowing: the bounded covector of an orbit, without a tangent run.

nu_n = A_n' nu_{n+1} + phi_x(x_n) has one solution bounded over the whole orbit. It is sought as v + W a, on each
segment: one inhomogeneous covector and M homogeneous ones, pulled back from the orbit's end and separated by QR at
the segments' starts. Sources: arXiv 1801.08674 (least squares, "NILSAS"), 1807.05568, 2207.06648 (the operator),
2505.00838 (the march).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import splu

from fastlyap.reference.sensitivity.orbit import Orbit


class Segments(NamedTuple):
    """What a backward sweep leaves of K segments of `length` steps; indices (k, member, mode).

    R : (K, B, M, M), b : (K, B, M)  frame = Q R at each segment's start, and what v loses there
    C : (K, B, M, M), d : (K, B, M)  sums over a segment of W W' and W v
    c : (K, B, M), h : (K, B)        sums of W F and v F of a flow, F its right-hand side; None for maps
    gW : (K, B, M, p), gv : (B, p)   sums of B' W and B' v
    """

    R: np.ndarray
    b: np.ndarray
    C: np.ndarray
    d: np.ndarray
    c: np.ndarray | None
    h: np.ndarray | None
    gW: np.ndarray
    gv: np.ndarray
    length: int

    @property
    def exponents(self) -> np.ndarray:
        """Growth of the covectors per step, backward in time, (B, M)."""
        diagonal = np.diagonal(self.R, axis1=2, axis2=3)
        return np.log(np.abs(diagonal)).sum(axis=0) / (len(self.R) * self.length)


def first_frame(orbit: Orbit, modes: int, random: np.random.Generator) -> np.ndarray:
    """Covectors at the orbit's end, (B, M, n): random; of a flow, the last along F and the others across it."""
    members, n = orbit.x.shape[1:]
    W = random.standard_normal((members, modes, n))
    if orbit.field is not None:
        W[:, 0] = orbit.field[-1]
        W = np.linalg.qr(W.swapaxes(1, 2))[0].swapaxes(1, 2)
        return np.concatenate([W[:, 1:], W[:, :1]], axis=1)
    return np.linalg.qr(W.swapaxes(1, 2))[0].swapaxes(1, 2)


def sweep(orbit: Orbit, W: np.ndarray, length: int) -> Segments:
    """Pull W (B, M, n) and v = 0 back over the K = N // length segments; the orbit's last steps may be left over."""
    K, field = len(orbit.A) // length, orbit.field
    v, gv, kept = np.zeros_like(orbit.x[0]), np.zeros_like(orbit.phi_p[0]), []
    for k in reversed(range(K)):
        C, d, c, h, gW = 0.0, 0.0, 0.0, 0.0, 0.0
        for n in reversed(range(k * length, (k + 1) * length)):
            gW, gv = gW + W @ orbit.B[n], gv + (v[:, None] @ orbit.B[n])[:, 0]
            W, v = W @ orbit.A[n], (v[:, None] @ orbit.A[n])[:, 0] + orbit.phi_x[n]
            C, d = C + W @ W.swapaxes(1, 2), d + (W @ v[:, :, None])[:, :, 0]
            if field is not None:
                c, h = c + (W @ field[n][:, :, None])[:, :, 0], h + (v * field[n]).sum(axis=1)
        Q, R = np.linalg.qr(W.swapaxes(1, 2))
        b = (v[:, None] @ Q)[:, 0]
        W, v = Q.swapaxes(1, 2), v - (Q @ b[:, :, None])[:, :, 0]
        kept.append((R, b, C, d, c, h, gW))
    R, b, C, d, c, h, gW = (np.array(each[::-1]) for each in zip(*kept, strict=True))
    return Segments(R, b, C, d, None if field is None else c, None if field is None else h, gW, gv, length)


def least_squares(s: Segments, neutral: bool = True) -> np.ndarray:
    """The coefficients (K, B, M) of smallest mean square of v + W a that are continuous, a_{k-1} = R_k a_k + b_k.

    A flow's nu is across F on average (`neutral`; without this it is wrong). The whole system of equations is solved
    for each member.
    """
    K, B, M = s.d.shape
    a = np.zeros_like(s.d)
    for e in range(B):
        H = sparse.block_diag(s.C[:, e])
        G = sparse.eye((K - 1) * M, K * M) - _shifted(s.R[1:, e])
        right = [s.b[1:, e].ravel()]
        if s.c is not None and neutral:
            G = sparse.vstack([G, sparse.csr_matrix(s.c[:, e].reshape(1, -1))])
            right.append([-s.h[:, e].sum()])
        system = sparse.bmat([[H, G.T], [G, None]]).tocsc() if G.shape[0] else H.tocsc()
        a[:, e] = splu(system).solve(np.concatenate([-s.d[:, e].ravel(), *right]))[: K * M].reshape(K, M)
    return a


def _shifted(R: np.ndarray) -> sparse.spmatrix:
    """The matrices (K - 1, M, M) as blocks above the diagonal of ((K - 1) M, K M)."""
    M = R.shape[-1]
    return sparse.hstack([sparse.csr_matrix((len(R) * M, M)), sparse.block_diag([*R, np.zeros((0, 0))])])


def march(s: Segments) -> np.ndarray:
    """The coefficients (K, B, M) of the nu without a component along the frame at the start: a_k from a_{k-1}.

    Valid for maps with M exactly the number of positive exponents.
    """
    a, before = np.zeros_like(s.b), np.zeros_like(s.b[0])
    for k in range(len(a)):
        before = a[k] = np.linalg.solve(s.R[k], (before - s.b[k])[..., None])[..., 0]
    return a


def contribution(orbit: Orbit, s: Segments, a: np.ndarray) -> np.ndarray:
    """The shadowing part of the derivative of the average of phi, of each member, (B, p)."""
    steps = len(s.R) * s.length
    return (s.gv + np.einsum("kbm,kbmp->bp", a, s.gW)) / steps + orbit.phi_p[:steps].mean(axis=0)
