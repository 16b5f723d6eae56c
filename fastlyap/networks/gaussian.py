"""Averages of activations over Gaussian numbers, one or a correlated pair.

Gauss-Legendre panels that shrink towards the place where the argument of the activation is 0: kinks fall on a border,
and activations that are steep on the scale of the numbers are resolved. Gauss-Hermite rules are wrong for the first
and lose digits for the second. Sine and cosine are resolved up to a scale of about 10.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

FAR = 10.0  # standard deviations; what lies beyond is below 1e-23


class Rule(NamedTuple):
    """Nodes and weights on (0, 1)."""

    nodes: np.ndarray
    weights: np.ndarray

    def around(self, centre: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights for the normal density, refined around `centre` (...), along a new last axis."""
        centre = np.clip(centre, -FAR, FAR)[..., None]
        right, left = FAR - centre, FAR + centre
        z = np.concatenate([centre + right * self.nodes, centre - left * self.nodes], axis=-1)
        w = np.concatenate([right * self.weights, left * self.weights], axis=-1)
        return z, w * np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


def _panels(count: int, halvings: int, order: int) -> Rule:
    """Gauss-Legendre of this order on equal panels, the first of which is halved so often towards 0."""
    borders = np.concatenate([[0.0], 0.5 ** np.arange(halvings, 0, -1), np.arange(1.0, count + 1)]) / count
    width = np.diff(borders)[:, None]
    x, w = np.polynomial.legendre.leggauss(order)
    return Rule((borders[:-1, None] + 0.5 * width * (x + 1.0)).ravel(), (0.5 * width * w).ravel())


Z, W = _panels(12, 12, 16).around(np.array(0.0))
COARSE = _panels(6, 5, 12)  # of pairs, whose averages take the square of so many evaluations
Z2, W2 = COARSE.around(np.array(0.0))


def mean(function: Callable[[np.ndarray], np.ndarray]) -> float:
    """E f(z) for a standard normal z; f may have a kink at 0."""
    return float(W @ function(Z))


def pair_mean(function: Callable[[np.ndarray], np.ndarray], scale: float, correlation: float) -> float:
    """E f(u) f(v) for normal u, v of standard deviation `scale` and this correlation; f may have a kink at 0."""
    c = min(max(correlation, -1.0), 1.0)
    rest = np.sqrt((1.0 - c) * (1.0 + c))
    if rest == 0.0:
        return mean(lambda z: function(scale * z) * function(np.copysign(scale, c) * z))
    second, weights = COARSE.around(-c * Z2 / rest)
    inner = np.einsum("ij,ij->i", weights, function(scale * (c * Z2[:, None] + rest * second)))
    return float(np.einsum("i,i,i->", W2, function(scale * Z2), inner))
