"""What every method returns, and how far vectors are from orthonormal."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Found(NamedTuple):
    """Exponents of B members by one method.

    exponents : (B, k) per unit time (flows) or step (maps), in the order of the directions, not sorted.
    defect : (B,) the largest |<v_i, v_j> - delta_ij| that the directions have shown.
    x : (B, n) the states at the end.
    """

    exponents: np.ndarray
    defect: np.ndarray
    x: np.ndarray


def defect(V: np.ndarray) -> np.ndarray:
    """Largest |<v_i, v_j> - delta_ij| of the rows of V (B, k, n), (B,)."""
    with np.errstate(all="ignore"):
        return np.abs(V @ V.swapaxes(1, 2) - np.eye(V.shape[1])).max(axis=(1, 2))


def worse(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """The larger of two defects; NaN, of directions that are no more, is the largest of all."""
    return np.maximum(before, np.where(np.isnan(now), np.inf, now))
