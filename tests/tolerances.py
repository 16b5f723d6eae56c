"""How far two programs may differ on one formula: one helper for each working type, and the reasons."""

import numpy as np

ULPS = 16  # rounding of one step and one reorthonormalisation, in units of the last place of its largest terms
FLOOR = 64  # of the sums of logarithms and their division by the time, whatever the run


def eps(dtype):
    """Unit roundoff."""
    return float(np.finfo(dtype).eps)


def growth(dtype, *, steps, stretch=0.0):
    """Largest difference between two programs' log growth over `steps` steps.

    Every step brings in relative errors of `ULPS` units. An error made at step m is carried along by the tangent
    dynamics and has grown by exp(stretch) at most when the run ends, `stretch` being the log growth of the leading
    direction over the run; the growth itself changes by as much. Valid while the result is << 1: beyond, the orbits
    have parted and only averages can be compared.
    """
    return ULPS * eps(dtype) * steps * np.exp(max(float(stretch), 0.0)) + FLOOR * eps(dtype)


def sum_rule(dtype, *, n, steps, log_size, conditioning=1.0):
    """Largest |sum of log growth - log|det|| over `steps` steps, `log_size` the sum of |log growth| (law I1).

    Both are sums of `steps` terms whose rounding errors are independent, hence the square root. In the intervals of
    largest conditioning the trailing r_jj and the determinant are both differences of numbers that much larger,
    which adds n * eps * conditioning for each of the few such intervals. In float32 the mantissas are multiplied
    in float32 between two logarithms, so the same law holds with its eps.
    """
    return eps(dtype) * (100 * (np.sqrt(steps) * n + log_size) + 10 * n * conditioning)


def ratio(residual, scale):
    """LAPACK's test ratio residual / scale, which passes below 30; 0/0 passes."""
    with np.errstate(all="ignore"):
        return np.where(residual == 0, 0.0, residual / scale)
