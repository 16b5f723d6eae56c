"""When sweeps that turn frames into singular vectors have nothing left to do."""

import numpy as np

IN_A_ROW = 2  # sweeps that must all say so: a small change in one of them is no proof


def judge(sums: np.ndarray, before: np.ndarray, tolerance: float, k: int) -> tuple[np.ndarray, np.ndarray]:
    """How much the log singular values (B, k or k + 1) changed, and whether what is still to come is below `tolerance`.

    A neighbour at a distance `gap` leaves an error that shrinks by rate = exp(-2 gap) from sweep to sweep, so that
    change * rate / (1 - rate) is still to come; and never more than the gap itself.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.where(sums == before, 0.0, np.abs(sums - before))  # both may be -inf
        gap = np.where(sums[:, :-1] == sums[:, 1:], 0.0, sums[:, :-1] - sums[:, 1:])
        rate = np.exp(-2.0 * gap)
        to_come = rate / (1.0 - rate)
        error = np.zeros_like(sums)
        error[:, :-1] += np.fmin(change[:, :-1] * to_come, gap)
        error[:, 1:] += np.fmin(change[:, 1:] * to_come, gap)
        small = (error <= tolerance * np.maximum(1.0, np.abs(sums))) & ~np.isnan(change)
    return change, small[:, :k].all(axis=1)
