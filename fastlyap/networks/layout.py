"""Weights of recurrent cells as kernels read them: one row of numbers, and where each member's arrays begin in it.

What members share is there once. Besides the weights there are |det| of those that decide the volume of a step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.linalg import lapack

from fastlyap.networks.architecture import Architecture

NOTHING = np.zeros(0)


class Laid(NamedTuple):
    """Arrays with batch axes in front: numbers (...) of all members, and in which of their last axes they are own."""

    array: np.ndarray
    own: int


def arrays(about: Architecture, weights: Mapping[str, np.ndarray], volume: bool = True) -> list[Laid]:
    """The arrays in the order of `kernel.cells`: of each layer, then read-out and, for the `volume`, determinant."""
    found = []
    for layer in range(about.layers):
        found += [_weight(about, weights, f"{layer}.{word}") for word in ("input", "hidden", "bias", "hidden_bias")]
    found += [_weight(about, weights, f"readout.{word}") for word in ("weight", "bias")]
    if about.kind == "random_rnn":
        found[2] = Laid(np.asarray(weights["g"])[..., None], 1)
    return [*found, Laid(_determinant(about, weights) if volume else NOTHING, 1)]


def _weight(about: Architecture, weights: Mapping[str, np.ndarray], key: str) -> Laid:
    if key not in weights:
        return Laid(NOTHING, 1)
    array = np.asarray(weights[key], dtype=np.float64)
    if about.kind == "gru_original" and key.endswith(".hidden"):  # of r and z, then of n
        H = about.hidden
        halves = [array[..., : 2 * H], array[..., 2 * H :]]
        array = np.concatenate([half.reshape(*half.shape[:-2], -1) for half in halves], axis=-1)
        return Laid(array, 1)
    return Laid(array, len(about.shapes[key]))


def _determinant(about: Architecture, weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """(..., 2) mantissa and exponent to base 2 of |det| of the weights in a step's determinant; ones where unknown."""
    if about.kind not in ("rnn", "lstm", "random_rnn") or (about.closed and about.layers > 1):
        return np.array([1.0, 0.0])
    total = np.zeros(())
    for layer in range(about.layers):
        W = np.asarray(weights[f"{layer}.hidden"])
        if about.closed:
            W = W + np.asarray(weights["readout.weight"]) @ np.asarray(weights["0.input"])
        total = total + log2_det(W[..., -about.hidden :])
    whole = np.floor(np.where(np.isfinite(total), total, 0.0))
    return np.stack([2.0 ** (total - whole), whole], axis=-1)


def log2_det(matrices: np.ndarray) -> np.ndarray:
    """log2 |det| of square matrices (..., n, n); -inf for those whose rank is lost in rounding."""
    n = matrices.shape[-1]
    result = []
    for matrix in matrices.reshape(-1, n, n):
        pivots = np.abs(np.diagonal(lapack.dgetrf(matrix)[0]))
        lost = pivots.min() <= 4 * n * np.finfo(float).eps * pivots.max()
        result.append(-np.inf if lost else np.log2(pivots).sum())
    return np.reshape(result, matrices.shape[:-2])


def pooled(parts: Sequence[Laid], shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """All numbers in a row, and the places (members, parts) where those of each member of a batch begin."""
    size, begin = math.prod(shape), 0
    places = np.zeros((size, len(parts)), dtype=np.int64)
    for i, (array, own) in enumerate(parts):
        lead = array.shape[: array.ndim - own]
        each = math.prod(array.shape[array.ndim - own :])
        index = np.arange(math.prod(lead)).reshape(lead)
        places[:, i] = begin + each * np.broadcast_to(index, shape).ravel()
        begin += array.size
    return np.concatenate([np.ravel(array) for array, _ in parts]), places
