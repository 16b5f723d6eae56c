"""Who is lost, why, and since when: one status code and one step number per member; what came first stays."""

import numpy as np

from fastlyap import status as codes


def mark(status: np.ndarray, lost: np.ndarray, code: int) -> np.ndarray:
    """Give `code` to the members of the mask `lost` that are well so far, (B,) int8."""
    return np.where((status == codes.OK) & lost, code, status).astype(np.int8)


def examine(status: np.ndarray, x: np.ndarray, radius: float) -> np.ndarray:
    """NOT_FINITE for a NaN in the state x (B, n), ESCAPED for some |x_i| beyond the radius."""
    status = mark(status, np.isnan(x).any(axis=1), codes.NOT_FINITE)
    return mark(status, (np.abs(x) > radius).any(axis=1), codes.ESCAPED)


def date(failed_step: np.ndarray, status: np.ndarray, number: int) -> np.ndarray:
    """Write `number` down for members that are lost and have no step yet, (B,)."""
    return np.where((status != codes.OK) & (failed_step < 0), number, failed_step)
