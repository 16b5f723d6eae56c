"""Kernel differentiation and the path-kernel: derivatives of expectations over random steps x' = f(x) + s(x) V b.

Part beta of every perturbation is handed to the density of the noise, the rest stays on the path: beta = 0 is
backpropagation, beta = 1 kernel differentiation. Perturbations outside the directions of the noise stay on the path.
Sources: arXiv 2308.07841 (no-propagate), 2410.10138 (ergodic and foliated kernel differentiation), 2503.00718
(path-kernel), 2507.21497 (its adjoint); the noise's own derivatives by shifting its density.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from fastlyap.reference.sensitivity.orbit import Orbit


def terminal(orbit: Orbit, beta: np.ndarray | float, gain: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Derivatives of the expectation of phi(x_N) by each member: by the parameters (B, p), by the start (B, n).

    beta : one number or one per step, or matrices K in their place; gain : (B,) instead of phi minus its mean
    """
    gain = orbit.phi[-1] - orbit.phi[-1].mean() if gain is None else gain
    beta = _of_steps(beta, len(orbit.A))
    nu, total = orbit.phi_x[-1], orbit.phi_p[-1]
    for n in reversed(range(len(orbit.A))):
        step, nu = _mixed(orbit, n, beta[n], gain, nu)
        total = total + step
    return total, nu


def average(
    orbit: Orbit, beta: np.ndarray | float, window: int, drop: int = 0, widest: int = 0
) -> np.ndarray:  # fmt: skip
    """Derivative of the mean of phi(x_n), n = 0 .. N - 1, in the long run, by each member, (B, p).

    Every step answers for the `window` + 1 values of phi that follow it, measured from the member's own mean, see
    `kernel.average`. The sweep begins where a `widest` window still meets all its values; its first `drop` steps are
    not counted.
    """
    steps = len(orbit.A)
    beta = _of_steps(beta, steps)
    mean = orbit.phi[:-1].mean(axis=0)
    sums = np.concatenate([np.zeros_like(orbit.phi[:1]), np.cumsum(orbit.phi - mean, axis=0)])
    end, made_good = steps - max(window, widest) - 1, 1.0 / (1.0 - (window + 1) / steps)
    nu, total = np.zeros_like(orbit.x[0]), 0.0
    for n in reversed(range(end)):
        gain, nu = _mixed(orbit, n, beta[n], (sums[n + window + 2] - sums[n + 1]) * made_good, nu)
        nu = nu + orbit.phi_x[n]
        if n < end - drop:
            total = total + gain + orbit.phi_p[n]
    return total / (end - drop)


def burn(beta: float, exponent: float, window: int) -> int:
    """Steps at the beginning of a backward sweep that are not counted: max(W, 10 / |log((1 - beta) e^lambda)|)."""
    rest = (1.0 - beta) * math.exp(exponent)
    return window if rest == 0.0 else max(window, math.ceil(10.0 / abs(math.log(rest))))


def _of_steps(beta: np.ndarray | float, steps: int) -> np.ndarray:
    """beta or K of each step."""
    one = np.shape(beta)[1:] if np.ndim(beta) != 2 else np.shape(beta)
    return np.broadcast_to(beta, (steps, *one))


def _mixed(orbit: Orbit, n: int, beta: Any, weight: np.ndarray, nu: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What step n adds to the gradient, and the covector before it, from nu after it.

    mu = (I - K)' nu + weight K-score; gain = B' mu + s_theta' (V b * nu); before = A' mu + s_x' (V b * nu).
    """
    noise = orbit.noise
    assert noise is not None
    s, mixed = noise.size.value[n], noise.mixed[n]
    V, inverse = noise.directions, np.linalg.pinv(noise.directions)
    with np.errstate(all="ignore"):
        handed = (nu * s) @ (V @ inverse) / s  # the part of nu that meets the directions of the noise
        score = noise.b[n] @ inverse / s
    offered = weight[:, None] * score - handed
    mu = nu + (offered @ beta if np.ndim(beta) else beta * offered) if np.any(beta) else nu
    spread = mixed * nu
    gain = _pull(orbit.B[n], mu) + _pull(noise.size.p[n], spread)
    return gain, _pull(orbit.A[n], mu) + _pull(noise.size.x[n], spread)


def _pull(matrix: np.ndarray, w: np.ndarray) -> np.ndarray:
    return np.einsum("bij,bi->bj", matrix, w)


def tangent(orbit: Orbit, beta: np.ndarray | float) -> np.ndarray:
    """`terminal` forward in time: v carries the path's part, a sum of scores the rest. For noise along all states."""
    noise, beta = orbit.noise, _of_steps(beta, len(orbit.A))
    assert noise is not None and noise.directions.shape == (orbit.x.shape[2],) * 2
    v, scores = np.zeros_like(orbit.B[0]), np.zeros_like(orbit.phi_p[0])
    for n in range(len(orbit.A)):
        z = orbit.A[n] @ v + orbit.B[n]
        u = beta[n] @ z if np.ndim(beta[n]) else beta[n] * z
        scores = scores + _pull(u, noise.mixed[n] / noise.size.value[n])
        v = z - u + noise.mixed[n][:, :, None] * (noise.size.x[n] @ v + noise.size.p[n])
    centred = orbit.phi[-1] - orbit.phi[-1].mean()
    return _pull(v, orbit.phi_x[-1]) + centred[:, None] * scores + orbit.phi_p[-1]
