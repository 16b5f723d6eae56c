"""jitcode: symbolic equations to C, one orbit, dopri5 of SciPy's `ode`; a reorthonormalisation every 0.1."""

import functools
import warnings

import numpy as np

from bench.environment import temporary_folder
from bench.workloads import lorenz96

INTERVAL = 0.1


@functools.cache
def _compiled(n):
    """The path of the compiled module."""
    from jitcode import jitcode_lyap, y

    rule = [(y((i + 1) % n) - y((i - 2) % n)) * y((i - 1) % n) - y(i) + 8.0 for i in range(n)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises against many exponents
        return jitcode_lyap(rule, n_lyap=n, verbose=False).save_compiled(temporary_folder() + "/")


def lorenz96_spectrum(tolerance: float, time: float, n: int = 40) -> np.ndarray:
    """Exponents (n,) at F = 8, from a frame of its own."""
    from jitcode import jitcode_lyap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        system = jitcode_lyap(n=n, n_lyap=n, module_location=_compiled(n), verbose=False)
    system.set_integrator("dopri5", rtol=tolerance, atol=tolerance)
    system.set_initial_value(lorenz96(n).x0, 0.0)
    system.integrate(INTERVAL)  # its frame begins in general position but not orthonormal
    total = np.zeros(n)
    intervals = round(time / INTERVAL)
    for i in range(2, intervals + 2):
        total += system.integrate(i * INTERVAL)[1]
    return total / intervals


def loosest_tolerance(trace_error: float, time: float, n: int = 40) -> float:
    """The largest tolerance, on a grid of half decades, whose sum of exponents errs by no more."""
    for tolerance in 10.0 ** np.arange(-2.0, -12.0, -0.5):
        if abs(lorenz96_spectrum(tolerance, time, n).sum() + n) <= trace_error:
            break
    return float(tolerance)
