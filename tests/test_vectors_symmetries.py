"""Lyapunov vectors under changes of coordinates and time, and where symmetry makes them degenerate or pairs them."""

import numpy as np
import pytest

import fastlyap as fl
from tests.test_laws import froeschle, henon_twice, hurried_lorenz, seen_askew, two_lorenz

compiled = pytest.mark.compiled


def lines(found, wanted):
    """Largest distance between the lines of vectors of any length."""
    found, wanted = (each / np.linalg.norm(each, axis=-1, keepdims=True) for each in (found, wanted))
    return np.minimum(np.linalg.norm(found - wanted, axis=-1), np.linalg.norm(found + wanted, axis=-1)).max()


@pytest.mark.slow
def test_change_of_coordinates():
    """y = P x carries covariant vectors by P and their adjoint by P^-T (I4); angles are another matter."""
    P = np.array([[1.0, 0.7], [0.2, 2.0]])
    inverse = np.linalg.inv(P)
    x0 = np.array([0.1, 0.1])
    for kind, carry in (("covariant", P), ("adjoint_covariant", inverse.T)):
        how = dict(kind=kind, steps=5, warmup=(12, 40))  # a short run-up: rounding must not part the two orbits
        plain = fl.vectors(fl.systems.henon(), x0, **how)
        askew = fl.vectors(seen_askew, P @ x0, {"P": P, "inverse": inverse}, **how)
        np.testing.assert_allclose(askew.state, plain.state @ P.T, atol=1e-9)
        assert lines(askew.vectors, plain.vectors @ carry.T) < max(1e-6, 10 * plain.separation.max())


def test_power_of_a_map():
    """The map taken twice has the same vectors, at every second state (I18)."""
    once = fl.vectors(fl.systems.henon(), (0.1, 0.1), steps=8, warmup=(20, 40), every=2)
    twice = fl.vectors(henon_twice, (0.1, 0.1), steps=4, warmup=(10, 20))
    np.testing.assert_allclose(twice.state, once.state, atol=1e-9)
    assert lines(twice.vectors, once.vectors) < 1e-8
    np.testing.assert_allclose(twice.exponents, 2 * once.exponents, rtol=1e-8)


@compiled
def test_change_of_time():
    """A flow twice as fast, with half the step, has the same vectors and twice the rates (I18)."""
    plain = fl.vectors(hurried_lorenz, steps=50, warmup=1000)
    fast = fl.vectors(hurried_lorenz, parameters={"c": 2.0}, dt=0.005, steps=50, warmup=1000)
    np.testing.assert_array_equal(fast.vectors, plain.vectors)  # powers of two do not round
    np.testing.assert_array_equal(fast.exponents, 2 * plain.exponents)
    np.testing.assert_array_equal(fast.times, plain.times / 2)


@compiled
def test_equal_copies_are_degenerate():
    """Two uncoupled systems in the same state share all exponents: their vectors are not unique, the planes are."""
    x0 = np.concatenate([fl.systems.lorenz63().x0] * 2)
    found = fl.vectors(two_lorenz, x0, steps=100, warmup=1500)
    assert found.status == fl.Status.DEGENERATE
    assert "told apart" in found.message()
    assert found.separation.min() > 1e-3
    single = fl.vectors(fl.systems.lorenz63(), steps=100, warmup=1500)
    np.testing.assert_allclose(found.state[:, :3], single.state, atol=1e-6)
    stable = np.zeros((2, 100, 6))
    stable[0, :, :3] = stable[1, :, 3:] = single.vectors[:, 2]
    basis = np.linalg.qr(np.swapaxes(found.vectors[:, 4:], 1, 2))[0]
    for each in stable:  # the last plane holds the stable direction of both copies
        inside = np.linalg.norm(np.einsum("tnm,tn->tm", basis, each), axis=-1)
        np.testing.assert_allclose(inside, 1.0, atol=1e-8)
    angles = found.principal_angles(4)
    np.testing.assert_allclose(angles[:, 0], angles[:, 1], atol=1e-6)
    np.testing.assert_allclose(angles[:, 0], single.principal_angles(2)[:, 0], atol=1e-6)


@compiled
def test_symplectic_map():
    """Exponents come in pairs (I7), and J turns a covariant vector into the adjoint one of its partner."""
    how = dict(parameters={"K": 3.0, "L": 2.0, "b": 1.0}, steps=40, warmup=400)
    v, w = (fl.vectors(froeschle, kind=kind, **how) for kind in ("covariant", "adjoint_covariant"))
    allowed = max(1e-9, 100 * max(v.separation.max(), w.separation.max()))
    assert v.status == fl.Status.OK
    q, p = v.vectors[..., :2], v.vectors[..., 2:]
    turned = np.concatenate([p, -q], axis=-1)
    for i in range(4):
        assert lines(turned[:, i], w.vectors[:, 3 - i]) < allowed


def test_identical_exponents_of_a_rotation():
    """A rotation stretches nothing: no direction is told from another, and the status says so."""
    angle = 0.3

    @fl.iterated_map(state=2, x0=(1.0, 0.0))
    def rotation(t, x, p):
        return np.cos(angle) * x[0] - np.sin(angle) * x[1], np.sin(angle) * x[0] + np.cos(angle) * x[1]

    found = fl.vectors(rotation, steps=10, warmup=20)
    assert found.status == fl.Status.DEGENERATE
    np.testing.assert_allclose(found.exponents, 0.0, atol=1e-14)
    assert np.isfinite(found.vectors).all()
