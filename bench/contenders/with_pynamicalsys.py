"""pynamicalsys: one orbit at a time, a reorthonormalisation after every step (it offers no other interval)."""

import functools

import numpy as np
from numba import njit
from pynamicalsys import ContinuousDynamicalSystem

from bench.workloads import DT, lorenz63, lorenz96


def lorenz63_spectrum(rho: float, steps: int) -> np.ndarray:
    """Exponents (3,), from a frame of its own."""
    return _spectrum(_lorenz63(), lorenz63.x0, [10.0, float(rho), 8 / 3], steps)


def lorenz96_spectrum(forcing: float, steps: int, n: int = 40) -> np.ndarray:
    """Exponents (n,), from a frame of its own."""
    return _spectrum(_lorenz96(n), lorenz96(n).x0, [float(forcing)], steps)


def _spectrum(system, x0, parameters, steps):
    return system.lyapunov(np.array(x0), steps * DT, parameters=parameters, endpoint=False)


@functools.cache
def _lorenz63():
    system = ContinuousDynamicalSystem(model="lorenz system")
    system.integrator("rk4", time_step=DT)
    return system


@functools.cache
def _lorenz96(n):
    @njit
    def rule(time, x, parameters):
        out = np.empty(n)
        for i in range(n):
            out[i] = (x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + parameters[0]
        return out

    @njit
    def jacobian(time, x, parameters):
        J = np.zeros((n, n))
        for i in range(n):
            J[i, (i + 1) % n] = x[i - 1]
            J[i, i - 2] = -x[i - 1]
            J[i, i - 1] = x[(i + 1) % n] - x[i - 2]
            J[i, i] = -1.0
        return J

    system = ContinuousDynamicalSystem(
        equations_of_motion=rule, jacobian=jacobian, system_dimension=n, number_of_parameters=1
    )
    system.integrator("rk4", time_step=DT)
    return system
