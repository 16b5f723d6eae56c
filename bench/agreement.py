"""Whether two programs compute the same thing; asserted before either is timed.

From the same start and frame, over so few steps that rounding has not grown, finite-time exponents must agree
almost to the last digit: dt, integrator, order of operations in time, and counting of steps are then the same.
Programs that choose their own frame must agree in the sum, which does not depend on it, and, over a longer time,
in the largest exponent.
"""

import numpy as np

SHORT = 200  # steps
DIGITS = 1e-8
LOOSE = 0.15


def in_all(theirs: np.ndarray, ours: np.ndarray) -> None:
    """All finite-time exponents agree; (..., k), in any order."""
    np.testing.assert_allclose(_sorted(theirs), _sorted(ours), rtol=0, atol=DIGITS * np.abs(ours).max())


def in_sum(theirs: np.ndarray, ours: np.ndarray) -> None:
    """The sums of finite-time exponents agree."""
    scale = np.abs(ours).sum(axis=-1).max()
    np.testing.assert_allclose(np.sum(theirs, -1), np.sum(ours, -1), rtol=0, atol=DIGITS * scale)


def in_largest(theirs: np.ndarray, ours: np.ndarray) -> None:
    """The largest exponents agree as far as runs of this length tell."""
    np.testing.assert_allclose(np.mean(_sorted(theirs)[..., 0]), np.mean(_sorted(ours)[..., 0]), rtol=LOOSE)


def _sorted(exponents: np.ndarray) -> np.ndarray:
    return -np.sort(-np.asarray(exponents), axis=-1)
