"""Systems with noise: kernels and plain path agree on every kind of it, and the parts of the run fit together."""

import numpy as np
import pytest
from numba import config

import fastlyap as fl
from fastlyap.machines import planning
from tests import noisy, tolerances

ALL = pytest.mark.parametrize("name", list(noisy.CASES))
COMPILED = pytest.param("flow, diagonal, heun", marks=pytest.mark.compiled)
ANY = pytest.mark.parametrize("name", ["map, additive", COMPILED])
HOW = dict(steps=14, transient=5, every=3, seed=7)


def growth(found):
    """Log growth over the run."""
    return found.exponents * found.settings["steps"] * (found.settings["dt"] or 1.0)


def agree(found, wanted):
    """Assert that two programs gave the same numbers up to rounding and its growth."""
    np.testing.assert_array_equal(found.status, wanted.status)
    steps = wanted.settings["steps"]
    stretch = growth(wanted).max() + np.log(wanted.conditioning.max()) / 2
    dtype = wanted.settings["dtype"]
    # a random matrix may be nearly singular: then trailing r_jj are differences of numbers larger by the conditioning
    singular = 10 * wanted.system.dim * tolerances.eps(dtype) * wanted.conditioning.max()
    allowed = tolerances.growth(dtype, steps=steps, stretch=stretch) + singular
    np.testing.assert_allclose(growth(found), growth(wanted), rtol=0, atol=allowed)
    time = steps * (wanted.settings["dt"] or 1.0)
    for name in ("sum_rule", "divergence_error"):
        atol = allowed + 1e-12 * np.abs(growth(wanted)).max()
        np.testing.assert_allclose(getattr(found, name) * time, getattr(wanted, name) * time, rtol=0, atol=atol)


@ALL
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
def test_spectrum(name, direction):
    system, integrator = noisy.CASES[name]
    x0 = noisy.starts(system, 3)
    how = dict(HOW, direction=direction, integrator=integrator)
    wanted = fl.spectrum(system, x0, backend="reference", **how)
    assert np.all(wanted.status == fl.Status.OK)
    agree(fl.spectrum(system, x0, backend="cpu", **how), wanted)


@pytest.mark.parametrize("name", ["map, diagonal, mixed", "flow, sizes in time, rk4", "ring, heun"])
def test_one_member_is_the_first_of_many(name):
    system, integrator = noisy.CASES[name]
    x0 = noisy.starts(system, 3)
    wanted = fl.spectrum(system, x0[:1], backend="reference", integrator=integrator, **HOW)
    agree(fl.spectrum(system, x0[:1], backend="cpu", integrator=integrator, **HOW), wanted)


@pytest.mark.parametrize("name", ["map, additive", "flow, diagonal, heun"])
def test_float32(name):
    system, integrator = noisy.CASES[name]
    how = dict(HOW, k=1, every=1, steps=10, integrator=integrator, dtype="float32")
    x0 = noisy.starts(system, 3)
    agree(fl.spectrum(system, x0, backend="cpu", **how), fl.spectrum(system, x0, backend="reference", **how))


@pytest.mark.parametrize("name", ["map, additive", "flow, additive, rk4", "flow, diagonal, euler", "ring, euler"])
def test_trajectory(name):
    system, integrator = noisy.CASES[name]
    how = dict(steps=20, transient=3, every=4, integrator=integrator, seed=2)
    x0 = noisy.starts(system, 3)
    wanted, found = (fl.trajectory(system, x0, backend=backend, **how) for backend in ("reference", "cpu"))
    np.testing.assert_allclose(found.state, wanted.state, rtol=1e-9, atol=1e-9)
    assert found.settings["seed"] == 2
    other = fl.trajectory(system, x0, **{**how, "seed": 3})
    assert np.all(np.any(other.state != found.state, axis=(1, 2)))


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("name", ["many matrices", "ring, euler"])
def test_dense_form(name, direction, monkeypatch):
    """The form of full Jacobians, whatever the choice of form says of these."""
    monkeypatch.setattr(planning, "form_of", lambda *given: "dense")
    system, integrator = noisy.CASES[name]
    how = dict(HOW, direction=direction, integrator=integrator)
    x0 = noisy.starts(system, 2)
    agree(fl.spectrum(system, x0, backend="cpu", **how), fl.spectrum(system, x0, backend="reference", **how))


ARRAYS = ("exponents", "stderr", "status", "n_steps", "sum_rule", "divergence_error", "conditioning")


def same(found, wanted, index=slice(None)):
    """Assert that every number agrees to the last bit."""
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(found, array), getattr(wanted, array)[index], err_msg=array)


def run(name, members=21, **more):
    system, integrator = noisy.CASES[name]
    how = dict(steps=60, transient=20, seed=11, integrator=integrator)
    return fl.spectrum(system, noisy.starts(system, 21)[:members], **{**how, **more})


