"""Mean-field theory of wide random networks: fixed points of variance and correlation, depth scales, the critical line.

Weights have variance sigma_w^2 / width, biases sigma_b^2. Sources: Poole et al., Exponential expressivity in deep
neural networks through transient chaos (2016); Schoenholz et al., Deep information propagation (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import brentq

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.networks import activations
from fastlyap.networks.activations import Activation
from fastlyap.networks.gaussian import mean, pair_mean

SMALLEST, LARGEST = 1e-14, 1e14  # variances outside count as 0 and as infinite
STEEPEST = 1e4  # no critical point is looked for beyond
NEAR_ONE = 1e-6


@dataclass(frozen=True)
class MeanField:
    """Where a wide random network settles with depth; arrays over the broadcast shape of the two sigmas.

    Attributes
    ----------
    q : variance of the pre-activations; 0 where they die out, inf where they grow without bound, NaN where every
        variance stays as it is.
    chi_1 : factor per layer of the mean square of perturbations, and of gradients on the way back; log(chi_1) / 2 is
        the largest Lyapunov exponent of the infinitely wide network, 1 the edge of chaos.
    c : correlation that two different inputs end up with; 1 in the ordered phase.
    xi_c, xi_q : depths, in layers, over which correlation and variance approach their fixed points by a factor e;
        inf where they do not.
    """

    q: np.ndarray
    chi_1: np.ndarray
    c: np.ndarray
    xi_c: np.ndarray
    xi_q: np.ndarray


def mean_field(activation: str, sigma_w: Any, sigma_b: Any = 0.0) -> MeanField:
    """Mean-field theory of a wide random network with this activation.

    Parameters
    ----------
    activation : str
        One of `fastlyap.networks.activations.ACTIVATIONS`: tanh, relu, gelu ....
    sigma_w, sigma_b : float or array_like
        Standard deviations (not variances) of sqrt(width) times the weights, and of the biases; they broadcast.

    Returns
    -------
    MeanField

    Raises
    ------
    InputError
        For an unknown activation, and sigmas that are negative, not finite, or of shapes that do not broadcast.

    Examples
    --------
    >>> import fastlyap as fl
    >>> float(fl.mean_field("tanh", 2.0, 0.05**0.5).chi_1.round(6))
    1.342402
    """
    phi = activations.activation(activation)
    w, b = _sigmas(sigma_w, sigma_b)
    found = np.array([_fixed_points(phi, *pair) for pair in zip(w.flat, b.flat, strict=True)]).reshape(*w.shape, 5)
    return MeanField(*(found[..., i] for i in range(5)))


def critical_sigma_w(activation: str, sigma_b: Any = 0.0) -> np.ndarray:
    """The standard deviation of the weights at the edge of chaos, where chi_1 = 1.

    Parameters
    ----------
    activation : str
    sigma_b : float or array_like
        Standard deviation of the biases.

    Returns
    -------
    ndarray of the shape of `sigma_b`; NaN where there is no such point.

    Raises
    ------
    InputError
        As `mean_field`.

    Notes
    -----
    For ReLU sqrt(2) whatever the biases, He's initialisation; for tanh without biases 1.
    """
    phi = activations.activation(activation)
    b = _sigmas(1.0, sigma_b)[1]
    return np.array([_critical(phi, each) for each in b.flat]).reshape(b.shape)[()]


def _sigmas(sigma_w: Any, sigma_b: Any) -> tuple[np.ndarray, np.ndarray]:
    w, b = (_nonnegative(name, value) for name, value in (("sigma_w", sigma_w), ("sigma_b", sigma_b)))
    try:
        w, b = np.broadcast_arrays(w, b)
    except ValueError:
        raise InputError(
            f"`sigma_w` and `sigma_b` must be of shapes that broadcast, got {w.shape} and {b.shape}."
        ) from None
    return w, b


def _nonnegative(name: str, value: Any) -> np.ndarray:
    found = cast.real_array(name, value)
    if np.any(found < 0.0):
        raise InputError(f"`{name}` is a standard deviation and must not be negative, got {found.min()}.")
    return found


def _variance(phi: Activation, q: float, w: float, b: float) -> float:
    """The variance of the next layer."""
    return w * w * mean(lambda z: phi.value(np.sqrt(q) * z) ** 2) + b * b


def _variance_slope(phi: Activation, q: float, w: float) -> float:
    """d `_variance` / dq, by parts, so that no second derivative of the activation is needed."""
    s = np.sqrt(q)
    return w * w * mean(lambda z: phi.value(s * z) * phi.slope(s * z) * z) / s


def _chi(phi: Activation, q: float, w: float) -> float:
    return w * w * mean(lambda z: phi.slope(np.sqrt(q) * z) ** 2)


def _stable_variance(phi: Activation, w: float, b: float) -> float:
    """The fixed point that variances near 1 move towards."""

    def excess(log_q: float) -> float:
        q = np.exp(log_q)
        return _variance(phi, q, w, b) / q - 1.0

    at, begin = 0.0, excess(0.0)
    if abs(begin) < 1e-14 and abs(excess(1.0)) < 1e-14:
        return np.nan  # every variance stays as it is
    direction = np.sign(begin)
    step = 0.5 * direction
    while np.log(SMALLEST) < at < np.log(LARGEST) and direction:
        if np.sign(excess(at + step)) != direction:
            return float(np.exp(brentq(excess, min(at, at + step), max(at, at + step), xtol=1e-15)))
        at += step
    return 1.0 if not direction else 0.0 if direction < 0 else np.inf


def _fixed_points(phi: Activation, w: float, b: float) -> tuple[float, float, float, float, float]:
    """q, chi_1, c, xi_c, xi_q."""
    q = _stable_variance(phi, w, b)
    scale = {0.0: SMALLEST, np.inf: LARGEST}.get(q, 1.0 if np.isnan(q) else q)
    chi = _chi(phi, scale, w)
    xi_q = np.inf if not 0.0 < q < np.inf else _depth(_variance_slope(phi, q, w))
    if not 0.0 < q < np.inf or chi <= 1.0:
        return q, chi, 1.0, _depth(chi), _depth(chi) if q == 0.0 else xi_q

    def correlation(c: float) -> float:
        return (w * w * pair_mean(phi.value, np.sqrt(q), c) + b * b) / q - c

    c = 0.0
    if correlation(0.0) > 1e-13:
        c = brentq(correlation, 0.0, 1.0 - NEAR_ONE, xtol=1e-13) if correlation(1.0 - NEAR_ONE) < 0.0 else 1.0
    slope = w * w * pair_mean(phi.slope, np.sqrt(q), c) if c < 1.0 else chi
    return q, chi, c, _depth(slope), xi_q


def _depth(factor: float) -> float:
    """Layers over which a deviation that changes by `factor` per layer becomes e times smaller."""
    size = abs(factor)
    if not 0.0 < size < 1.0:
        return 0.0 if size == 0.0 else np.inf
    return float(-1.0 / np.log(size))


def _critical(phi: Activation, b: float) -> float:
    def beyond(w: float) -> float:
        q = _stable_variance(phi, w, b)
        return _chi(phi, {0.0: SMALLEST, np.inf: LARGEST}.get(q, 1.0 if np.isnan(q) else q), w) - 1.0

    low, high = 0.1, 0.2
    while high < STEEPEST:
        if beyond(low) < 0.0 <= beyond(high):
            return float(brentq(beyond, low, high, xtol=1e-13))
        low, high = high, 1.5 * high
    return np.nan
