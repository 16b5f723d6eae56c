"""Diagnoses: known slopes of gradients, the exponents beside them, what is said and what is refused."""

import numpy as np
import pytest
from numba import config

import fastlyap as fl
from fastlyap.diagnosis.verdict import Growth, judge, slope
from fastlyap.errors import InputError
from fastlyap.networks.build import Sequential, mlp
from fastlyap.networks.layers import Activation, Dense, Residual
from fastlyap.networks.normalisation_layers import BatchNorm
from fastlyap.networks.recurrent import lstm, random_rnn, rnn

compiled = pytest.mark.compiled
SMALL = config.DISABLE_JIT
X = np.random.default_rng(0).standard_normal((24, 6))
LABELS = np.arange(24) % 3


def check_text(d):
    """Fits a screen, names the verdict, and shows no number that is not finite without saying so."""
    lines = repr(d).splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    assert d.verdict.upper() in lines[0] and "nan" not in repr(d)


SLOPES = {  # initialisation at depth 20, width 64: growth of the gradient towards the inputs, nats per layer
    ("sigmoid", "xavier"): -1.448,
    ("relu", "xavier"): -0.358,
    ("relu", "he"): -0.009,
    ("tanh", "xavier"): -0.047,
}


@compiled
@pytest.mark.parametrize("seeds", [2, pytest.param(10, marks=pytest.mark.slow)])
@pytest.mark.parametrize("activation, init", SLOPES)
def test_slopes_at_initialisation(activation, init, seeds):
    """Of the gradients of a cross-entropy, for samples as large as scaled pictures are."""
    x, labels = 0.42 * np.random.default_rng(0).standard_normal((256, 64)), np.arange(256) % 10
    rates = []
    for seed in range(seeds):
        net = mlp((64,) * 21 + (10,), activation, init=init, seed=seed)
        d = fl.diagnose(net, x, labels)
        rates.append(d.rate_rms)
        assert d.rate_rms == pytest.approx(d.expected_rate, abs=0.05)
    assert np.mean(rates) == pytest.approx(SLOPES[activation, init], abs=0.02)


@compiled
def test_gradients_of_a_chaotic_cell_grow_at_its_exponent():
    """Random tanh cell, N = 64, g = 3: the slope of the median gradient and the largest exponent agree."""
    d = fl.diagnose(random_rnn(64, 3.0, seed=0), 200)
    assert d.exponents[0] == pytest.approx(0.2754, abs=0.01)
    assert d.rate == pytest.approx(d.exponents[0], abs=0.01)
    assert d.verdict == "exploding" and d.rate < d.rate_rms
    assert any("gain g = 1" in remedy.name and abs(remedy.rate) < 0.1 for remedy in d.remedies)
    check_text(d)


def test_vanishing_network_and_its_repairs():
    net = mlp((6,) * 8 + (3,), "sigmoid", seed=1)
    d = fl.diagnose(net, X, LABELS)
    check_text(d)
    assert d.verdict == "vanishing" and d.number < d.threshold == 0.01 and d.cotangents == "cross entropy"
    assert d.position.sigma_w == pytest.approx(1.0, rel=0.3) and d.position.rate == pytest.approx(d.rate, abs=0.3)
    best = d.remedies[0]
    assert abs(best.rate) < 0.3 * abs(d.rate)
    names = [remedy.name for remedy in d.remedies]
    assert {"residual blocks", "layer norm", "orthogonal weights", "tanh for sigmoid"} <= set(names)
    assert np.all(d.dead == 0) and d.names[0] == "0 Dense" and len(d.names) == 7


def test_numbers_are_those_of_the_passes():
    net = mlp((6, 5, 4, 3), "relu", init="he", seed=3)
    d = fl.diagnose(net, X, loss=fl.loss.cross_entropy(LABELS))
    tape = net.tape(X)
    w = len(X) * fl.loss.cross_entropy(LABELS).cotangent(tape[-1])
    norms = np.linalg.norm(net.cotape(X, w)[2], axis=1)
    assert d.gradient_median[1] == pytest.approx(np.exp(np.median(np.log(norms))))
    assert d.gradient_rms[1] == pytest.approx(np.sqrt(np.mean(norms**2)))
    assert d.gradient_max[1] == pytest.approx(norms.max())
    assert d.variance[0] == pytest.approx(np.mean(tape[0] ** 2))
    assert d.dead[0] == np.mean(np.all(tape[0] <= 0, axis=0))
    assert d.weight_condition[1] == pytest.approx(np.linalg.cond(net.parameters["2.weight"]))
    check_text(d)


def test_dead_network_is_said_to_be_so():
    net = mlp((6, 5, 5, 3), "relu").with_parameters(**{"2.bias": np.full(5, -99.0)})
    d = fl.diagnose(net, X)
    check_text(d)
    assert d.verdict == "vanishing" and d.dead[1] == 1.0 and d.exponents[0] == -np.inf
    assert "100%" in repr(d) and "-inf" in repr(d) and "random cotangents" in repr(d)


