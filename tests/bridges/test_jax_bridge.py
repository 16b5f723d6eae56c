"""The function of JAX: against Backprop and differences, under jit and vmap, in both precisions."""

import numpy as np
import pytest
from bridges.observables import CHAOTIC, FIXED, OBJECTIVE, logistic, rates, twisted

import fastlyap as fl

jax = pytest.importorskip("jax")


@pytest.fixture
def double():
    """Double precision for one test."""
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    yield
    jax.config.update("jax_enable_x64", before)


@pytest.fixture(scope="module")
def observable():
    return fl.bridges.jax.mean_observable(logistic, OBJECTIVE, **FIXED)


@pytest.mark.parametrize("wrapped", [lambda f: f, jax.jit])
def test_values_and_gradients_are_those_of_backprop(observable, double, wrapped):
    expected = fl.gradient(logistic, OBJECTIVE, ("r", "x0"), [0.3], {"r": rates}, **FIXED)
    weight = np.array([1.0, -2.0, 0.5])

    def loss(r, x0):
        return (weight * observable(r=r, x0=x0)).sum()

    value, (by_r, by_x0) = wrapped(jax.value_and_grad(loss, (0, 1)))(rates, np.array([0.3]))
    np.testing.assert_allclose(value, weight @ expected.value, rtol=1e-15)
    np.testing.assert_allclose(by_r, weight * expected.gradient["r"], rtol=1e-15)
    np.testing.assert_allclose(by_x0, (weight[:, None] * expected.gradient["x0"]).sum(0), rtol=1e-14)


def test_differences_agree_for_vectors_of_parameters_with_axes_of_a_batch(double):
    turn = fl.bridges.jax.mean_observable(twisted, fl.average(lambda x, p: x[0] * x[1]), **FIXED)
    w, a = np.array([[[0.3, 0.2]], [[0.4, -0.1]]]), np.array([0.5, 0.6, 0.7])
    assert turn(w=w, a=a).shape == (2, 3)
    from jax.test_util import check_grads

    check_grads(lambda w, a: turn(w=w, a=a), (w, a), order=1, modes=["rev"])


def test_vmap_is_one_run_with_more_members(observable, double):
    mapped = jax.vmap(jax.value_and_grad(lambda r, x0: observable(r=r, x0=x0)), in_axes=(0, None))
    value, slope = mapped(rates, np.array([0.3]))
    assert observable.last.status.shape == (3,)
    expected = fl.gradient(logistic, OBJECTIVE, "r", [0.3], {"r": rates}, **FIXED)
    np.testing.assert_array_equal(value, expected.value)
    np.testing.assert_array_equal(slope, expected.gradient["r"])


def test_several_objectives_in_single_precision():
    both = fl.bridges.jax.mean_observable(logistic, (OBJECTIVE, fl.average(lambda x, p: p.r * x[0])), **FIXED)
    first, second = both(r=2.8)
    assert first.dtype == np.float32
    slope = jax.grad(lambda r: both(r=r)[0] + 2 * both(r=r)[1])(2.8)
    expected = both.last[0].gradient["r"] + 2 * both.last[1].gradient["r"]
    assert float(slope) == pytest.approx(expected, rel=1e-6)


def test_shadowing_with_a_seed_for_each_iteration():
    climate = fl.bridges.jax.mean_observable(fl.systems.lorenz63(), fl.average(lambda x, p: x.z), **CHAOTIC)
    slope = jax.jit(jax.grad(lambda rho, seed: climate(rho=rho, seed=seed)))
    found = float(slope(28.0, 5))
    assert climate.last.settings["seed"] == 5
    assert found == pytest.approx(climate.last.gradient["rho"], rel=1e-6)
    assert float(slope(28.0, 6)) != found
    with pytest.raises(Exception, match="`seed` must be one number for all of a batch"):
        jax.vmap(lambda seed: climate(rho=28.0, seed=seed))(np.arange(2)).block_until_ready()


def test_doubts_come_out_as_nan_or_error():
    how = dict(CHAOTIC, transient=50, steps=200, method=fl.Backprop())
    quiet = fl.bridges.jax.mean_observable(logistic, OBJECTIVE, untrusted="nan", **how)
    assert np.isnan(jax.grad(lambda r: quiet(r=r))(3.9))
    loud = fl.bridges.jax.mean_observable(logistic, OBJECTIVE, untrusted="raise", **how)
    with pytest.raises(Exception, match="1 of 1 gradients cannot be trusted"):
        loud(r=3.9).block_until_ready()
