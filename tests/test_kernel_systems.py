"""Systems of compiled functions that cannot be recorded run through the same loop as recorded ones."""

import numba
import numpy as np
import pytest
from tolerances import growth

import fastlyap as fl

SWITCH = np.array([0.0, 1.0, 0.0])  # the rule looks something up, which cannot be recorded


@numba.njit
def rule(t, x, p, out):
    i = 0
    while SWITCH[i] < 0.5:
        i += 1
    out[0] = p[0] * (x[i] - x[0])
    out[1] = x[0] * (p[1] - x[2]) - x[1]
    out[2] = x[0] * x[1] - p[2] * x[2]
    if x[0] > 1e9:
        out[0] = 0.0


@numba.njit
def tangent(t, x, v, p, out):
    out[0] = p[0] * (v[1] - v[0])
    out[1] = v[0] * (p[1] - x[2]) - x[0] * v[2] - v[1]
    out[2] = v[0] * x[1] + x[0] * v[1] - p[2] * v[2]


@numba.njit
def adjoint(t, x, w, p, out):
    out[0] = (p[1] - x[2]) * w[1] + x[1] * w[2] - p[0] * w[0]
    out[1] = p[0] * w[0] - w[1] + x[0] * w[2]
    out[2] = -x[0] * w[1] - p[2] * w[2]


@numba.njit
def divergence(t, x, p):
    return -p[0] - 1.0 - p[2]


def compiled_lorenz(**products):
    given = dict(sigma=10.0, rho=28.0, beta=8 / 3)
    return fl.System.from_kernels(
        kind="flow", dim=3, parameters=given, rule=rule, tangent=tangent, x0=(1.0, 1.0, 25.0), dt=0.01, **products
    )


@pytest.mark.compiled
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("integrator", ["rk4", "dopri5"])
def test_compiled_functions_give_the_numbers_of_the_recorded_rule(direction, integrator):
    options = dict(
        parameters={"rho": [28.0, 40.0]}, steps=100, transient=50, every=5, direction=direction, integrator=integrator
    )
    system = compiled_lorenz(adjoint=adjoint, divergence=divergence)
    assert system.recording is None
    ours = fl.spectrum(system, **options)
    theirs = fl.spectrum(fl.systems.lorenz63(), **options)
    allowed = growth("float64", steps=150, stretch=1.5)  # 100 steps are one unit of time
    assert np.abs(ours.exponents - theirs.exponents).max() < allowed
    assert np.abs(ours.divergence_error - theirs.divergence_error).max() < allowed


@pytest.mark.compiled
def test_without_a_divergence_there_is_no_divergence_error():
    found = fl.spectrum(compiled_lorenz(), steps=50, transient=0, every=5)
    assert np.isnan(found.divergence_error)
    assert abs(found.sum_rule) < 1e-10


def test_what_compiled_functions_cannot_do_is_refused():
    system = compiled_lorenz()
    with pytest.raises(fl.InputError, match="`direction`.*adjoint"):
        fl.spectrum(system, direction="adjoint")
    with pytest.raises(fl.InputError, match="`dtype`"):
        fl.spectrum(system, dtype="float32")
    with pytest.raises(fl.InputError, match="`backend`"):
        fl.spectrum(system, backend="reference")
