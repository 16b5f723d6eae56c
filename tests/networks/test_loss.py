"""Losses: closed forms, the reference, derivatives, numbers that overflow; and one pass for loss and gradient."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import mlp
from fastlyap.reference import losses as reference
from tests.networks.made_networks import network, numbers
from tests.tolerances import eps

TINY = 200 * eps("float64")
RNG = np.random.default_rng(0)
Y, LABELS, TARGETS = RNG.standard_normal((3, 6, 5)), RNG.integers(0, 5, (3, 6)), RNG.standard_normal((3, 6, 5))
LOSSES = {
    "cross_entropy": (fl.loss.cross_entropy(LABELS, 0.7), lambda y: reference.cross_entropy(y, LABELS, 0.7)),
    "mse": (fl.loss.mse(TARGETS), lambda y: reference.squared_error(y, TARGETS)),
}


@pytest.mark.parametrize("name", LOSSES)
def test_values_and_derivatives_agree_with_the_reference(name):
    loss, expected = LOSSES[name]
    value, cotangent = expected(Y)
    np.testing.assert_allclose(loss.value(Y), value, rtol=TINY)
    np.testing.assert_allclose(loss.cotangent(Y), cotangent, rtol=TINY, atol=TINY)


@pytest.mark.parametrize("name", LOSSES)
def test_cotangents_are_derivatives(name):
    loss = LOSSES[name][0]
    d, h = np.random.default_rng(1).standard_normal(Y.shape), 1e-5
    slope = (loss.value(Y + h * d) - loss.value(Y - h * d)) / (2 * h)
    np.testing.assert_allclose(np.sum(loss.cotangent(Y) * d, axis=(1, 2)), slope, rtol=1e-8, atol=1e-9)


def test_closed_forms():
    """Equal outputs cost log m; half the square of an error of 1 in each of 5 outputs is 2.5."""
    assert fl.loss.cross_entropy([2]).value(np.zeros((1, 5))) == pytest.approx(np.log(5), rel=1e-15)
    assert fl.loss.mse(TARGETS).value(TARGETS + 1.0) == pytest.approx(2.5)
    cotangent = fl.loss.cross_entropy([1, 0]).cotangent(np.zeros((2, 2)))
    np.testing.assert_allclose(cotangent, [[0.25, -0.25], [-0.25, 0.25]])


def test_large_outputs_do_not_overflow():
    y = np.array([[1e4, 0.0, -1e4], [-800.0, 0.0, 800.0]])
    loss = fl.loss.cross_entropy([2, 0])
    assert loss.value(y) == pytest.approx((2e4 + 1600.0) / 2)
    np.testing.assert_allclose(loss.cotangent(y), [[0.5, 0.0, -0.5], [-0.5, 0.0, 0.5]])
    np.testing.assert_allclose(loss.value(y + 1e4), loss.value(y))


def test_nan_stays_in_its_member():
    y = Y.copy()
    y[1, 2, 3] = np.nan
    for loss, _ in LOSSES.values():
        assert np.isnan(loss.value(y)).tolist() == [False, True, False]


@pytest.mark.parametrize("train", [False, True])
def test_one_pass_gives_loss_and_gradient(train):
    net = network("normalised", train=train, batch=(2,))
    x, _, _ = numbers(net)
    for loss in (fl.loss.cross_entropy([0, 2, 1, 1]), fl.loss.mse(np.ones((4, 3)))):
        found = net.loss_gradient(x, loss, seed=1, input=True)
        y = net.forward(x, seed=1)
        expected = net.backward(x, loss.cotangent(y), seed=1)
        np.testing.assert_allclose(found.output, y, rtol=TINY, atol=TINY)
        np.testing.assert_allclose(found.value, loss.value(y), rtol=TINY)
        np.testing.assert_allclose(found.input, expected.input, rtol=1e-10, atol=1e-13)
        for key in net.parameters:
            np.testing.assert_allclose(found.parameters[key], expected.parameters[key], rtol=1e-10, atol=1e-13)


def test_any_loss_with_a_value_and_a_cotangent_will_do():
    class Total:
        def value(self, y):
            return y.sum((-1, -2))

        def cotangent(self, y):
            return np.ones_like(y)

    net = mlp((3, 4, 2))
    x = np.ones((5, 3))
    found = net.loss_gradient(x, Total())
    np.testing.assert_allclose(found.parameters["2.bias"], 5.0)
    assert found.value == pytest.approx(net.forward(x).sum()) and found.input is None


@pytest.mark.parametrize("train", [False, True])
def test_a_step_of_descent(train):
    """All members at once; statistics stay, and a member without finite numbers stays by itself."""
    nets = network("normalised", train=train, batch=(3,))
    x, _, _ = numbers(nets, front=(3,))
    x[1, 0, 0] = np.inf
    loss = fl.loss.cross_entropy([0, 2, 1, 1])
    found, value = nets.descend(x, loss, 0.5, seed=1)
    expected = nets.loss_gradient(x, loss, seed=1)
    np.testing.assert_allclose(value, expected.value)
    assert np.isnan(value).tolist() == [False, True, False] and found.mode == nets.mode
    for key, before in nets.parameters.items():
        after = before - 0.5 * expected.parameters[key]
        np.testing.assert_allclose(found.parameters[key], after, rtol=1e-11, atol=1e-13)
    for key, before in nets.statistics.items():
        np.testing.assert_array_equal(found.statistics[key], before)


def test_softmax():
    z = np.random.default_rng(2).standard_normal((4, 6))
    p = fl.loss.softmax(z, temperature=0.5)
    np.testing.assert_allclose(p, np.exp(2 * z) / np.exp(2 * z).sum(-1, keepdims=True), rtol=TINY)
    np.testing.assert_allclose(fl.loss.softmax(z + 1e4, temperature=0.5), p, rtol=1e-10)
    assert repr(fl.loss.cross_entropy([0, 1])) == "cross_entropy(labels (2,), temperature=1)"
