"""The rows of members on the host: how they begin, and how growth is read from them."""

import math
from typing import NamedTuple

import numpy as np

from fastlyap.kernel import layout


def new_rows(x: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows S and A of members at states x (B, n) that share the frame (k, n); A without cells."""
    members, n = x.shape
    k = len(frame)
    S = np.zeros((members, layout.state_rows(n, k)))
    S[:, :n] = x
    S[:, n + 1 :] = frame.ravel()
    return S, new_accumulators(members, k)


def new_accumulators(members: int, k: int) -> np.ndarray:
    """Rows A without cells, nothing accumulated yet."""
    A = np.zeros((members, layout.head_rows(k)))
    A[:, layout.FAILED_STEP] = -1
    reset(A, k)
    return A


def reset(A: np.ndarray, k: int) -> None:
    """Forget the growth, keep status and failed step."""
    A[:, layout.CONDITIONING :] = 0.0
    A[:, layout.VOLUME_MANTISSA] = 1.0
    A[:, layout.GROWTH : layout.GROWTH + k] = 1.0


def with_cells(A: np.ndarray, k: int) -> np.ndarray:
    """The accumulators with rows for cells: from now on growth counts."""
    full = np.zeros((len(A), layout.accumulator_rows(k)))
    full[:, : A.shape[1]] = A
    return full


def nats(doublings: np.ndarray) -> np.ndarray:
    """Log growth from logarithms to base 2, the unit of the cells."""
    return math.log(2.0) * doublings


class Growth(NamedTuple):
    """Log growth of members since the start of the averaging."""

    total: np.ndarray  # (B, k)
    cells: np.ndarray  # (B, N_CELLS, k), zero beyond n_cells
    cell_steps: np.ndarray  # (B,) steps in a cell
    n_cells: np.ndarray  # (B,) cells that are full
    log_det: np.ndarray  # (B,) log of the volume growth
    divergence: np.ndarray  # (B,)


def read_growth(A: np.ndarray, k: int, step: np.ndarray, every: np.ndarray) -> Growth:
    """Growth from the accumulators of members that took `step` steps; without cells, all of it is in `total`."""
    length = every.astype(np.int64)
    while np.any(longer := step >= layout.N_CELLS * length):
        length = np.where(longer, 2 * length, length)
    n_cells = step // length
    first = layout.head_rows(k)
    cells = nats(A[:, first:]).reshape(len(A), -1, k)
    if len(A) and n_cells.min() < cells.shape[1]:
        cells[np.arange(cells.shape[1]) >= n_cells[:, None]] = 0.0
    with np.errstate(divide="ignore", invalid="ignore"):
        open_cell = np.log2(A[:, layout.GROWTH : layout.GROWTH + k]) + A[:, layout.GROWTH + k : first]
        log_det = nats(np.log2(A[:, layout.VOLUME_MANTISSA]) + A[:, layout.VOLUME_EXPONENT])
        total = cells.sum(axis=1) + nats(open_cell)
    return Growth(total, cells, length, n_cells, log_det, A[:, layout.DIVERGENCE])
