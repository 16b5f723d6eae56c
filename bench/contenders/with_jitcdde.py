"""jitcdde: symbolic delay equations to C, one orbit, adaptive steps; a reorthonormalisation every 10 units of time."""

import functools
import warnings

import numpy as np

from bench.environment import temporary_folder

INTERVAL = 10.0
TAU = 17.0


@functools.cache
def _compiled(n_lyap):
    """The path of the compiled module."""
    from jitcdde import jitcdde_lyap, t, y

    rule = [0.2 * y(0, t - TAU) / (1 + y(0, t - TAU) ** 10) - 0.1 * y(0)]
    return jitcdde_lyap(rule, n_lyap=n_lyap, verbose=False).save_compiled(temporary_folder() + "/")


def mackey_glass(tolerance: float, time: float, n_lyap: int = 4) -> tuple[float, np.ndarray]:
    """The state after `time` units from the constant 0.5, and the mean exponents (n_lyap,)."""
    from jitcdde import jitcdde_lyap

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it advises on the lengths of intervals
        system = jitcdde_lyap(n=1, n_lyap=n_lyap, delays=[TAU], module_location=_compiled(n_lyap), verbose=False)
        system.constant_past([0.5], 0.0)
        system.set_integration_parameters(rtol=tolerance, atol=tolerance, first_step=0.01, max_step=INTERVAL)
        system.step_on_discontinuities()
        growth, weights = [], []
        for end in np.arange(INTERVAL * np.ceil(system.t / INTERVAL + 0.5), time + INTERVAL / 2, INTERVAL):
            state, rates, weight = system.integrate(end)
            growth.append(rates)
            weights.append(weight)
    return float(np.ravel(state)[0]), np.average(growth, axis=0, weights=weights)
