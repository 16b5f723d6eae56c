"""Activation functions and their slopes, in NumPy, in forms that neither overflow nor cancel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy import special

from fastlyap.errors import InputError

LEAK = 0.01


class Activation(NamedTuple):
    """An activation function: value and slope of arrays, and whether there is a kink at 0."""

    value: Callable[[np.ndarray], np.ndarray]
    slope: Callable[[np.ndarray], np.ndarray]
    kink: bool = False


def _sech2(z: np.ndarray) -> np.ndarray:
    e = np.exp(-2.0 * np.abs(z))
    return 4.0 * e / (1.0 + e) ** 2


def _sigmoid_slope(z: np.ndarray) -> np.ndarray:
    return special.expit(z) * special.expit(-z)


def _normal_density(z: np.ndarray) -> np.ndarray:
    return np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi)


ACTIVATIONS = {
    "identity": Activation(lambda z: +z, np.ones_like),
    "tanh": Activation(np.tanh, _sech2),
    "sigmoid": Activation(special.expit, _sigmoid_slope),
    "erf": Activation(lambda z: special.erf(0.5 * np.sqrt(np.pi) * z), lambda z: np.exp(-0.25 * np.pi * z * z)),
    "relu": Activation(lambda z: np.maximum(z, 0.0), lambda z: np.where(z > 0.0, 1.0, 0.0), True),
    "leaky_relu": Activation(
        lambda z: np.where(z > 0.0, z, LEAK * z), lambda z: np.where(z > 0.0, 1.0, LEAK), True
    ),
    "elu": Activation(
        lambda z: np.where(z > 0.0, z, np.expm1(np.minimum(z, 0.0))), lambda z: np.exp(np.minimum(z, 0.0)), True
    ),
    "softplus": Activation(lambda z: np.logaddexp(z, 0.0), special.expit),
    "silu": Activation(
        lambda z: z * special.expit(z), lambda z: special.expit(z) * (1.0 + z * special.expit(-z))
    ),
    "gelu": Activation(lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + z * _normal_density(z)),
    "sin": Activation(np.sin, np.cos),
    "cos": Activation(np.cos, lambda z: -np.sin(z)),
}  # fmt: skip


def activation(name: Any) -> Activation:
    """The activation of this name.

    Raises
    ------
    InputError
        For unknown names.
    """
    if not isinstance(name, str) or name not in ACTIVATIONS:
        raise InputError(f"`activation` must be one of {', '.join(ACTIVATIONS)}, got {name!r}.")
    return ACTIVATIONS[name]
