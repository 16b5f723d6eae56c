"""Cells of log growth and what is made of them: standard errors, histories; dimension and kind of an attractor.

A run keeps, per member and exponent, the log growth over at most N_CELLS consecutive stretches ("cells") of equal
length. When all are full, neighbours are merged and the length doubles, so that memory never grows and the
cells always cover the run evenly. Every backend uses this one scheme.
"""

from __future__ import annotations

from typing import Any

import numpy as np

N_CELLS = 64
FEWEST_CELLS = 4  # below, a variance says too little to be called an error
SLOW_MODES = 10
ZERO = 5.0  # a zero exponent leaves about this much behind, as log growth over a whole run

UNKNOWN, FIXED, CYCLE, TORUS, CHAOS, HYPERCHAOS, FIXED_OR_CYCLE, STABLE, NEUTRAL = range(9)
KINDS = (
    "unknown", "fixed point", "cycle", "torus", "chaos", "hyperchaos", "fixed point or cycle", "stable response",
    "neutral response",
)  # fmt: skip


def merge(cells: np.ndarray) -> np.ndarray:
    """Neighbouring cells (..., 2 m, k) added up: (..., m, k), each twice as long."""
    return cells[..., ::2, :] + cells[..., 1::2, :]


def running_mean(cells: np.ndarray, cell_time: np.ndarray | float) -> np.ndarray:
    """Mean growth rates over the run up to the end of each cell.

    Parameters
    ----------
    cells : (..., m, k)
        Log growth.
    cell_time : (...) or float
        Length of a cell, in units of time (flows) or steps (maps).

    Returns
    -------
    (..., m, k)
    """
    cells = np.asarray(cells, dtype=np.float64)
    elapsed = np.asarray(cell_time)[..., None] * np.arange(1, cells.shape[-2] + 1)
    with np.errstate(all="ignore"):
        return np.cumsum(cells, axis=-2) / elapsed[..., None]


