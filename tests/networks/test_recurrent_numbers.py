"""Numbers of recurrent networks from independent programs and published data."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks

slow = pytest.mark.slow
compiled = pytest.mark.compiled


@compiled
def test_a_chaotic_network_of_128_units():
    """Means of three networks over 3000 steps; Engelken, Wolf & Abbott (2023)."""
    found = fl.spectrum(networks.random_rnn(128, 3.0, seed=[0, 1, 2]), steps=1000, transient=300)
    np.testing.assert_allclose(found.exponents[:, 0].mean(), 0.2916, rtol=0.03)
    np.testing.assert_allclose(found.entropy.mean() / 128, 0.0233, rtol=0.05)
    np.testing.assert_allclose(found.kaplan_yorke.mean() / 128, 0.2775, rtol=0.03)
    assert np.all(np.abs(found.sum_rule) / 128 < 1e-9)
    assert np.all(found.status == fl.Status.OK)


@slow
@compiled
def test_a_chaotic_network_of_512_units():
    """And the limit of many units, from published data for 4096: 0.3096, 0.0251, 0.2872."""
    found = fl.spectrum(networks.random_rnn(512, 3.0, seed=0), k=160, steps=1500, transient=300)
    np.testing.assert_allclose(found.exponents[0], 0.3074, rtol=0.03)
    np.testing.assert_allclose(found.entropy / 512, 0.0252, rtol=0.05)
    np.testing.assert_allclose(found.kaplan_yorke / 512, 0.2880, rtol=0.03)


@slow
@compiled
@pytest.mark.parametrize("n,g,seed,exact", [
    (32, 3.0, 7, [0.1712, 0.1036, 0.0360, -0.0381]), (48, 2.0, 3, [0.0885, 0.0629, 0.0353, 0.0053]),
])  # fmt: skip
def test_small_networks(n, g, seed, exact):
    """Mean of orbits of 15 000 steps; the spread over starting points of the published runs is below 0.002."""
    starts = np.random.default_rng(1).standard_normal((6, n))
    found = fl.spectrum(networks.random_rnn(n, g, seed=seed), starts, k=4, steps=15_000, transient=500)
    np.testing.assert_allclose(found.exponents.mean(axis=0), exact, atol=0.006)


@slow
@compiled
def test_random_networks_in_float32():
    """Orbits part within a hundred steps, so that averages agree within their standard errors, and no closer."""
    wide, narrow = (
        fl.spectrum(networks.random_rnn(128, 3.0, seed=0), steps=2000, transient=300, dtype=dtype)
        for dtype in ("float64", "float32")
    )
    np.testing.assert_allclose(narrow.exponents[0], wide.exponents[0], atol=0.012)
    np.testing.assert_allclose(narrow.entropy, wide.entropy, rtol=0.06)
    z = (narrow.exponents - wide.exponents)[:100] / np.hypot(narrow.stderr, wide.stderr)[:100]
    assert np.abs(z).max() < 5.0


@slow
@compiled
def test_random_lstms():
    """Three cells at each scale of the weights: leading exponent within 0.05 or so of the published means."""
    for gain, exact in ((1.0, -0.31), (3.0, 0.0), (5.0, 0.03), (8.0, 0.20), (12.0, 0.39)):
        found = fl.spectrum(networks.lstm(0, 32, gain=gain, seed=[0, 1, 2]), steps=1500, transient=300)
        np.testing.assert_allclose(found.exponents[:, 0].mean(), exact, atol=0.06)
        if 1.0 < gain < 10.0:
            assert np.all(np.abs(found.sum_rule) < 1e-6)


@slow
@compiled
def test_random_gated_units():
    found = fl.spectrum(networks.gru(0, 32, gain=[[1.0], [3.0]], seed=[0, 1, 2]), steps=1500, transient=300)
    leading = found.exponents[..., 0]
    np.testing.assert_allclose(leading[0], [-0.239, -0.343, -0.389], atol=0.002)
    np.testing.assert_allclose(leading[1], [-0.012, -0.074, 0.0], atol=0.003)


@compiled
def test_gradients_grow_with_the_leading_exponent():
    """0.2754 per step for this network, x' = g J tanh x or h' = tanh(h g J'); median over 64 orbits."""
    weights = 3.0 * np.random.default_rng(0).standard_normal((64, 64)).T / 8.0
    made = networks.rnn(0, 64).with_parameters(**{"0.hidden": weights})
    rng = np.random.default_rng(5)
    h = rng.standard_normal((64, 64))
    for _ in range(500):
        h = np.tanh(h @ weights)
    T = 200
    states = np.concatenate([h[:, None], made.forward(np.zeros((T, 0)), h).states], axis=1)
    last = rng.standard_normal((64, 64))
    size = {}
    for steps in (30, T):  # the first thirty turn gradients into the leading direction
        cotangent = np.zeros((64, steps, 64))
        cotangent[:, -1] = last
        found = made.backward(np.zeros((steps, 0)), cotangent, states[:, T - steps])
        size[steps] = np.median(np.log(np.linalg.norm(found.x0, axis=1)))
    assert (size[T] - size[30]) / (T - 30) == pytest.approx(0.2754, abs=0.01)
