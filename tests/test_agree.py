"""One formula, three programs: lanes, one lane and the plain reference page agree before chaos parts them."""

import numpy as np
import pytest

import fastlyap as fl
from tests import tolerances

MAPS = ("logistic", "tent", "skew_tent", "cat", "baker", "henon", "lozi", "ikeda", "standard", "folded_towel",
        "coupled_logistic", "solenoid")  # fmt: skip
FLOWS = ("lorenz63", "rossler", "hyper_rossler", "lorenz84", "chen", "thomas", "duffing", "van_der_pol",
         "double_gyre", "henon_heiles", "double_pendulum", "coupled_rossler", "kuramoto", "lorenz96")  # fmt: skip
SIZED = {"kuramoto": 5, "lorenz96": 6}
EVERY_INTEGRATOR = ("lorenz63", "double_gyre")  # an autonomous one, and one driven in time
ALSO_ALONE = ("henon", "folded_towel", "lorenz63", "double_gyre", "double_pendulum")
MEMBERS = 3

CASES = [(name, None) for name in MAPS] + [(name, "rk4") for name in FLOWS]
CASES += [(name, integrator) for name in EVERY_INTEGRATOR for integrator in ("dopri5", "euler")]
LONG = [(name, i) for name in FLOWS for i in ("dopri5", "euler") if name not in EVERY_INTEGRATOR]
ALL = [pytest.param(*case, id="-".join(filter(None, case))) for case in CASES]
ALL += [pytest.param(*case, id="-".join(case), marks=pytest.mark.slow) for case in LONG]


def build(name):
    """A system of the catalogue, and a batch of starts and parameters around its defaults."""
    system = getattr(fl.systems, name)(*([SIZED[name]] if name in SIZED else []))
    rng = np.random.default_rng(3)
    x0 = system.x0 * (1 + 1e-3 * rng.standard_normal((MEMBERS, system.dim)))
    parameters = {}
    for each, value in system.parameters.items():
        shape = (MEMBERS, *np.shape(value))
        parameters[each] = np.broadcast_to(value, shape) * (1 - 1e-3 * rng.random(shape))
    return system, x0, parameters


def growth(result):
    """Log growth (..., k) over the run."""
    dt = result.settings["dt"] or 1.0
    return result.exponents * dt * result.settings["steps"]


def same(found, wanted, steps):
    """Assert that two programs gave the same numbers, up to rounding and its growth; and the same statuses exactly."""
    np.testing.assert_array_equal(found.status, wanted.status)
    np.testing.assert_array_equal(found.failed_step, wanted.failed_step)
    np.testing.assert_array_equal(found.n_steps, wanted.n_steps)
    well = ~fl.Status.failed(wanted.status)
    stretch = growth(wanted)[well].max() + np.log(wanted.conditioning[well].max()) / 2
    assert stretch < 22, "the run is too long for a comparison of orbits"
    allowed = tolerances.growth(found.settings["dtype"], steps=steps, stretch=stretch)
    np.testing.assert_allclose(growth(found), growth(wanted), rtol=0, atol=allowed)
    np.testing.assert_allclose(found.conditioning[well], wanted.conditioning[well], rtol=allowed)
    time = steps * (found.settings["dt"] or 1.0)
    for name in ("sum_rule", "divergence_error"):
        atol = allowed + 1e-12 * np.abs(growth(wanted)).max(initial=0.0, where=np.isfinite(growth(wanted)))
        np.testing.assert_allclose(getattr(found, name) * time, getattr(wanted, name) * time, rtol=0, atol=atol)


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("name,integrator", ALL)
def test_spectrum(name, integrator, direction):
    system, x0, parameters = build(name)
    steps = 7 if name in MAPS else 16
    how = dict(steps=steps, transient=4, every=3, direction=direction, integrator=integrator)
    wanted = fl.spectrum(system, x0, parameters, backend="reference", **how)
    assert np.all(wanted.status == fl.Status.OK)
    assert np.all(np.isfinite(wanted.exponents))
    same(fl.spectrum(system, x0, parameters, backend="cpu", **how), wanted, steps)
    if name in ALSO_ALONE:
        first = [x0[0], {each: value[0] for each, value in parameters.items()}]
        one = fl.spectrum(system, *first, backend="cpu", **how)
        same(one, fl.spectrum(system, *first, backend="reference", **how), steps)


