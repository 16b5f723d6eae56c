"""Covariant vectors of Lorenz 63 by other packages, at every step of a window between two warm-ups."""

import numpy as np

from bench.contenders.with_pynamicalsys import _lorenz63
from bench.workloads import DT, lorenz63


def pynamicalsys(rho: float, steps: int, warmup: int) -> tuple[np.ndarray, np.ndarray]:
    """States (steps, 3) and vectors (steps, 3, 3), rows."""
    times = dict(total_time=steps * DT, warmup_time=warmup * DT, tail_time=warmup * DT)
    vectors, orbit = _lorenz63().CLV(np.array(lorenz63.x0), parameters=[10.0, float(rho), 8 / 3], **times)
    return orbit[1:, 1:], vectors[1:].swapaxes(1, 2)


def clvlib(rho: float, steps: int, warmup: int) -> tuple[np.ndarray, np.ndarray]:
    """The same; it knows no windows, so all steps are returned and cut here."""
    from clvlib.numpy import lyap_analysis_from_ic

    def rule(t, x):
        return np.array([10.0 * (x[1] - x[0]), x[0] * (rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]])

    def jacobian(t, x):
        return np.array([[-10.0, 10.0, 0.0], [rho - x[2], -1.0, -x[0]], [x[1], x[0], -8 / 3]])

    times = DT * np.arange(steps + 2 * warmup + 1)
    found = lyap_analysis_from_ic(rule, jacobian, np.array(lorenz63.x0), times)
    window = slice(warmup + 1, warmup + steps + 1)
    return found[6][window], found[4][window].swapaxes(1, 2)
