"""Orbits in plain NumPy, and their derivatives by complex steps: exact to rounding, and no adjoint anywhere."""

import numpy as np

from fastlyap.trace.evaluate import evaluate

TINY = 1e-150


def step(system, integrator, dt, x, p, t):
    """One step of a system without noise, also of complex states and parameters."""

    def f(t, x):
        return evaluate(system.recording.outputs, x, p, t)

    if integrator == "map":
        return f(t, x)
    if integrator == "euler":
        return x + dt * f(t, x)
    a = f(t, x)
    b = f(t + dt / 2, x + dt / 2 * a)
    c = f(t + dt / 2, x + dt / 2 * b)
    return x + dt / 6 * (a + 2 * b + 2 * c + f(t + dt, x + dt * c))


def objective(system, recording, kind, x, p, *, steps, dt=1.0, integrator="map"):
    """The value of an average or terminal objective of a run from x."""
    total = 0.0
    for n in range(steps):
        total = total + evaluate(recording.outputs, x, p)[0] / steps
        x = step(system, integrator, dt, x, p, n * dt)
    return total if kind == "average" else evaluate(recording.outputs, x, p)[0]


def complex_step(system, one, *, steps, dt=1.0, integrator="map"):
    """(value, derivatives by flat parameters, derivatives by the start)."""
    recording, x, p = one.recorded(system), system.x0, system.flat_parameters
    how = dict(steps=steps, dt=dt, integrator=integrator)

    def along(dx, dp):
        return objective(system, recording, one.kind, x + 1j * TINY * dx, p + 1j * TINY * dp, **how).imag / TINY

    by_parameter = [along(np.zeros(len(x)), e) for e in np.eye(len(p))]
    by_start = [along(e, np.zeros(len(p))) for e in np.eye(len(x))]
    return objective(system, recording, one.kind, x, p, **how), np.array(by_parameter), np.array(by_start)


def flat(result):
    """The gradient by all parameters, one after another."""
    return np.concatenate([np.ravel(v) for name, v in result.gradient.items() if name != "x0"])