def block_stderr(cells: np.ndarray, cell_time: np.ndarray | float) -> np.ndarray:
    """Standard error of mean growth rates, from the slow part of the variance of the blocks ("cells") of a run.

    The error of a mean is decided by what fluctuates slowly. With c_i the growth in cell i of m, and the J = 10
    slowest cosine modes (m/2, but at least 3, of them for short runs) a_j = sqrt(2/m) sum_i c_i cos(pi j (i + 1/2)/m),

        stderr^2 = J/(J - 2) mean_j a_j^2 / m / cell_time^2 .

    Over all modes the mean would be the plain variance of the cells; the slow ones see no block shorter than m/J
    cells, so that neither correlated nor anticorrelated neighbours mislead them. The first factor makes z-scores
    (of Student's t with J degrees of freedom) have variance 1.

    Parameters
    ----------
    cells : (..., m, k)
        Log growth.
    cell_time : (...) or float
        Length of a cell.

    Returns
    -------
    (..., k)
        Infinity where there are fewer than 4 cells: nothing is known yet. 0 for a rate of -inf, which no further
        cell can change. NaN where a cell is NaN or +inf.

    Notes
    -----
    With at least 32 cells and exponential forgetting it is low by less than 25 % while the correlation time is at
    most two cells. It is too high for growth that is nearly all boundary terms (zero exponents, coboundaries), whose
    mean errs by C/T. Source: Heidelberger & Welch, Comm. ACM 24 (1981).
    """
    cells = np.asarray(cells, dtype=np.float64)
    m = cells.shape[-2]
    if m < FEWEST_CELLS:
        return np.full(cells.shape[:-2] + cells.shape[-1:], np.inf)
    count = min(SLOW_MODES, max(FEWEST_CELLS - 1, m // 2))
    angles = np.outer(np.arange(1, count + 1), np.arange(m) + 0.5) * (np.pi / m)
    with np.errstate(all="ignore"):
        rows = np.ascontiguousarray(np.swapaxes(cells, -1, -2).reshape(-1, m))  # sums follow the memory order
        mean = rows.mean(axis=1)
        # not a BLAS product: its threads would take the cores from the kernels, and a row's bits depend on the others
        modes = np.einsum("ij,kj->ik", rows - mean[:, None], np.cos(angles))
        variance = (2.0 / m) * np.einsum("ij,ij->i", modes, modes) / (count - 2)
        stderr = np.where(np.isneginf(mean), 0.0, np.sqrt(variance / m)).reshape(cells.shape[:-2] + cells.shape[-1:])
        return stderr / np.asarray(cell_time)[..., None]


def kaplan_yorke(exponents: np.ndarray) -> np.ndarray:
    """Kaplan-Yorke (Lyapunov) dimension j + (l_1 + ... + l_j) / |l_{j+1}|.

    j is the largest number for which the sum of the j largest exponents is not negative.

    Parameters
    ----------
    exponents : (..., k)
        In any order and unit; -inf is allowed.

    Returns
    -------
    (...)
        0 when the largest exponent is negative; k when the sum of all is not negative (then, with k < n, a lower
        bound); NaN when an exponent is NaN.
    """
    given = np.asarray(exponents, dtype=np.float64)
    k = given.shape[-1]
    ordered = -np.sort(-given, axis=-1)  # NaN last
    with np.errstate(all="ignore"):
        sums = np.concatenate([np.zeros(given.shape[:-1] + (1,)), np.cumsum(ordered, axis=-1)], axis=-1)
        j = np.logical_and.accumulate(sums[..., 1:] >= 0, axis=-1).sum(axis=-1)
        total = np.take_along_axis(sums, j[..., None], axis=-1)[..., 0]
        following = np.take_along_axis(ordered, np.minimum(j, k - 1)[..., None], axis=-1)[..., 0] if k else total
        dimension = np.where(j < k, j + total / np.abs(following), j)
    return np.where(np.isnan(given).any(axis=-1), np.nan, dimension)[()]


def classify(
    exponents: np.ndarray,
    stderr: np.ndarray,
    *,
    kind: str,
    total_time: np.ndarray | float,
    dim: int | None = None,
    autonomous: bool = True,
    moved: np.ndarray | None = None,
    eps: float = 2.0**-52,
) -> np.ndarray:
    """What attractor a spectrum belongs to, judged with the errors.

    An exponent counts as zero when |l| <= max(3 stderr, 5 / total_time): a direction that neither grows nor
    shrinks leaves the log of a bounded factor (the ratio of two speeds on the orbit, an angle of the frame), taken
    as at most e^5 = 150. Slower sources of a zero (shear, whose factor grows like time) show in the stderr.

    Parameters
    ----------
    exponents, stderr : (..., k)
        Largest first, per unit time (flows) or step (maps).
    kind : str
        "flow", or anything else for discrete time.
    total_time : (...) or float
        Length of the run.
    dim : int, optional
        Dimension of the state, when k may be smaller. Then "chaos" of k = 1 leaves open whether it is hyperchaos.
    autonomous : bool
        False for systems driven by inputs, time or noise. A driven flow has no zero exponent of its own.
    moved : (...), optional
        How far one step more moves the last state of a map, relative to its size; NaN where nobody looked.
    eps : float
        Unit roundoff of the run.

    Returns
    -------
    (...) array of str
        One of `KINDS`. Flows: fixed point (all negative), cycle (one zero, no positive), torus (more zeros),
        chaos (one positive), hyperchaos (more). Maps: fixed point or cycle (all negative; which of them, `moved`
        says), torus (leading zero), chaos, hyperchaos. Driven systems: stable response (all negative: the orbit is
        decided by the drive), neutral response (leading zero), chaos, hyperchaos. "unknown" for NaN, without an error,
        or when k is too small.
    """
    exponents, stderr = np.asarray(exponents, dtype=np.float64), np.asarray(stderr, dtype=np.float64)
    dead = np.isneginf(exponents)
    with np.errstate(all="ignore"):
        bound = np.maximum(3.0 * stderr, ZERO / np.asarray(total_time, dtype=np.float64)[..., None])
        blind = (np.isnan(exponents) | ~(dead | np.isfinite(bound))).any(axis=-1)
        positive = (exponents > bound).sum(axis=-1)
        zero = ((np.abs(exponents) <= bound) & ~dead).sum(axis=-1)
    if kind == "flow" and autonomous:
        blind = blind | ((positive == 0) & (zero == 1) & (exponents.shape[-1] == 1) & (dim not in (None, 1)))
        still = np.select([zero >= 2, zero == 1], [TORUS, CYCLE], FIXED)
    elif autonomous:
        still = np.where(zero > 0, TORUS, _of_map(exponents, total_time, moved, eps))
    else:
        still = np.where(zero > 0, NEUTRAL, STABLE)
    code = np.select([blind, positive >= 2, positive == 1], [UNKNOWN, HYPERCHAOS, CHAOS], still)
    return np.array(KINDS)[code]


def _of_map(exponents: np.ndarray, total_time: Any, moved: np.ndarray | None, eps: float) -> np.ndarray:
    """Fixed point or cycle, for maps whose exponents are all negative.

    On the way to a fixed point e^(l_1 T) of the first distance, taken as the size of the state, is left after a time T.
    """
    if moved is None:
        return np.full(exponents.shape[:-1], FIXED_OR_CYCLE)
    with np.errstate(all="ignore"):
        left = np.exp(np.max(exponents, axis=-1) * np.asarray(total_time))
        resting = moved <= np.fmax(np.sqrt(eps), left)
    return np.select([np.isnan(moved), resting], [FIXED_OR_CYCLE, FIXED], CYCLE)
