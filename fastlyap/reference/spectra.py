"""From growth to exponents, and the numbers made of exponents, one formula at a time."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlyap import status as codes
from fastlyap.reference.growth import Growth
from fastlyap.statistics import block_stderr


class Spectra(NamedTuple):
    """exponents, stderr : (B, k), largest first, NaN for failed members; sum_rule, divergence_error : (B,)."""

    exponents: np.ndarray
    stderr: np.ndarray
    sum_rule: np.ndarray
    divergence_error: np.ndarray


def spectra(g: Growth, dt: float = 1.0) -> Spectra:
    """Mean growth rates per unit time of what `growth` returned."""
    time = g.steps * dt
    failed = g.status >= codes.NOT_FINITE
    rates = np.where(failed[:, None], np.nan, g.total / time)
    errors = np.where(failed[:, None], np.nan, block_stderr(g.cells, g.cell_steps * dt))
    order = np.argsort(-rates, axis=1, kind="stable")
    with np.errstate(invalid="ignore"):
        sums = rates.sum(axis=1)
        off_volume, off_divergence = sums - g.log_det / time, sums - g.divergence / time
    return Spectra(
        np.take_along_axis(rates, order, 1), np.take_along_axis(errors, order, 1), off_volume, off_divergence
    )


def kaplan_yorke(exponents: np.ndarray) -> float:
    """j + (l_1 + ... + l_j) / |l_{j+1}|, j the largest number for which that sum is not negative; of one spectrum."""
    total = 0.0
    for j, exponent in enumerate(exponents):
        if np.isnan(exponent):
            return np.nan
        if total + exponent < 0:
            return j + total / abs(exponent)
        total += exponent
    return float(len(exponents))


def entropy(exponents: np.ndarray) -> float:
    """Sum of the positive exponents of one spectrum, an upper bound of the Kolmogorov-Sinai entropy."""
    return float(sum(exponent for exponent in exponents if exponent > 0))
