"""Symplectic integrators: order, energy, exact pairs of finite-time exponents, both directions, who is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl
from fastlyap.cast import SYMPLECTIC
from fastlyap.math import cos, sin, sum
from fastlyap.reference import methods
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.step import step_jacobian
from tests import tolerances

SMALL = config.DISABLE_JIT
ORDER = {"leapfrog": 2, "yoshida4": 4}
integrators = pytest.mark.parametrize("integrator", SYMPLECTIC)


@fl.flow(state="q p", parameters={"F": 0.3, "w": 1.3}, x0=(0.4, 0.2), dt=0.1)
def driven_pendulum(t, x, p):
    return x.p, -sin(x.q) + p.F * cos(p.w * t)


@fl.flow(state=24, parameters={"K": 1.0}, x0=np.sin(np.arange(24.0) ** 2), dt=0.1)
def mean_field(t, x, p):
    """Rotors coupled by their mean: long sums, which the kernels keep as shared values."""
    s, c = sum([sin(q) for q in x[:12]]) / 12, sum([cos(q) for q in x[:12]]) / 12
    return [*[4 * sin(v) for v in x[12:]], *[p.K * (cos(q) * s - sin(q) * c) for q in x[:12]]]


def starts(system, count, size=0.05, seed=0):
    return system.x0 + size * np.random.default_rng(seed).standard_normal((count, system.dim))


def how(system, integrator, members, dt=None):
    """The reference's dynamics of some members."""
    p = np.tile(system.flat_parameters, (members, 1))
    shapes = tuple(np.shape(value) for value in system.parameters.values())
    names = tuple(system.parameters), shapes, system.state_names
    return Dynamics(system.function, p, *names, integrator=integrator, dt=dt or system.dt)


def energy(x):
    """Of Henon and Heiles."""
    q, p, v, w = np.moveaxis(x, -1, 0)
    return (v**2 + w**2 + q**2 + p**2) / 2 + q**2 * p - p**3 / 3


SYSTEMS = [fl.systems.henon_heiles(), driven_pendulum, fl.systems.fput(5 if SMALL else 16), mean_field]


@integrators
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_kernels_agree_with_the_reference(system, direction, integrator):
    options = dict(steps=12, transient=4, every=3, direction=direction, integrator=integrator)
    x0 = starts(system, 3)
    found = fl.spectrum(system, x0, **options)
    wanted = fl.spectrum(system, x0, backend="reference", **options)
    time = 12 * system.dt
    allowed = 10 * tolerances.growth("float64", steps=16, stretch=3.0) / time
    np.testing.assert_allclose(found.exponents, wanted.exponents, rtol=0, atol=allowed)
    size = np.abs(found.exponents).sum(axis=-1).max() * time
    rounding = tolerances.sum_rule("float64", n=system.dim, steps=12, log_size=size, conditioning=found.conditioning)
    assert np.all(np.abs(found.sum_rule) * time <= rounding)
    assert np.all(np.abs(found.divergence_error) * time <= rounding)  # every step preserves the volume


@integrators
@pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: system.name)
def test_trajectories_agree_with_the_reference(system, integrator):
    options = dict(steps=8, every=2, transient=3, integrator=integrator)
    found = fl.trajectory(system, starts(system, 2), **options).state
    wanted = fl.trajectory(system, starts(system, 2), backend="reference", **options).state
    np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


@integrators
@pytest.mark.parametrize("system", SYSTEMS[:2], ids=lambda system: system.name)
def test_order(system, integrator):
    """Against rk4 with much smaller steps; a kick that reads the time keeps the order."""
    exact = fl.trajectory(system, steps=400, every=400, dt=0.005).state[-1]
    errors = []
    for n in (20, 40):
        state = fl.trajectory(system, steps=n, every=n, dt=2.0 / n, integrator=integrator).state[-1]
        errors.append(np.linalg.norm(state - exact))
    assert np.log2(errors[0] / errors[1]) == pytest.approx(ORDER[integrator], abs=0.3)


@integrators
def test_steps_are_reversible(integrator):
    system = fl.systems.henon_heiles()
    there = fl.trajectory(system, starts(system, 4), steps=30, every=30, integrator=integrator).state[:, -1]
    back = fl.trajectory(system, there, steps=30, every=30, dt=-system.dt, integrator=integrator).state[:, -1]
    np.testing.assert_allclose(back, starts(system, 4), rtol=0, atol=1e-13)


@integrators
@given(seed=st.integers(0, 2**32 - 1))
def test_step_is_symplectic(integrator, seed):
    """M' Omega M = Omega for the tangent M of one step."""
    for system in (fl.systems.henon_heiles(), fl.systems.fput(3)):
        x0 = starts(system, 2, 0.2, seed)
        M = step_jacobian(how(system, integrator, 2, 0.2), 0.0, x0, np.zeros(2))
        d = system.dim // 2
        Omega = np.block([[np.zeros((d, d)), np.eye(d)], [-np.eye(d), np.zeros((d, d))]])
        np.testing.assert_allclose(M.swapaxes(1, 2) @ Omega @ M, np.tile(Omega, (2, 1, 1)), rtol=0, atol=1e-13)


