"""Exponents of deep networks: against the Jacobian where that is well conditioned, against many digits elsewhere."""

import functools

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config
from scipy.special import digamma, polygamma
from scipy.stats import binom

import fastlyap as fl
from fastlyap.networks.activations import ACTIVATIONS
from fastlyap.networks.build import Sequential, mlp
from fastlyap.networks.convolution_layers import Conv2d
from fastlyap.networks.layers import Activation, Dense, Dropout, Flatten, Residual
from fastlyap.networks.normalisation_layers import BatchNorm, LayerNorm
from fastlyap.reference import layer_product

compiled = pytest.mark.compiled
ALL = slice(None)
SAMPLES = 3 if config.DISABLE_JIT else 20


def inputs(net, *front, seed=0):
    return np.random.default_rng(seed).standard_normal((*(front or (SAMPLES,)), *net.input_shape))


def by_jacobian(net, x, layers, **how):
    values = np.linalg.svd(net.jacobian(x, **how), compute_uv=False)
    return np.log(values) / layers


def orthonormal(rows):
    product = rows @ np.swapaxes(rows, -1, -2)
    np.testing.assert_allclose(product, np.broadcast_to(np.eye(rows.shape[-2]), product.shape), atol=1e-12)


def jacobians(net, x):
    """Of all layers of a multilayer perceptron at one input, as columns go."""
    weights, biases = ([v for name, v in net.parameters.items() if name.endswith(end)] for end in ("weight", "bias"))
    name = next(layer.name for layer in net.layers if isinstance(layer, Activation))
    return layer_product.dense_jacobians(weights, biases, ACTIVATIONS[name], x)


def exact(matrices, digits=300):
    with mp.workdps(digits):
        product = mp.matrix(matrices[0].tolist())
        for matrix in matrices[1:]:
            product = mp.matrix(matrix.tolist()) * product
        return np.array([float(mp.log(value)) for value in mp.svd_r(product, compute_uv=False)])


