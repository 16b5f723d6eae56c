"""docs/row_convention.md: the formulas in columns, term by term, and the numbers of softmax."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import Activation, Sequential, mlp

RNG = np.random.default_rng(0)
M = 7
NET = mlp((5, 4, 3), "sigmoid", bias=0.1)
X, T = RNG.standard_normal((M, 5)), np.eye(3)[RNG.integers(0, 3, M)]
CLOSE = dict(rtol=1e-13, atol=1e-15)


def in_columns():
    """Forward and backward pass with samples as columns: gradients of all weights and biases, squared error."""
    W = [NET.parameters[key].T for key in ("0.weight", "2.weight")]
    b = [NET.parameters[key][:, None] for key in ("0.bias", "2.bias")]
    Y0 = X.T
    Z1 = W[0] @ Y0 + b[0]
    Y1 = 1 / (1 + np.exp(-Z1))
    Z2 = W[1] @ Y1 + b[1]
    delta2 = Z2 - T.T  # no activation after the last layer
    delta1 = (W[1].T @ delta2) * Y1 * (1 - Y1)
    gradients = {"0.weight": delta1 @ Y0.T / M, "0.bias": delta1.mean(1), "2.weight": delta2 @ Y1.T / M,
                 "2.bias": delta2.mean(1)}  # fmt: skip
    return Z1, Y1, Z2, delta1, delta2, W[0].T @ delta1, gradients


def test_rows_are_transposed_columns():
    Z1, Y1, Z2, delta1, delta2, at_input, gradients = in_columns()
    loss = fl.loss.mse(T)
    tape = NET.tape(X)
    for found, expected in zip(tape, (Z1, Y1, Z2), strict=True):
        np.testing.assert_allclose(found, expected.T, **CLOSE)
    w = loss.cotangent(tape[-1])
    np.testing.assert_allclose(w, delta2.T / M, **CLOSE)
    np.testing.assert_allclose(NET.cotape(X, w)[0], delta1.T / M, **CLOSE)
    found = NET.backward(X, w)
    np.testing.assert_allclose(found.input, at_input.T / M, **CLOSE)
    for key, expected in gradients.items():
        np.testing.assert_allclose(found.parameters[key], expected.T, **CLOSE)


def test_softmax_and_cross_entropy():
    z = np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(fl.loss.softmax(z), [0.090031, 0.244728, 0.665241], atol=1e-6)
    np.testing.assert_allclose(fl.loss.softmax(z, temperature=100), [0.330006, 0.333322, 0.336672], atol=1e-6)
    np.testing.assert_allclose(fl.loss.softmax(z, temperature=0.1), [2.0612e-9, 4.5398e-5, 0.99995460], rtol=1e-4)
    np.testing.assert_allclose(fl.loss.softmax(z, temperature=0.1)[2], 0.99995460, atol=1e-8)
    assert fl.loss.cross_entropy([0]).value(z[None]) + 1.0 == pytest.approx(3.407606, abs=1e-6)
    np.testing.assert_allclose(fl.loss.softmax(z + 1e4), fl.loss.softmax(z), rtol=1e-12)


@pytest.mark.parametrize("temperature", [0.1, 1.0, 100.0])
def test_the_derivative_of_cross_entropy_is_probability_minus_target(temperature):
    y, labels = RNG.standard_normal((M, 3)), T.argmax(1)
    found = fl.loss.cross_entropy(labels, temperature).cotangent(y)
    expected = (fl.loss.softmax(y, temperature) - T) / (M * temperature)
    np.testing.assert_allclose(found, expected, rtol=1e-13, atol=1e-15)


def test_slopes_of_saturated_units_do_not_vanish():
    z = np.array([[25.0, -40.0, 300.0]])
    found = Sequential([Activation("tanh")], input_shape=3).tangent(z, np.ones((1, 3)))
    np.testing.assert_allclose(found, 4.0 * np.exp(-2.0 * np.abs(z)), rtol=1e-12)
