"""Layers: tangent and adjoint are transposes, both are derivatives, kernels agree with the reference."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.networks.made_networks import MAKE, network, numbers
from tests.tolerances import eps

ROUNDINGS = 2000 * eps("float64")  # of some hundred operations on numbers around 1, normalisations among them
EVERY = [(name, train) for name in MAKE for train in (False, True)]


def close(found, expected, scale=1.0):
    np.testing.assert_allclose(found, expected, rtol=ROUNDINGS, atol=ROUNDINGS * scale)


@pytest.mark.parametrize("name,train", EVERY)
def test_kernels_agree_with_the_reference(name, train):
    net = network(name, train=train)
    x, v, w = numbers(net)
    how = dict(seed=3, backend="reference")
    close(net.forward(x, seed=3), net.forward(x, **how))
    close(net.tangent(x, v, seed=3), net.tangent(x, v, **how), 10)
    close(net.adjoint(x, w, seed=3), net.adjoint(x, w, **how), 10)
    found, expected = net.backward(x, w, seed=3), net.backward(x, w, **how)
    close(found.input, expected.input, 10)
    assert list(found.parameters) == list(net.parameters)
    for key in net.parameters:
        close(found.parameters[key], expected.parameters[key], 10)


@pytest.mark.parametrize("name,train", EVERY)
def test_several_vectors_of_each_sample_move_like_one(name, train):
    net = network(name, train=train)
    x, _, _ = numbers(net)
    rng = np.random.default_rng(1)
    v, w = (rng.standard_normal((4, 3, *shape)) for shape in (net.input_shape, net.output_shape))
    for j in range(3):
        close(net.tangent(x, v, seed=1)[:, j], net.tangent(x, v[:, j], seed=1), 10)
        close(net.adjoint(x, w, seed=1)[:, j], net.adjoint(x, w[:, j], seed=1), 10)


@given(seed=st.integers(0, 2**32), samples=st.integers(2, 5))
@pytest.mark.parametrize("name,train", EVERY)
def test_the_adjoint_is_the_transpose(name, train, seed, samples):
    """<w, J v> = <J' w, v>, and with w = J v the square of its length."""
    net = network(name, train=train)
    x, v, w = numbers(net, samples=samples, seed=seed)
    image = net.tangent(x, v, seed=seed)
    for covector in (w, image):
        left = np.sum(covector * image)
        right = np.sum(net.adjoint(x, covector, seed=seed) * v)
        assert abs(left - right) <= ROUNDINGS * (np.sum(np.abs(covector * image)) + 1.0)


@pytest.mark.parametrize("name,train", EVERY)
def test_the_tangent_is_the_derivative(name, train):
    """By central differences of the same step; a kink within it would show, and no sample has one."""
    net = network(name, train=train)
    x, v, _ = numbers(net)
    h = 1e-6
    slope = (net.forward(x + h * v, seed=2) - net.forward(x - h * v, seed=2)) / (2 * h)
    np.testing.assert_allclose(net.tangent(x, v, seed=2), slope, rtol=1e-7, atol=1e-7)


@pytest.mark.parametrize("name,train", EVERY)
def test_adjoints_of_parameters_are_derivatives(name, train):
    net = network(name, train=train)
    x, _, w = numbers(net)
    found = net.backward(x, w, seed=2, input=False)
    assert found.input is None
    rng, h = np.random.default_rng(3), 1e-6
    for key, value in net.parameters.items():
        d = rng.standard_normal(value.shape)
        up, down = (
            net.with_parameters(**{key: value + s * h * d}).forward(x, seed=2) for s in (1, -1)
        )  # fmt: skip
        slope = np.sum(w * (up - down)) / (2 * h)
        np.testing.assert_allclose(np.sum(found.parameters[key] * d), slope, rtol=2e-7, atol=1e-7, err_msg=key)


@pytest.mark.parametrize("name", MAKE)
def test_jacobians_hold_all_products(name):
    net = network(name)
    x, v, w = numbers(net)
    J = net.jacobian(x)
    flat = [a.reshape(4, -1) for a in (v, w)]
    assert J.shape == (4, flat[1].shape[1], flat[0].shape[1])
    close(np.einsum("bij,bj->bi", J, flat[0]), net.tangent(x, v).reshape(4, -1), 10)
    close(np.einsum("bij,bi->bj", J, flat[1]), net.adjoint(x, w).reshape(4, -1), 10)


def test_one_sample_of_dense_layers():
    """Products of a single row go another way."""
    net = network("dense")
    x, v, w = numbers(net, samples=1)
    how = dict(backend="reference")
    close(net.forward(x), net.forward(x, **how))
    close(net.tangent(x, v), net.tangent(x, v, **how))
    found, expected = net.backward(x, w), net.backward(x, w, **how)
    close(found.input, expected.input)
    for key in net.parameters:
        close(found.parameters[key], expected.parameters[key])


@pytest.mark.parametrize("name,train", EVERY)
def test_tapes_begin_and_end_with_the_passes(name, train):
    net = network(name, train=train)
    x, _, w = numbers(net)
    tape, covectors = net.tape(x, seed=4), net.cotape(x, w, seed=4)
    assert len(tape) == len(covectors) == len(net.layers)
    np.testing.assert_array_equal(tape[-1], net.forward(x, seed=4))
    np.testing.assert_array_equal(covectors[-1], w)


def test_tapes_are_outputs_and_covectors_of_all_layers():
    """Each layer's output is the next one's input, here taken up by a network of the rest."""
    from fastlyap.networks import Sequential

    net = network("normalised")
    x, _, w = numbers(net)
    tape, covectors = net.tape(x), net.cotape(x, w)
    for i in range(1, len(net.layers)):
        rest = Sequential(net.layers[i:], input_shape=tape[i - 1].shape[1:])
        keys = {f"{int(k.split('.')[0]) - i}.{k.split('.', 1)[1]}": k for k in net.shapes if int(k.split(".")[0]) >= i}
        values = net.parameters | net.statistics
        rest = rest.with_parameters(**{new: values[old] for new, old in keys.items()})
        close(rest.forward(tape[i - 1]), net.forward(x))
        close(rest.adjoint(tape[i - 1], w), covectors[i - 1], 10)