@integrators
def test_finite_time_exponents_come_in_pairs(integrator):
    """To 1e-10, at any length: the singular values of a symplectic product are s and 1/s. rk4's are not."""
    system = fl.systems.henon_heiles()
    x0 = starts(system, 4)
    worst = {}
    for name in (integrator, "rk4"):
        found = methods.discrete_svd(how(system, name, 4, 0.1), x0, steps=400, every=4, sweeps=80)
        worst[name] = np.abs(found.exponents + found.exponents[:, ::-1]).max()
    assert worst[integrator] <= 1e-10 < worst["rk4"]


@integrators
def test_kernels_pairs_of_finite_time_exponents(integrator):
    system = fl.systems.henon_heiles()
    steps = 40 if SMALL else 1000
    found = fl.finite_time(system, starts(system, 4, 0.02), steps=steps, dt=0.1, integrator=integrator)
    assert np.abs(found.exponents + found.exponents[:, ::-1]).max() <= 1e-10


@pytest.mark.compiled
@integrators
def test_spectra_come_in_pairs_up_to_boundary_terms(integrator):
    system = fl.systems.fput(16)
    found = fl.spectrum(system, starts(system, 4), steps=4000, integrator=integrator)
    assert np.all(found.status == fl.Status.OK)
    assert np.all(np.abs(found.exponents + found.exponents[:, ::-1]) <= 12.0 / (4000 * system.dt))
    assert np.all(found.exponents[:, 0] > 0.02)  # hot enough for chaos


@pytest.mark.compiled
@integrators
def test_energy_does_not_drift(integrator):
    """It swings about its value by O(dt^order) and stays; rk4 at the same step loses it steadily."""
    system = fl.systems.henon_heiles()
    orbit = {
        name: energy(fl.trajectory(system, steps=200_000, every=50, dt=0.2, integrator=name).state) - 0.125
        for name in (integrator, "rk4")
    }
    early, late = (np.abs(part).max() for part in np.split(orbit[integrator], 2))
    assert late < 1.5 * early and late < 3e-3
    assert abs(orbit["rk4"][-200:].mean()) > 3 * abs(orbit[integrator][-200:].mean())


@pytest.mark.compiled
def test_the_largest_exponent_is_that_of_rk4():
    """The largest exponent by yoshida4 is that by rk4, over a long chaotic run, within the errors."""
    system = fl.systems.fput(16)
    options = dict(x0=starts(system, 16), steps=20_000, k=1)
    mine, other = (fl.spectrum(system, integrator=i, **options).exponents[:, 0] for i in ("yoshida4", "rk4"))
    error = np.hypot(mine.std(ddof=1), other.std(ddof=1)) / 4
    assert abs(mine.mean() - other.mean()) <= 4 * error


@pytest.mark.compiled
def test_float32():
    system = fl.systems.henon_heiles()
    options = dict(steps=20, k=1, every=2, integrator="leapfrog", transient=2)
    single = fl.spectrum(system, starts(system, 3), dtype="float32", **options).exponents
    np.testing.assert_allclose(single, fl.spectrum(system, starts(system, 3), **options).exponents, atol=2e-4)


@fl.flow(state="q p", x0=(0.1, 0.1), dt=0.1)
def damped(t, x, p):
    return x.p, -x.q - 0.1 * x.p


@fl.flow(state="q p", x0=(0.1, 0.1), dt=0.1)
def hurried(t, x, p):
    return (1 + 0.1 * sin(t)) * x.p, -x.q


REFUSED = {
    "omega1/dt reads omega1": fl.systems.double_pendulum(),
    "it has 3 states": fl.systems.lorenz63(),
    "p/dt reads p": damped,
    "q/dt reads the time": hurried,
}


@integrators
@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason, integrator):
    with pytest.raises(fl.InputError, match=f"`integrator` '{integrator}'.*{reason}.*rk4"):
        fl.spectrum(REFUSED[reason], integrator=integrator)


def test_kernels_and_maps_are_refused():
    def rule(t, x, p, out):
        out[0], out[1] = x[1], -x[0]

    def tangent(t, x, v, p, out):
        out[0], out[1] = v[1], -v[0]

    system = fl.System.from_kernels(kind="flow", dim=2, rule=rule, tangent=tangent, x0=(1.0, 0.0), dt=0.1)
    if system.recording is None:
        with pytest.raises(fl.InputError, match="compiled as given"):
            fl.spectrum(system, integrator="leapfrog")
    with pytest.raises(fl.InputError, match="`integrator`"):
        fl.spectrum(fl.systems.henon(), integrator="leapfrog")
