"""Convolutions in NumPy, one place of the kernel after the other; rules as in `reference.layers`."""

import itertools
from typing import NamedTuple

import numpy as np


class Convolution(NamedTuple):
    """y[b, o, place] = sum over c, k of K[o, c, k] x[b, c, stride place + dilation k - padding] + bias[o]."""

    weight: np.ndarray
    bias: np.ndarray | None
    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    prefix: str

    def _padded(self, x):
        return np.pad(x, [(0, 0), (0, 0), *((p, p) for p in self.padding)])

    def _windows(self, padded):
        """Places of the kernel, and the part of the input that each of them meets."""
        sizes = self.weight.shape[2:]
        reach = [d * (k - 1) + 1 for d, k in zip(self.dilation, sizes, strict=True)]
        places = [(n - k) // s + 1 for n, k, s in zip(padded.shape[2:], reach, self.stride, strict=True)]
        for k in itertools.product(*map(range, sizes)):
            first = [d * i for d, i in zip(self.dilation, k, strict=True)]
            spans = [slice(a, a + s * n, s) for a, s, n in zip(first, self.stride, places, strict=True)]
            yield (slice(None), slice(None), *k), (slice(None), slice(None), *spans)

    def tangent(self, x, v):
        padded = self._padded(v)
        return sum(np.einsum("oc,bc...->bo...", self.weight[k], padded[span]) for k, span in self._windows(padded))

    def value(self, x):
        y = self.tangent(x, x)
        return y if self.bias is None else y + self.bias.reshape(-1, *(1,) * (x.ndim - 2))

    def adjoint(self, x, w):
        found = np.zeros_like(self._padded(x))
        for k, span in self._windows(found):
            found[span] += np.einsum("oc,bo...->bc...", self.weight[k], w)
        inside = [slice(p, p + n) for p, n in zip(self.padding, x.shape[2:], strict=True)]
        return found[(slice(None), slice(None), *inside)]

    def gradient(self, x, w):
        padded, found = self._padded(x), np.zeros_like(self.weight)
        flat = w.reshape(*w.shape[:2], -1)
        for k, span in self._windows(padded):
            met = padded[span]
            found[k] = np.einsum("bop,bcp->oc", flat, met.reshape(*met.shape[:2], -1))
        gradient = {f"{self.prefix}weight": found}
        return gradient if self.bias is None else gradient | {f"{self.prefix}bias": flat.sum((0, 2))}