NETS = {  # with any kind of layer, and how many of those that count
    "narrow at the inputs": (lambda: mlp((2, 5, 4, 3), output_activation="tanh"), 3),
    "narrow inside": (lambda: mlp((5, 4, 2, 4, 3), "gelu", output_activation="sigmoid"), 4),
    "narrow at the outputs": (lambda: mlp((5, 4, 3, 2), "softplus"), 3),
    "one layer": (lambda: mlp((3, 4)), 1),
    "blocks": (lambda: mlp((3, 4, 4, 4, 3), residual=True), 4),
    "norms": (
        lambda: Sequential(
            [BatchNorm(3), Dense(3, 4), LayerNorm(4), Activation("elu"),
             Residual([LayerNorm(4), Dense(4, 4)], beta=0.5), Dense(4, 4), BatchNorm(4), Activation("silu")]
        ), 3,
    ),
    "pictures": (
        lambda: Sequential(
            [Conv2d(1, 2, 2), Activation("tanh"), Flatten(), Dense(8, 3), Activation("tanh"), Dense(3, 2)],
            input_shape=(1, 3, 3),
        ), 3,
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", [pytest.param(n, marks=[compiled] * (n in ("pictures",))) for n in NETS])
def test_against_the_jacobian(name):
    make, layers = NETS[name]
    net = make()
    x = inputs(net)
    found = fl.finite_time(net, x, layers=ALL)
    expected = by_jacobian(net, x, layers)
    k = found.exponents.shape[-1]
    np.testing.assert_allclose(found.exponents, expected[:, :k], atol=1e-10)
    assert np.all(found.status == fl.Status.OK) and str(found.unit) == "nats per layer"
    image = np.swapaxes(net.jacobian(x) @ np.swapaxes(found.right, -1, -2), -1, -2)
    grown = found.left * np.exp(found.log_singular_values)[..., None]
    np.testing.assert_allclose(image, grown, atol=1e-10)
    orthonormal(found.right), orthonormal(found.left)
    np.testing.assert_allclose(found.state, net.forward(x).reshape(SAMPLES, -1), atol=1e-14)


def test_layers_are_chosen():
    """By default all but the read-out; what comes before the chosen ones decides where they are linearised."""
    net = mlp((3, 4, 5, 4, 2), gain=2.0)
    x = inputs(net)
    each = jacobians(net, x[0])
    each[3] = net.parameters["6.weight"].T  # the read-out has no activation
    for layers, begin, end in ((None, 0, 3), (slice(1, 3), 1, 3), (slice(-2, -1), 2, 3), (slice(2, None), 2, 4)):
        found = fl.finite_time(net, x[:1], layers=layers)
        product = functools.reduce(lambda A, B: B @ A, each[begin:end])
        values = np.linalg.svd(product, compute_uv=False)[: found.exponents.shape[-1]]
        np.testing.assert_allclose(found.exponents[0], np.log(values) / (end - begin), atol=1e-12)


def test_batches_of_networks_and_fields_of_inputs():
    net = mlp((2, 4, 4, 1), gain=1.5)
    gains = np.array([0.5, 1.0, 2.0])
    nets = net.with_parameters(**{"0.weight": gains[:, None, None, None] * net.parameters["0.weight"]})
    x = inputs(net, 2, 4)
    found = fl.finite_time(nets, x)
    assert found.exponents.shape == (3, 2, 4, 2) and found.dims == ("axis_0", "axis_1", "sample")
    for g, gain in enumerate(gains):
        one = net.with_parameters(**{"0.weight": gain * net.parameters["0.weight"]})
        alone = fl.finite_time(one, x)
        np.testing.assert_allclose(alone.exponents, found.exponents[g], rtol=1e-12)
        np.testing.assert_array_equal(alone.exponents, fl.finite_time(one, x.reshape(-1, 2)).exponents.reshape(2, 4, 2))
        np.testing.assert_array_equal(alone.x0, x)


def test_dropout_is_that_of_its_seed():
    layers = [Dense(4, 6), Activation("tanh"), Dropout(0.5), Dense(6, 4), Activation("tanh"), Dropout(0.3)]
    net = Sequential(layers).train()
    x = inputs(net)
    for seed in (0, 7):
        found = fl.finite_time(net, x, seed=seed, layers=ALL)
        live = np.isfinite(found.exponents)
        expected = np.linalg.svd(net.jacobian(x, seed=seed), compute_uv=False)
        np.testing.assert_allclose(np.exp(2 * found.exponents), expected, atol=1e-12)
        assert not live.all() and np.all(found.status == fl.Status.OK)
    assert np.any(fl.finite_time(net, x, seed=1, layers=ALL).exponents != found.exponents)


@compiled
@pytest.mark.parametrize("k", [1, 3])
def test_leading_exponents_of_wide_networks(k):
    """By sweeps there and back where no layer is narrow."""
    widths = (60, 70, 65, 80, 60)
    net = mlp(widths, output_activation="tanh", gain=1.5)
    x = inputs(net, 6)
    assert "sweeps" in str(fl.plan("finite_time", net, x, k=k))
    found = fl.finite_time(net, x, k=k, layers=ALL)
    assert np.all(found.status == fl.Status.OK) and found.n_sweeps.min() > 1
    np.testing.assert_allclose(found.exponents, by_jacobian(net, x, 4)[:, :k], atol=1e-9)
    image = np.einsum("bmn,bkn->bkm", net.jacobian(x), found.right)
    np.testing.assert_allclose(image, found.left * np.exp(4 * found.exponents)[..., None], atol=1e-4)
    few = fl.finite_time(net, x, k=k, layers=ALL, max_sweeps=2)
    assert np.all(few.status == fl.Status.NOT_CONVERGED)


@pytest.mark.parametrize("depth", [6, pytest.param(30, marks=compiled)])
def test_against_300_digits(depth):
    """Chaotic layers, whose product in floating point keeps the largest few of these numbers."""
    net = mlp((6,) * (depth + 1), output_activation="tanh", init="lecun", gain=3.0, seed=2)
    x = inputs(net, 2)
    found = fl.finite_time(net, x, layers=ALL)
    for sample in range(2):
        truth = exact(jacobians(net, x[sample]))
        np.testing.assert_allclose(found.log_singular_values[sample], truth, rtol=1e-11, atol=1e-11)
    assert np.all(found.status == fl.Status.OK) and np.all(found.change < 1e-10)


@compiled
def test_he_relu_statistics():
    """Largest exponents of random ReLU networks have a mean and a variance in closed form."""
    N, depth, count = 64, 20, 48
    rng = np.random.default_rng(5)
    net = mlp((1, *(N,) * depth), "relu", "relu", bias=None)
    names = list(net.parameters)
    weights = {name: rng.standard_normal((count, *net.shapes[name])) * np.sqrt(2.0 / N) for name in names}
    found = fl.finite_time(net.with_parameters(**weights), np.ones((1, 1)), layers=ALL).exponents[:, 0, 0]
    K = np.arange(1, N + 1)
    weight = binom.pmf(K, N, 0.5) / binom.pmf(K, N, 0.5).sum()
    each = np.log(4.0 / N) + digamma(K / 2)
    mean = 0.5 * weight @ each
    variance = 0.25 * weight @ (polygamma(1, K / 2) + each**2) - mean**2
    assert mean == pytest.approx(-0.02005, abs=1e-5) and variance == pytest.approx(0.02075, abs=1e-5)
    assert abs(found.mean() - mean) < 3 * np.sqrt(variance / depth / count)
    assert depth * found.var() == pytest.approx(variance, rel=3 * np.sqrt(2 / count))


@compiled
def test_products_of_gaussian_matrices():
    """Newman (1986): mean and variance of the sum of all exponents of a linear network are known exactly."""
    N, depth, count = 10, 40, 30
    rng = np.random.default_rng(6)
    net = mlp((N,) * (depth + 1), "identity", bias=None)
    weights = {name: rng.standard_normal((count, N, N)) / np.sqrt(N) for name in net.parameters}
    found = fl.finite_time(net.with_parameters(**weights), np.zeros((1, N)), layers=ALL).exponents[:, 0]
    i = np.arange(1, N + 1)
    mean = 0.5 * (np.log(2.0 / N) + digamma((N - i + 1) / 2))
    variance = 0.25 * polygamma(1, (N - i + 1) / 2)
    assert mean[0] == pytest.approx(-0.05166, abs=1e-5) and mean[-1] == pytest.approx(-1.78647, abs=1e-5)
    z = (found.sum(axis=1).mean() - mean.sum()) / np.sqrt(variance.sum() / depth / count)
    assert abs(z) < 4
    np.testing.assert_allclose(found.mean(axis=0), mean, atol=0.2)  # of finite products, so a little further apart


@given(n=st.integers(1, 4), depth=st.integers(1, 4), gain=st.floats(0.1, 4.0), seed=st.integers(0, 2**32 - 1))
def test_the_sum_is_the_determinant(n, depth, gain, seed):
    net = mlp((n,) * (depth + 1), output_activation="tanh", gain=gain, seed=seed)
    x = inputs(net, seed=seed)
    found = fl.finite_time(net, x, layers=ALL)
    logs = [sum(np.linalg.slogdet(J)[1] for J in jacobians(net, sample)) for sample in x]
    if np.all(found.conditioning < 1e8):
        np.testing.assert_allclose(found.log_singular_values.sum(-1), logs, rtol=1e-9, atol=1e-9)


@given(widths=st.lists(st.integers(1, 4), min_size=2, max_size=5), seed=st.integers(0, 2**32 - 1))
def test_duality(widths, seed):
    """The transposed layers in reverse order have the same exponents, with the two ends exchanged."""
    net, dual = mlp(widths, "identity", seed=seed), mlp(widths[::-1], "identity")
    weights = [value for name, value in net.parameters.items() if name.endswith("weight")]
    names = [name for name in dual.parameters if name.endswith("weight")]
    dual = dual.with_parameters(**{name: W.T for name, W in zip(names, weights[::-1], strict=True)})
    a, b = (fl.finite_time(each, np.zeros((1, each.widths[0])), layers=ALL) for each in (net, dual))
    np.testing.assert_allclose(a.exponents, b.exponents, atol=1e-9)
    if np.all(np.diff(-a.log_singular_values) > 0.1) and a.conditioning < 1e4:
        np.testing.assert_allclose(np.abs((a.right * b.left).sum(-1)), 1.0, atol=1e-6)
        np.testing.assert_allclose(np.abs((a.left * b.right).sum(-1)), 1.0, atol=1e-6)
