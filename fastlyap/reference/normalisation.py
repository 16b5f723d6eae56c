"""Batch and layer normalisation in NumPy; rules as in `reference.layers`."""

from typing import NamedTuple

import numpy as np


def normalised(x, axes, eps):
    """x^ = (x - mean) / sqrt(variance + eps), and the factor, over these axes."""
    s = 1 / np.sqrt(x.var(axes, keepdims=True) + eps)
    return (x - x.mean(axes, keepdims=True)) * s, s


def product(x, a, axes, eps):
    """The symmetric derivative of x^ times a."""
    hat, s = normalised(x, axes, eps)
    return s * (a - a.mean(axes, keepdims=True) - hat * (hat * a).mean(axes, keepdims=True))


class BatchNorm(NamedTuple):
    """y = g x^ + b over the samples (and places) of each channel, or with running statistics."""

    gain: np.ndarray
    bias: np.ndarray
    running: tuple[np.ndarray, np.ndarray] | None
    eps: float
    prefix: str

    def _per_channel(self, numbers, x):
        return numbers.reshape(-1, *(1,) * (x.ndim - 2))

    def _axes(self, x):
        return (0, *range(2, x.ndim))

    def _hat(self, x):
        if self.running is None:
            return normalised(x, self._axes(x), self.eps)[0]
        mean, variance = (self._per_channel(each, x) for each in self.running)
        return (x - mean) / np.sqrt(variance + self.eps)

    def value(self, x):
        return self._per_channel(self.gain, x) * self._hat(x) + self._per_channel(self.bias, x)

    def tangent(self, x, v):
        if self.running is None:
            return self._per_channel(self.gain, x) * product(x, v, self._axes(x), self.eps)
        return self._per_channel(self.gain / np.sqrt(self.running[1] + self.eps), x) * v

    def adjoint(self, x, w):
        if self.running is None:
            return product(x, self._per_channel(self.gain, x) * w, self._axes(x), self.eps)
        return self.tangent(x, w)

    def gradient(self, x, w):
        axes = self._axes(x)
        return {f"{self.prefix}weight": (w * self._hat(x)).sum(axes), f"{self.prefix}bias": w.sum(axes)}


class LayerNorm(NamedTuple):
    """y = g x^ + b over all features of each sample."""

    gain: np.ndarray
    bias: np.ndarray
    eps: float
    prefix: str

    def _flat(self, x):
        return x.reshape(len(x), -1)

    def value(self, x):
        return (self.gain * normalised(self._flat(x), 1, self.eps)[0] + self.bias).reshape(x.shape)

    def tangent(self, x, v):
        return (self.gain * product(self._flat(x), self._flat(v), 1, self.eps)).reshape(x.shape)

    def adjoint(self, x, w):
        return product(self._flat(x), self.gain * self._flat(w), 1, self.eps).reshape(x.shape)

    def gradient(self, x, w):
        hat = normalised(self._flat(x), 1, self.eps)[0]
        return {f"{self.prefix}weight": (self._flat(w) * hat).sum(0), f"{self.prefix}bias": self._flat(w).sum(0)}
