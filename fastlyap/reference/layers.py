"""Layers of feedforward networks in NumPy, from their formulas; rows are samples.

A rule has `value(x)`, the tangent product `tangent(x, v)` = J v, the adjoint product `adjoint(x, w)` = J' w and
`gradient(x, w)`, the adjoints of its parameters by name. x, v and w have the samples in front.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from scipy import special

BLOCK = 4  # words that one counter gives
MASKS = 1 << 40  # counters from here on decide what is dropped
LAYERS = 1  # the third word of the counter
LEAK = 0.01


def normal(z):
    """Density of a standard normal number."""
    return np.exp(-z * z / 2) / np.sqrt(2 * np.pi)


def sigmoid(z):
    """1 / (1 + exp(-z))."""
    return special.expit(z)


ACTIVATIONS: dict[str, tuple[Callable, Callable]] = {  # value and slope
    "identity": (lambda z: z, lambda z: np.ones_like(z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(np.clip(z, -350, 350)) ** 2),
    "sigmoid": (sigmoid, lambda z: sigmoid(z) * sigmoid(-z)),
    "erf": (lambda z: special.erf(np.sqrt(np.pi) / 2 * z), lambda z: np.exp(-np.pi / 4 * z**2)),
    "relu": (lambda z: z * (z > 0), lambda z: 1.0 * (z > 0)),
    "leaky_relu": (lambda z: np.where(z > 0, z, LEAK * z), lambda z: np.where(z > 0, 1.0, LEAK)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(-abs(z))), lambda z: np.where(z > 0, 1.0, np.exp(-abs(z)))),
    "softplus": (lambda z: np.logaddexp(0, z), sigmoid),
    "silu": (lambda z: z * sigmoid(z), lambda z: sigmoid(z) * (1 + z * sigmoid(-z))),
    "gelu": (lambda z: z * special.ndtr(z), lambda z: special.ndtr(z) + z * normal(z)),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda z: -np.sin(z)),
}


class Dense(NamedTuple):
    """y = x W + b."""

    weight: np.ndarray
    bias: np.ndarray | None
    prefix: str

    def value(self, x):
        return x @ self.weight + (0.0 if self.bias is None else self.bias)

    def tangent(self, x, v):
        return v @ self.weight

    def adjoint(self, x, w):
        return w @ self.weight.T

    def gradient(self, x, w):
        found = {f"{self.prefix}weight": x.T @ w}
        return found if self.bias is None else found | {f"{self.prefix}bias": w.sum(0)}


class Diagonal:
    """Rules whose Jacobian is a diagonal matrix and that have no parameters."""

    def slope(self, x):
        raise NotImplementedError

    def tangent(self, x, v):
        return self.slope(x) * v

    adjoint = tangent

    def gradient(self, x, w):
        return {}


class Activation(Diagonal):
    """y = phi(x)."""

    def __init__(self, name: str) -> None:
        self.value, self.slope = ACTIVATIONS[name]


class Noisy(NamedTuple):
    """y = f(x) + s b, f another rule and b numbers of its own for each sample."""

    rule: Any
    size: float
    noise: np.ndarray

    def value(self, x):
        return self.rule.value(x) + self.size * self.noise

    def tangent(self, x, v):
        return self.rule.tangent(x, v)

    def adjoint(self, x, w):
        return self.rule.adjoint(x, w)

    def gradient(self, x, w):
        return {**self.rule.gradient(x, w), "noise_size": np.sum(self.noise * w)}


class Mask(Diagonal):
    """y = m x with factors m for each sample, or for all."""

    def __init__(self, factors: np.ndarray) -> None:
        self.factors = factors

    def value(self, x):
        return self.factors * x

    def slope(self, x):
        return self.factors


class Reshape(NamedTuple):
    """The same numbers in another shape."""

    inner: tuple[int, ...]
    outer: tuple[int, ...]

    def value(self, x):
        return x.reshape(-1, *self.outer)

    def tangent(self, x, v):
        return v.reshape(-1, *self.outer)

    def adjoint(self, x, w):
        return w.reshape(-1, *self.inner)

    def gradient(self, x, w):
        return {}


class Residual(NamedTuple):
    """y = alpha x + beta F(x)."""

    rules: Sequence
    alpha: float
    beta: float

    def value(self, x):
        return self.alpha * x + self.beta * values(self.rules, x)[-1]

    def tangent(self, x, v):
        return self.alpha * v + self.beta * tangent(self.rules, x, v)

    def adjoint(self, x, w):
        return self.alpha * w + adjoints(self.rules, x, self.beta * w)[0]

    def gradient(self, x, w):
        return gradient(self.rules, x, self.beta * w)


def values(rules, x):
    """The input and the outputs of all rules in turn."""
    found = [x]
    for rule in rules:
        found.append(rule.value(found[-1]))
    return found


def tangent(rules, x, v):
    """J v of all rules in turn."""
    for rule, before in zip(rules, values(rules, x), strict=False):
        v = rule.tangent(before, v)
    return v


def adjoints(rules, x, w):
    """The covector w at the output, pulled back to the outputs of all rules and, first, to the input."""
    found = [w]
    for rule, before in zip(rules[::-1], values(rules, x)[-2::-1], strict=True):
        found.append(rule.adjoint(before, found[-1]))
    return found[::-1]


def gradient(rules, x, w):
    """The adjoints of all parameters; those that several rules share are sums."""
    found: dict[str, Any] = {}
    for rule, before, covector in zip(rules, values(rules, x), adjoints(rules, x, w)[1:], strict=False):
        for name, own in rule.gradient(before, covector).items():
            found[name] = found[name] + own if name in found else own
    return found


def masks(seed: int, member: int, samples: int):
    """A function that gives the masks of one layer after the other: (width, probability) -> (samples, width)."""
    layer = 0

    def mask(width: int, dropped: float) -> np.ndarray:
        nonlocal layer
        blocks = -(-width // BLOCK)
        generator = np.random.Philox(key=[seed, member], counter=[MASKS, layer, LAYERS, 0])
        words = generator.random_raw(BLOCK * blocks * samples).reshape(samples, -1)[:, :width]
        layer += 1
        uniform = ((words >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52
        return (uniform >= dropped) / (1 - dropped)

    return mask