@pytest.mark.parametrize("name,integrator", [("henon", None), ("lorenz63", "rk4"), ("lorenz63", "dopri5")])
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
def test_leading_exponent_in_float32(name, integrator, direction):
    system, x0, parameters = build(name)
    how = dict(steps=10, transient=2, every=1, k=1, direction=direction, integrator=integrator, dtype="float32")
    wanted = fl.spectrum(system, x0, parameters, backend="reference", **how)
    same(fl.spectrum(system, x0, parameters, backend="cpu", **how), wanted, 10)


@pytest.mark.parametrize("name", MAPS[:1] + ("lorenz63", "double_gyre"))
@pytest.mark.parametrize("integrator", ["rk4", "dopri5", "euler"])
def test_trajectory(name, integrator):
    if name in MAPS:
        integrator = None
    system, x0, parameters = build(name)
    how = dict(steps=20, transient=3, every=4, integrator=integrator)
    wanted = fl.trajectory(system, x0, parameters, backend="reference", **how)
    found = fl.trajectory(system, x0, parameters, backend="cpu", **how)
    np.testing.assert_array_equal(found.times, wanted.times)
    stretch = 23 * np.log(4.0) if name in MAPS else 3.0
    allowed = tolerances.growth("float64", steps=23, stretch=min(stretch, 15.0))
    np.testing.assert_allclose(found.state, wanted.state, rtol=allowed, atol=allowed)


@fl.flow(state="x y", parameters={"a": 1.0}, x0=(1.0, 0.0), dt=0.1)
def fragile(t, x, p):
    """Ends in a division by zero where a < 0: x falls linearly and log x is taken."""
    return p.a + 0 * x.y, fl.math.log(x.x)


CALAMITIES = {
    "escape of a map": ("henon", {"a": [1.4, 10.0, 1.3]}, {}),
    "escape of a flow": ("lorenz63", {"rho": [28.0, -1e6, 20.0]}, {"dt": 0.01}),
    "not a number": ("fragile", {"a": [1.0, -1.0, -2.0]}, {}),
    "too small a radius": ("lorenz63", {"rho": [28.0, 60.0, 20.0]}, {"escape_radius": 26.0}),
    "lost rank": ("henon", {"b": [0.3, 0.0, 0.2]}, {}),
    "overflow within an interval": ("henon", {"a": [1.4, 1e60, 1.3]}, {"every": 4}),
}


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("calamity", list(CALAMITIES))
def test_statuses(calamity, direction):
    """Who fails, how and at which step is part of the formula."""
    name, parameters, more = CALAMITIES[calamity]
    system = fragile if name == "fragile" else getattr(fl.systems, name)()
    how = {"steps": 24, "transient": 5, "every": 2, "direction": direction, **more}
    wanted = fl.spectrum(system, None, parameters, backend="reference", **how)
    found = fl.spectrum(system, None, parameters, backend="cpu", **how)
    assert np.any(wanted.status != fl.Status.OK)
    assert wanted.status[0] == fl.Status.OK
    np.testing.assert_array_equal(found.status, wanted.status)
    np.testing.assert_array_equal(found.failed_step, wanted.failed_step)
    np.testing.assert_array_equal(np.isnan(found.exponents), np.isnan(wanted.exponents))
    np.testing.assert_array_equal(np.isneginf(found.exponents), np.isneginf(wanted.exponents))
    for i, each in enumerate(next(iter(parameters.values()))):
        alone = fl.spectrum(system, None, {next(iter(parameters)): each}, backend="cpu", **how)
        assert alone.status == wanted.status[i]
        assert alone.failed_step == wanted.failed_step[i]
