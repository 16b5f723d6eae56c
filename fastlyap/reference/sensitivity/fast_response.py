"""Linear response of a hyperbolic map: its shadowing part minus the unstable part, by the equivariant divergence.

A tangent frame e runs forward, its dual eps backward (eps e' = 1 along the orbit). The unstable part is
mean of psi_{n+1} (nut_{n+1} B_n + tr(eps_{n+1} dB_n/dx e_n)), nut being the shadowing covector of the source
sum over pairs of eps_{n+1} f_xx e_n, and psi_n the sum of phi - <phi> over the window -W .. W about n.
Sources: arXiv 2108.13863 (equivariant divergence), 2111.07692 (fast adjoint response).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.sensitivity import linear
from fastlyap.reference.sensitivity.orbit import Orbit


class Response(NamedTuple):
    """The two parts (B, p) of the derivative, which is shadowing - unstable; and the exponents per step (B, u)."""

    shadowing: np.ndarray
    unstable: np.ndarray
    exponents: np.ndarray


def second_derivatives(
    dynamics: Dynamics, columns: tuple[int, ...], t: float, x: np.ndarray, e: np.ndarray, h: float = 3e-4
) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of A (B, n, n) and B (B, n, p) along e (B, n): differences of exact ones, of fourth order in h."""
    length = np.linalg.norm(e, axis=1, keepdims=True)
    parts = [
        (weight / h * length[..., None], linear.drift(dynamics, columns, t, x + place * h * e / length))
        for place, weight in ((-2, 1 / 12), (-1, -2 / 3), (1, 2 / 3), (2, -1 / 12))
    ]
    return sum(w * part.x for w, part in parts), sum(w * part.p for w, part in parts)


def response(
    dynamics: Dynamics, columns: tuple[int, ...], orbit: Orbit, frame: np.ndarray, *, length: int, window: int,
    skip: int = 0, second: Callable = second_derivatives, mean: tuple[np.ndarray, int] | None = None,
) -> Response:  # fmt: skip
    """Both parts over an orbit of K * length + 2 * window steps of an autonomous map.

    Parameters
    ----------
    frame : (B, u, n)
        Orthonormal tangents to start from; u is the number of positive exponents.
    length : int
        Steps between factorisations.
    skip : int
        Segments at either end that serve to turn the frames and are not averaged over.
    second : callable
        As `second_derivatives`; another one shows what they contribute.
    mean : (B,) and int, optional
        Of phi, and over how many steps, where it is known from a longer run; that of this one by default. It moves with
        the orbit, by 1 / steps of what it is to measure, for each of 2 window + 1 values; that is made good.
    """
    K = (len(orbit.A) - 2 * window) // length
    e, R = _forward(orbit.A[window:], frame, K, length)
    middle, steps = (orbit.phi[:-1].mean(axis=0), len(orbit.A)) if mean is None else mean
    psi = _psi(orbit, window, middle) / (1.0 - (2 * window + 1) / steps)
    weights = np.stack([np.ones_like(psi), psi], axis=1)[..., None]
    eps, nu, kept = e[K * length], np.zeros((2, *frame[:, 0].shape)), []  # nu: sources phi_x and f_xx
    for k in reversed(range(K)):
        b = _coefficients(eps, nu)
        nu = nu - _combine(b, eps)
        eps = np.linalg.solve(R[k], eps)  # dual to the tangents that come out of segment k
        plain, by_mode = 0.0, 0.0
        for n in reversed(range(k * length, (k + 1) * length)):
            A, B, weight = orbit.A[window + n], orbit.B[window + n], weights[n + 1]
            hessian, mixed = _contracted(second, dynamics, columns, orbit.x[window + n], eps, e[n])
            plain = plain + weight * (_pull(B, nu) + np.stack([np.zeros_like(mixed), mixed]))
            by_mode = by_mode + weight[..., None] * (eps @ B)
            nu, eps = _pull(A, nu) + np.stack([orbit.phi_x[window + n], hessian]), eps @ A
        kept.append((b, plain, by_mode))
    b, plain, by_mode = (np.array(each[::-1]) for each in zip(*kept, strict=True))
    a = _march(R, b, -_coefficients(eps, nu))
    counted = slice(skip, K - skip)
    total = plain[counted].sum(axis=0) + np.einsum("ksbu,ksbup->sbp", a[counted], by_mode[counted])
    shadowing, unstable = total / ((K - 2 * skip) * length)
    direct = orbit.phi_p[window : window + K * length].mean(axis=0)
    growth = np.log(np.abs(np.diagonal(R, axis1=2, axis2=3))).sum(axis=0) / (K * length)
    return Response(shadowing + direct, unstable, growth)


def _forward(A: np.ndarray, frame: np.ndarray, K: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Tangents (K length + 1, B, u, n), orthonormal at the segments' starts; factors with e_end = R' e_start."""
    e, R = [frame], []
    for n in range(K * length):
        made = e[-1] @ A[n].swapaxes(1, 2)
        if (n + 1) % length == 0:
            Q, factor = np.linalg.qr(made.swapaxes(1, 2))
            made = Q.swapaxes(1, 2)
            R.append(factor)
        e.append(made)
    return np.array(e), np.array(R)


def _psi(orbit: Orbit, window: int, mean: np.ndarray) -> np.ndarray:
    """psi[n] of the state number window + n, (steps - 2 window + 1, B)."""
    deviation = orbit.phi - mean
    sums = np.concatenate([np.zeros_like(deviation[:1]), np.cumsum(deviation, axis=0)])
    return sums[2 * window + 1 :] - sums[: len(sums) - 2 * window - 1]


def _contracted(second: Callable, dynamics: Dynamics, columns: tuple[int, ...], x, eps, e) -> tuple:
    """Sums over the pairs of eps f_xx e (B, n) and of eps dB/dx e (B, p)."""
    hessian, mixed = 0.0, 0.0
    for c in range(e.shape[1]):
        dA, dB = second(dynamics, columns, dynamics.t0, x, e[:, c])
        hessian, mixed = hessian + _pull(dA, eps[:, c]), mixed + _pull(dB, eps[:, c])
    return hessian, mixed


def _march(R: np.ndarray, b: np.ndarray, first: np.ndarray) -> np.ndarray:
    """Coefficients (K, 2, B, u): those of the first segment, then a_k = R_{k-1}^{-T} a_{k-1} - b_{k-1}."""
    a = [first]
    for factor, less in zip(R[:-1], b[:-1], strict=True):
        a.append(np.linalg.solve(factor.swapaxes(1, 2), a[-1][..., None])[..., 0] - less)
    return np.array(a)


def _coefficients(eps: np.ndarray, w: np.ndarray) -> np.ndarray:
    """Of the projections of w (2, B, n) onto the rows of eps (B, u, n), (2, B, u)."""
    return np.linalg.solve(eps @ eps.swapaxes(1, 2), eps @ w[..., None])[..., 0]


def _combine(a: np.ndarray, eps: np.ndarray) -> np.ndarray:
    return np.einsum("sbu,bun->sbn", a, eps)


def _pull(matrix: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.einsum("bij,...bi->...bj", matrix, w)
