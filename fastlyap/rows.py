"""The rows of members on the host: how they begin, and how growth is read from them."""

import math
from typing import NamedTuple

import numpy as np

from fastlyap.kernel import layout


def new_rows(x: np.ndarray, frame: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows S and A of members at states x (B, n) that share the frame (k, n)."""
    members, n = x.shape
    k = len(frame)
    S = np.zeros((members, layout.state_rows(n, k)))
    S[:, :n] = x
    S[:, n + 1 :] = frame.ravel()
    A = np.zeros((members, layout.accumulator_rows(k)))
    A[:, layout.FAILED_STEP] = -1
    reset(A, k)
    return S, A


def reset(A: np.ndarray, k: int) -> None:
    """Forget the growth, keep status and failed step."""
    A[:, layout.CONDITIONING :] = 0.0
    A[:, layout.VOLUME_MANTISSA] = 1.0
    A[:, layout.GROWTH : layout.GROWTH + k] = 1.0


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
    """Growth from the accumulators of members that took `step` steps."""
    length = every.astype(np.int64)
    while np.any(longer := step >= layout.N_CELLS * length):
        length = np.where(longer, 2 * length, length)
    n_cells = step // length
    first = layout.GROWTH + 2 * k
    cells = A[:, first:].reshape(len(A), layout.N_CELLS, k)
    cells = np.where((np.arange(layout.N_CELLS) < n_cells[:, None])[..., None], cells, 0.0)
    with np.errstate(divide="ignore", invalid="ignore"):
        open_cell = np.log2(A[:, layout.GROWTH : layout.GROWTH + k]) + A[:, layout.GROWTH + k : first]
        log_det = nats(np.log2(A[:, layout.VOLUME_MANTISSA]) + A[:, layout.VOLUME_EXPONENT])
        total = nats(cells.sum(axis=1) + open_cell)
    return Growth(total, nats(cells), length, n_cells, log_det, A[:, layout.DIVERGENCE])
