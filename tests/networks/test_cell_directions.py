"""Finite-time exponents, vectors, orbits and alignment of recurrent cells: against products of Jacobians."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from tests.networks.recurrent_cells import cell, drive

# log singular values / T of the product of 10 Jacobians, from a decomposition with 200 digits
SMALL = [-0.08428, -0.14551, -0.65117, -0.83024, -1.01457, -2.11602, -2.87366, -4.54441]


def orbit_and_jacobians(made, x, inputs):
    """States and Jacobians of the steps along a drive."""
    states, jacobians = [], []
    for u in inputs:
        jacobians.append(made.jacobian(x, u=u))
        x = made.rule(x, u=u)
        states.append(x)
    return np.array(states), jacobians


def test_finite_time_exponents_of_a_random_network():
    """The states before the stretch come from the generator 7, 100 steps earlier."""
    x0 = np.random.default_rng(7).standard_normal(8)
    found = fl.finite_time(networks.random_rnn(8, 3.0, seed=6), x0, steps=10, transient=100, max_sweeps=12)
    np.testing.assert_allclose(found.exponents, SMALL, atol=1e-4)


@pytest.mark.slow
def test_finite_time_exponents_along_a_drive():
    """The stretch after the transient; the default is all of the drive that is left."""
    made, u = cell("lstm"), drive(9)
    found = fl.finite_time(made, drive=u, transient=3, k=4)
    assert found.settings["steps"] == 6
    _, jacobians = orbit_and_jacobians(made, made.x0, u)
    product = np.linalg.multi_dot(jacobians[3:][::-1])
    left, values, right = np.linalg.svd(product)
    np.testing.assert_allclose(found.exponents, np.log(values[:4]) / 6, atol=1e-8)
    np.testing.assert_allclose(np.abs(np.sum(found.right * right[:4], axis=1)), 1.0, atol=1e-6)
    np.testing.assert_allclose(np.abs(np.sum(found.left * left[:, :4].T, axis=1)), 1.0, atol=1e-6)


def test_orbits_along_drives():
    made, u = cell("lstm"), drive(12, lead=(3,))
    found = fl.trajectory(made, drive=u, transient=2, every=2)
    assert found.state.shape == (3, 5, 8)
    states, _ = orbit_and_jacobians(made, made.x0, u[1])
    np.testing.assert_allclose(found.state[1], states[3::2], atol=1e-13)
    function = fl.trajectory(made, drive=lambda t: u[:, t], steps=10, transient=2, every=2)
    np.testing.assert_array_equal(function.state, found.state)
    late = fl.trajectory(made, drive=u, t0=2, steps=3)
    np.testing.assert_allclose(late.state[0], orbit_and_jacobians(made, made.x0, u[0, 2:5])[0], atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["covariant", "backward", "forward", "adjoint_covariant"])
def test_vectors_along_a_drive(kind):
    made, u = cell("lstm"), drive(90)
    how = dict(drive=u, k=3, kind=kind, warmup=(30, 30), steps=30)
    found, plain = (fl.vectors(made, backend=backend, **how) for backend in ("cpu", "reference"))
    agree = np.abs(np.sum(found.vectors * plain.vectors, axis=-1))
    np.testing.assert_allclose(agree, 1.0, atol=1e-5)
    shared = fl.vectors(made, drive=u, k=3, kind=kind)
    assert len(shared.times) == 46


@pytest.mark.slow
def test_alignment_along_a_drive():
    made, u = cell("lstm"), drive(30)
    found, plain = (fl.gali(made, drive=u, k=3, every=5, backend=backend) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(found.values, plain.values, rtol=1e-8, atol=1e-15)


def test_going_on_needs_the_same_drive():
    made, u = cell("lstm"), drive(60)
    whole = fl.spectrum(made, drive=u, transient=5)
    half = fl.spectrum(made, drive=u[:40], transient=5)
    on = fl.spectrum(made, drive=u, resume=half)
    np.testing.assert_array_equal(on.exponents, whole.exponents)
    with pytest.raises(fl.InputError, match="`drive` must begin with the inputs"):
        fl.spectrum(made, drive=u + 1.0, resume=half)


NOISE = [(0.1, None), (np.linspace(0.1, 0.3, 8), None), (0.2, np.arange(16.0).reshape(8, 2))]


@pytest.mark.slow
@pytest.mark.parametrize("sigma,directions", NOISE)
def test_noise_at_every_step(sigma, directions):
    made, u = cell("lstm").with_noise(sigma, directions), drive(30, lead=(2,))
    found, plain = (fl.spectrum(made, drive=u, every=1, seed=3, backend=name) for name in ("cpu", "reference"))
    np.testing.assert_allclose(found.exponents, plain.exponents, atol=1e-9)
    assert np.all(np.abs(found.sum_rule) < 1e-9)
    quiet = fl.spectrum(made, drive=u, every=1, parameters=dict(noise_size=0.0 * np.asarray(sigma)))
    np.testing.assert_allclose(quiet.exponents, fl.spectrum(cell("lstm"), drive=u, every=1).exponents, atol=1e-9)
    with pytest.raises(fl.InputError, match="run cells without noise"):
        made.forward(u)