@ANY
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
def test_threads_chunks_and_neighbours_do_not_matter(name, direction, monkeypatch):
    wanted = run(name, direction=direction, threads=1)
    same(run(name, direction=direction, threads=3), wanted)
    same(run(name, members=10, direction=direction), wanted, slice(10))
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1)
    same(run(name, direction=direction), wanted)


@ANY
def test_each_member_and_seed_has_its_own_noise(name):
    system, integrator = noisy.CASES[name]
    x0 = np.tile(system.x0, (9, 1))
    first, again, other = (fl.trajectory(system, x0, steps=5, integrator=integrator, seed=s).state for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    everyone = np.concatenate([first, other])[:, -1, 0]
    assert len(np.unique(everyone)) == 18


@ANY
def test_resume_is_one_longer_run(name):
    whole = run(name, steps=90)
    begun = run(name, steps=40)
    system, _ = noisy.CASES[name]
    same(fl.spectrum(system, resume=begun, steps=50), whole)


def test_members_are_independent_starts():
    system = fl.systems.noisy_logistic()
    found = fl.spectrum(system, members=4, spread=0, steps=40, transient=0)
    alone = fl.spectrum(system, np.tile(system.x0, (4, 1)), steps=40, transient=0)
    assert found.exponents == pytest.approx(alone.exponents.mean(axis=0), rel=1e-12)
    assert len(np.unique(alone.exponents)) == 4


def test_noise_of_size_zero_changes_nothing():
    system = fl.systems.henon()
    found = fl.trajectory(system.with_noise(0.0), steps=20)
    np.testing.assert_array_equal(found.state, fl.trajectory(system, steps=20).state)


def test_noise_size_is_a_parameter():
    system = fl.systems.lorenz63().with_noise(0.1)
    assert system.parameters["noise_size"] == 0.1 and system.noise_count == 3 and system.noise_is_additive
    assert system.with_noise(0.3) == system.with_parameters(noise_size=0.3)
    assert fl.systems.lorenz63().with_noise([0.1, 0.0, 0.2]).parameters["noise_size"].shape == (3,)
    assert system.with_noise(0.1, [[1.0], [0.0], [0.0]]).noise_count == 1
    swept = fl.trajectory(system, parameters={"noise_size": [0.0, 0.1]}, steps=3, integrator="rk4")
    still = fl.trajectory(fl.systems.lorenz63(), steps=3).state
    if not config.DISABLE_JIT:
        still = fl.trajectory(fl.systems.lorenz63(), parameters={"rho": [28.0, 28.0]}, steps=3).state[0]
    np.testing.assert_array_equal(swept.state[0], still)
    assert np.all(swept.state[1] != swept.state[0])


def test_noise_pickles():
    import pickle

    for system, _ in noisy.CASES.values():
        twin = pickle.loads(pickle.dumps(system))
        assert twin == system and twin.noise_count == system.noise_count


def own_functions(kind):
    """Two states in array style, a loop that is not recorded, and noise; and the same as a recorded rule."""

    def rule(t, x, p, out):
        out[0] = p[0] * x[int(x[0]) * 0 + 1]
        out[1] = -x[0] - len(p) * x[1] / 3

    def tangent(t, x, v, p, out):
        out[0] = p[0] * v[1]
        out[1] = -v[0] - len(p) * v[1] / 3

    def adjoint(t, x, w, p, out):
        out[0] = -w[1]
        out[1] = p[0] * w[0] - len(p) * w[1] / 3

    def divergence(t, x, p):
        return -len(p) / 3

    given = dict(parameters={"a": 0.9}, x0=(0.4, 0.2)) | ({"dt": 0.1} if kind == "flow" else {})
    functions = dict(rule=rule, tangent=tangent, adjoint=adjoint, divergence=divergence)
    compiled = fl.System.from_kernels(kind=kind, dim=2, **functions, **given)

    def same(t, x, p):
        return p.a * x[1], -x[0] - 2 * x[1] / 3  # there are two parameters, a and the size of the noise

    define = fl.flow if kind == "flow" else fl.iterated_map
    return compiled.with_noise(0.3, noisy.MIXED), define(state=2, **given)(same).with_noise(0.3, noisy.MIXED)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("integrator", [None, "euler", "heun_sde", "rk4"])
@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
def test_additive_noise_beside_compiled_functions(integrator, direction):
    """They see their own parameters only, and get the noise of the recorded rule."""
    compiled, recorded = own_functions("flow" if integrator else "map")
    how = dict(HOW, integrator=integrator, direction=direction, x0=noisy.starts(recorded, 3))
    agree(fl.spectrum(compiled, **how), fl.spectrum(recorded, backend="reference", **how))
    how = dict(x0=how["x0"], steps=9, integrator=integrator)
    found, wanted = fl.trajectory(compiled, **how), fl.trajectory(recorded, backend="reference", **how)
    np.testing.assert_allclose(found.state, wanted.state, rtol=1e-12, atol=1e-12)
