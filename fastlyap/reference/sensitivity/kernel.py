"""Kernel differentiation by its own formula: no vector is propagated, each step contributes a score.

Sources: arXiv 2308.07841 (no-propagate), 2410.10138. x' = f(x) + s(x) b, independent normals b along all states:
the score of a parameter of f is B' (b / s), of a parameter of s it is (s_theta / s)' (b^2 - 1).
"""

from __future__ import annotations

import numpy as np

from fastlyap.reference.sensitivity.orbit import Orbit


def scores(orbit: Orbit) -> np.ndarray:
    """The derivative of log density of every step, (N, B, p); the noise along all states."""
    noise = orbit.noise
    assert noise is not None
    s, b = noise.size.value, noise.b @ np.linalg.inv(noise.directions.T) @ noise.directions.T
    by_drift = np.einsum("nbip,nbi->nbp", orbit.B, b / s)
    return by_drift + np.einsum("nbip,nbi->nbp", noise.size.p, (b * b - 1.0) / s)


def terminal(orbit: Orbit, gain: np.ndarray | None = None) -> np.ndarray:
    """Derivative of the expectation of phi(x_N), by each member, (B, p); `gain` (B,) instead of phi minus its mean."""
    gain = orbit.phi[-1] - orbit.phi[-1].mean() if gain is None else gain
    return gain[:, None] * scores(orbit).sum(axis=0) + orbit.phi_p[-1]


def average(orbit: Orbit, window: int, widest: int = 0) -> np.ndarray:
    """Derivative of the mean of phi(x_n), n = 0 .. N - 1, in the long run, by each member, (B, p): window + 1 lags.

    Steps whose lags reach beyond the last value do not count; nor do those of a `widest` window, so that windows can
    be compared. The mean of the same orbit answers to a step with 1 / N of all that follows, and each lag is measured
    from it; that is made good by N / (N - window - 1).
    """
    counted, deviation = len(orbit.A) - max(window, widest) - 1, orbit.phi - orbit.phi[:-1].mean(axis=0)
    score = scores(orbit)
    total = np.zeros_like(score[0])
    for n in range(counted):
        total = total + score[n] * deviation[n + 1 : n + window + 2].sum(axis=0)[:, None]
    return total / counted / (1.0 - (window + 1) / len(orbit.A)) + orbit.phi_p[:-1].mean(axis=0)