@pytest.mark.parametrize("name", ["blocks", "coupled", "one layer", "exploding"])
def test_other_networks(name):
    net = {
        "blocks": lambda: Sequential([Dense(6, 4), Residual([Dense(4, 4), Activation("tanh")]), Dense(4, 3)]),
        "coupled": lambda: Sequential([Dense(6, 4), BatchNorm(4), Activation("relu"), Dense(4, 3)]).train(),
        "one layer": lambda: mlp((6, 3)),
        "exploding": lambda: mlp((6,) * 9 + (3,), "relu", init="he", gain=3.0, seed=1),
    }[name]()
    d = fl.diagnose(net, X, LABELS)
    check_text(d)
    if name == "exploding":
        assert d.verdict == "exploding" and any("clip at a norm of" in remedy.name for remedy in d.remedies)
    if name == "coupled":
        assert "couples the samples" in repr(d) and "n/a" in repr(d)


@compiled
def test_driven_cells():
    drive = np.random.default_rng(1).standard_normal((40, 2))
    d = fl.diagnose(lstm(2, 6), drive)
    check_text(d)
    assert d.verdict == "vanishing" and d.kind == "cell" and d.unit == "nats per step"
    assert d.rate == pytest.approx(d.exponents[0], abs=0.1)
    forget = {remedy.name: remedy.rate for remedy in d.remedies}
    assert forget["forget-gate bias + 3"] > forget["forget-gate bias + 1"] > d.rate
    many = fl.diagnose(rnn(2, 5, outputs=3), np.stack([drive] * 4), targets=np.arange(4) % 3)
    check_text(many)
    assert many.n_samples == 4 and "last step" in repr(many)
    assert any("LSTM" in remedy.name for remedy in many.remedies)


def test_growth_and_verdicts():
    logs = np.log(np.random.default_rng(0).uniform(1, 2, (5, 30)))
    found = Growth.of(logs)
    np.testing.assert_allclose(np.exp(found.rms), np.sqrt(np.mean(np.exp(2 * logs), axis=1)))
    assert np.all(Growth.of(np.full((2, 3), -np.inf)).rms == -np.inf)
    line = -0.3 * np.arange(12.0)
    assert slope(line) == pytest.approx(0.3) and slope(line[::-1]) == pytest.approx(-0.3) and np.isnan(slope(line[:1]))
    verdicts = {0.5: "exploding", -0.5: "vanishing", 0.01: "edge", 0.2: "healthy"}
    for rate, word in verdicts.items():
        found = judge(rate, -rate * np.arange(12.0), "layer")
        assert found.word == word and found.reason
    assert judge(900.0, -900.0 * np.arange(3.0), "layer").reason.count("10^") == 1
    assert judge(np.nan, np.array([np.nan, 1.0]), "layer").word == "exploding"


def test_picture():
    pytest.importorskip("matplotlib")
    d = fl.diagnose(mlp((6,) * 5 + (3,), "sigmoid"), X)
    ax = fl.plot.gradient_norms(d)
    assert ax.get_yscale() == "log" and ax.get_xlabel() == "layer" and len(ax.get_lines()) == 5
    np.testing.assert_array_equal(ax.get_lines()[0].get_ydata(), d.gradient_median)
    with pytest.raises(InputError, match="`diagnosis` must be"):
        fl.plot.gradient_norms(3)


NET, CELL = mlp((6, 4, 3)), rnn(2, 3)
BAD = {
    "not a net": (lambda: fl.diagnose(fl.systems.henon(), X), "must be a network or a recurrent cell"),
    "no samples": (lambda: fl.diagnose(NET), "`x` is missing"),
    "width": (lambda: fl.diagnose(NET, X[:, :5]), r"`x` must have shape \(..., B, 6\)"),
    "loss alone": (lambda: fl.diagnose(NET, X, loss=fl.loss.mse), "`targets` are missing"),
    "twice": (lambda: fl.diagnose(NET, X, LABELS, fl.loss.cross_entropy(LABELS)), "`targets` must be left out"),
    "no loss": (lambda: fl.diagnose(NET, X, LABELS, "mse"), "`loss` must be"),
    "labels": (lambda: fl.diagnose(NET, X, LABELS + 7), "`labels` must be in 0 .. 2"),
    "too few": (lambda: fl.diagnose(NET, X, LABELS[:5]), "do not fit outputs"),
    "seed": (lambda: fl.diagnose(NET, X, seed=-1), "`seed`"),
    "no drive": (lambda: fl.diagnose(CELL), r"drive of shape \(..., T, 2\)"),
    "drive": (lambda: fl.diagnose(CELL, np.zeros((9, 3))), r"drive of shape \(..., T, 2\)"),
    "one step": (lambda: fl.diagnose(CELL, np.zeros((1, 2))), "T >= 2"),
    "steps": (lambda: fl.diagnose(random_rnn(4, 1.0), np.zeros((9, 2))), "must be a number of steps"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input(name):
    call, words = BAD[name]
    with pytest.raises(InputError, match=words):
        call()
