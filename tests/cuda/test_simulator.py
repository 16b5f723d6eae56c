"""The CUDA backend in Numba's simulator: the same numbers as the CPU's, member by member.

Run with NUMBA_ENABLE_CUDASIM=1, where every kernel is plain Python; what differs from the CPU is the layout of the
rows, the arrays that a thread owns, and the launches. Nothing may differ but rounding.
"""

import numpy as np
import pytest
from numba import config

import fastlyap as fl
from fastlyap.status import Status
from tests import tolerances

pytestmark = pytest.mark.skipif(not config.ENABLE_CUDASIM, reason="needs NUMBA_ENABLE_CUDASIM=1")

HENON = dict(parameters={"a": np.array([1.2, 1.4, 5.0, 1.0, 1.3])}, steps=60, transient=20, every=3)
LORENZ = dict(parameters={"rho": np.array([20.0, 28.0, 60.0])}, dt=0.01, steps=40, transient=10, every=4)


def near(found, truth):
    """Equal up to rounding: 1e-12 relative in float64."""
    eps = tolerances.eps(truth.dtype)
    np.testing.assert_allclose(found, truth, rtol=4096 * eps, atol=4096 * eps)


def assert_same(system, **options):
    """The spectra on the card and on the CPU agree in every field; returns that of the card."""
    host, card = (fl.spectrum(system, backend=name, **options) for name in ("cpu", "cuda"))
    assert card.settings["program"].startswith("cuda-thread")
    for name in ("exponents", "stderr", "sum_rule", "divergence_error", "conditioning"):
        near(getattr(card, name), getattr(host, name))
    np.testing.assert_array_equal(card.status, host.status)
    np.testing.assert_array_equal(card.failed_step, host.failed_step)
    return card


def test_henon_with_a_member_that_escapes():
    found = assert_same(fl.systems.henon(), **HENON)
    assert list(found.status == Status.ESCAPED) == [False, False, True, False, False]
    assert np.all(np.isfinite(found.exponents[[0, 1, 3, 4]]))


def test_henon_of_rank_one():
    found = assert_same(fl.systems.henon(), parameters={"b": np.array([0.0, 0.3])}, steps=30, transient=3, every=2)
    assert found.status[0] == Status.DEGENERATE and found.exponents[0, 1] == -np.inf


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("integrator", ["euler", "rk4", "dopri5"])
def test_lorenz63(integrator, dtype):
    assert_same(fl.systems.lorenz63(), integrator=integrator, dtype=dtype, **LORENZ)


@pytest.mark.parametrize("k", [1, 2])
def test_leading_exponents_alone(k):
    assert_same(fl.systems.lorenz63(), k=k, **LORENZ)


@pytest.mark.parametrize("integrator", ["rk4", "leapfrog", "yoshida4"])
def test_four_states(integrator):
    assert_same(fl.systems.henon_heiles(), steps=20, transient=4, every=4, integrator=integrator)


@pytest.mark.parametrize("integrator", ["rk4", "dopri5"])
def test_adjoint(integrator):
    assert_same(fl.systems.lorenz63(), direction="adjoint", integrator=integrator, **LORENZ)


def test_many_blocks_of_threads(monkeypatch):
    from fastlyap.backend import cuda

    monkeypatch.setattr(cuda, "THREADS", 2)
    assert_same(fl.systems.henon(), **HENON)


def test_plain_path():
    system, options = fl.systems.lorenz63(), {**LORENZ, "transient": 0}
    plain, card = (fl.spectrum(system, backend=name, **options) for name in ("reference", "cuda"))
    time = options["steps"] * options["dt"]
    stretch = plain.exponents[:, 0].max() * time
    allowed = tolerances.growth("float64", steps=options["steps"], stretch=stretch)
    assert np.abs(card.exponents - plain.exponents).max() * time <= allowed


def test_resume_is_one_longer_run():
    system = fl.systems.henon()
    parts = {**HENON, "steps": 25}
    first = fl.spectrum(system, backend="cuda", **parts)
    resumed = fl.spectrum(system, resume=first, steps=35, backend="cuda")
    np.testing.assert_array_equal(resumed.exponents, fl.spectrum(system, backend="cuda", **HENON).exponents)


FORCED = (fl.systems.duffing(), dict(x0=np.array([[0.5, 0.0], [1.0, 1.0], [-1.0, 0.3], [0.1, 0.1], [2.0, 0.0]])))


@pytest.mark.parametrize("system, members", [(fl.systems.henon(), {"parameters": HENON["parameters"]}), FORCED])
def test_trajectory_in_parts(system, members, monkeypatch):
    from fastlyap.backend import cuda

    options = dict(**members, steps=11, every=2, transient=3)
    host = fl.trajectory(system, backend="cpu", **options)
    monkeypatch.setattr(cuda, "ORBIT_BYTES", 8 * 2 * 5 * 2)  # two states of each member
    card = fl.trajectory(system, backend="cuda", **options)
    near(card.state, host.state)
    np.testing.assert_array_equal(card.status, host.status)
    np.testing.assert_array_equal(card.failed_step, host.failed_step)


def test_large_systems_are_refused():
    with pytest.raises(fl.InputError, match="`backend`.*8 states, got 40"):
        fl.spectrum(fl.systems.lorenz96(n=40), backend="cuda")
