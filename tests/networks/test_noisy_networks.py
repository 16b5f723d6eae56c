"""Noise behind layers: where it is, what it is a function of, the way back through it, and bad input."""

import pickle

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.errors import InputError
from fastlyap.networks import Activation, BatchNorm, Dense, Dropout, Residual, Sequential, compiled, mlp
from fastlyap.reference.noise import sequence
from tests.networks.made_networks import network, numbers
from tests.tolerances import eps

TINY = 2000 * eps("float64")


@pytest.mark.parametrize("readout", [False, True])
@pytest.mark.parametrize(
    "name, train", [("dense", False), ("wide", False), ("normalised", True), ("sequence", False), ("picture", True)]
)
def test_kernels_and_reference_agree(name, train, readout):
    wide = name == "wide"  # more than a row of lanes
    net = mlp((6, 9, 17, 8), bias=0.1, seed=range(2)) if wide else network(name, train=train, batch=(2,))
    net = net.with_noise(0.3, readout=readout)
    x, v, w = numbers(net)
    w = np.broadcast_to(w, (2, *w.shape))
    for what, given in (("forward", ()), ("tangent", (v,)), ("adjoint", (w,))):
        one, other = (getattr(net, what)(x, *given, seed=4, backend=b) for b in ("cpu", "reference"))
        np.testing.assert_allclose(one, other, rtol=TINY, atol=TINY)
    one, other = (net.backward(x, w, seed=4, backend=b) for b in ("cpu", "reference"))
    np.testing.assert_allclose(one.input, other.input, rtol=TINY, atol=TINY)
    for key in net.parameters:
        np.testing.assert_allclose(one.parameters[key], other.parameters[key], rtol=TINY, atol=TINY)


def test_noise_is_behind_layers():
    """A layer is a weighted map with what follows; a block is one. Numbers are those of the definition."""
    net = Sequential([Activation("sin"), Dense(3, 4), Activation("tanh"), Residual([Dense(4, 4), Activation("relu"),
                      Dense(4, 4)]), Dropout(0.1), Dense(4, 2)], input_shape=3).with_noise(0.5)  # fmt: skip
    x = np.random.default_rng(0).standard_normal((3, 3))
    assert net.structure.disturbed == (2, 4, 5)
    b = np.array([sequence(7, 0, sample, 10) for sample in range(3)])
    found = net.tape(x, seed=7)
    plain = net.with_parameters(noise_size=0.0)
    np.testing.assert_allclose(found[2], plain.tape(x)[2] + 0.5 * b[:, :4], rtol=TINY)
    own = {f"0.{k}": net.parameters[f"5.{k}"] for k in ("weight", "bias")}
    last = Sequential(net.layers[5:]).with_parameters(**own)
    np.testing.assert_allclose(found[5], last.forward(found[4]) + 0.5 * b[:, 8:], rtol=TINY)
    quiet = mlp((3, 4, 2)).with_noise(0.5, readout=False)
    assert quiet.structure.disturbed == (1,)
    many = mlp((1, 150)).with_parameters(**{"0.weight": np.zeros((1, 150))}).with_noise(1.0)  # three pairs of blocks
    np.testing.assert_allclose(many.forward(np.zeros((2, 1)), seed=7)[1], sequence(7, 0, 1, 150), rtol=TINY)


def test_size_is_a_parameter_of_its_own():
    net = mlp((4, 5, 5, 2), bias=0.2).with_noise([0.1, 0.2, 0.4])
    assert net.batch_shape == (3,) and net.parameters["noise_size"].shape == (3,) and net.n_parameters == 68
    x, _, w = numbers(net)
    found = net.backward(x, w, seed=1).parameters["noise_size"]
    h = 1e-6

    def moved(by):
        other = net.with_parameters(noise_size=net.parameters["noise_size"] + by)
        return np.sum(w * other.forward(x, seed=1), axis=(-2, -1))

    np.testing.assert_allclose(found, (moved(h) - moved(-h)) / (2 * h), rtol=1e-7)
    one = mlp((4, 5, 2)).with_noise(0.3)
    after = one.descend(x, fl.loss.mse(np.zeros((4, 2))), 0.1).network
    assert after.parameters["noise_size"] == 0.3
    assert np.all(after.parameters["2.bias"] != 0.0)


def test_noise_is_a_function_of_seed_member_sample_and_unit(monkeypatch):
    net = mlp((6, 5, 4)).with_noise(1.0)
    x = np.random.default_rng(0).standard_normal((3, 50, 6))
    out = net.forward(x, seed=2)
    assert np.array_equal(out[:, :20], net.forward(x[:, :20], seed=2))
    assert np.array_equal(out[:2], net.forward(x[:2], seed=2))
    assert not np.any(out == net.forward(x, seed=3)) and not np.any(out[0] == net.forward(x[[1, 0]], seed=2)[1])
    assert np.array_equal(out, pickle.loads(pickle.dumps(net)).forward(x, seed=2))
    assert np.array_equal(net.train().forward(x, seed=2), out)
    monkeypatch.setattr(compiled, "WORTH_A_THREAD", 1.0)
    monkeypatch.setattr(compiled, "BLOCK", 1)
    monkeypatch.setattr(compiled, "FEWEST", 7)
    np.testing.assert_allclose(net.forward(x, seed=2, threads=2), out, rtol=TINY, atol=TINY)


def test_noise_is_normal_and_independent():
    """Moments of 4000 outputs of a network of zeros, within five standard errors."""
    net = Sequential([Dense(1, 40, bias=None)]).with_parameters(**{"0.weight": np.zeros((1, 40))}).with_noise(1.0)
    b = net.forward(np.zeros((100, 1)), seed=9)
    n = b.size
    assert abs(b.mean()) < 5 / np.sqrt(n) and abs(b.var() - 1.0) < 5 * np.sqrt(2 / n)
    assert abs((b**4).mean() - 3.0) < 5 * np.sqrt(96 / n)
    for pair in (b[1:] * b[:-1], b[:, 1:] * b[:, :-1]):
        assert abs(pair.mean()) < 5 / np.sqrt(pair.size)


def test_exponents_of_noisy_layers():
    net = mlp((4, 4, 4, 2), gain=1.3).with_noise(0.2)
    x = np.random.default_rng(1).standard_normal((5, 4))
    one, other = (fl.finite_time(net, x, seed=3, backend=b) for b in ("cpu", "reference"))
    np.testing.assert_allclose(one.exponents, other.exponents, rtol=1e-9)


@pytest.mark.parametrize("make, words", [
    (lambda: mlp((2, 2)).with_noise(-1.0), "`sigma` must be at least 0"),
    (lambda: mlp((2, 2)).with_noise(np.nan), "`sigma`"),
    (lambda: mlp((2, 2)).with_noise(0.1, readout=1), "`readout` must be True or False"),
    (lambda: mlp((2, 2)).with_noise(0.1, readout=False), "none but the read-out"),
    (lambda: Sequential([BatchNorm(3)]).with_noise(0.1), "the network has none"),
])  # fmt: skip
def test_bad_input(make, words):
    with pytest.raises(InputError, match=words):
        make()
