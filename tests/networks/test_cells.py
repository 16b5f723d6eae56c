"""Spectra of recurrent cells: against the plain path, the Jacobians, closed forms, and the laws of all systems."""

import pickle

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from tests import tolerances
from tests.networks.recurrent_cells import cell, drive

STEPS, RUN_UP = 24, 4
slow = pytest.mark.slow
compiled = pytest.mark.compiled


def called(made, steps=STEPS, transient=RUN_UP, around=1):
    """Arguments of a call for this cell, with a drive if it reads one."""
    how = dict(steps=steps, transient=transient, every=1)
    return how | (dict(drive=drive(steps + around * transient)) if made.architecture.driven else {})


def growth(result):
    return result.exponents * result.settings["steps"]


def allowed(result, n):
    """Of log growth: rounding is stretched by the orbit, and by the frame's conditioning within one interval."""
    stretch = max(growth(result).max(), 0.0) + np.log(result.conditioning.max()) + 1.0
    return tolerances.growth("float64", steps=2 * STEPS * n, stretch=stretch)


CASES = [
    ("rnn", False), ("lstm", False), ("lstm_stack", True), ("gru_original", True),
    *(pytest.param(*case, marks=slow) for case in [("rnn", True), ("lstm", True), ("gru", True), ("gru", False)]),
    *(pytest.param(*case, marks=slow) for case in [("lstm_stack", False), ("gru_original", False)]),
]  # fmt: skip
ADJOINT = [("lstm_stack", True), pytest.param("gru_original", True, marks=slow), pytest.param("rnn", False, marks=slow),
           pytest.param("gru", False, marks=slow), pytest.param("lstm", False, marks=slow)]  # fmt: skip


@pytest.mark.parametrize("name,closed", CASES)
def test_spectra_agree_with_the_reference(name, closed):
    made = cell(name, closed)
    found, plain = (fl.spectrum(made, backend=backend, **called(made)) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(growth(found), growth(plain), rtol=0, atol=allowed(found, made.dim))
    assert abs(found.sum_rule) * STEPS < 10 * allowed(found, made.dim)
    assert abs(plain.sum_rule - found.sum_rule) * STEPS < 10 * allowed(found, made.dim)
    few = fl.spectrum(made, k=2, **called(made))
    alone = fl.spectrum(made, backend="reference", k=2, **called(made))
    np.testing.assert_allclose(growth(few), growth(alone), rtol=0, atol=allowed(found, made.dim))


@pytest.mark.parametrize("name,closed", ADJOINT)
def test_adjoint_spectra_agree_with_the_reference(name, closed):
    made = cell(name, closed)
    how = called(made, around=2) | dict(direction="adjoint")
    found, plain = (fl.spectrum(made, backend=backend, **how) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(growth(found), growth(plain), rtol=0, atol=allowed(found, made.dim))
    assert abs(found.sum_rule) * STEPS < 10 * allowed(found, made.dim)


@pytest.mark.parametrize("name", ["rnn", "lstm", "lstm_stack", "gru", "gru_original"])
@pytest.mark.parametrize("closed", [False, True])
def test_jacobians_are_derivatives(name, closed):
    made = cell(name, closed)
    x, u = made.x0, None if closed else drive(1)[0]
    h = 1e-6
    columns = [(made.rule(x + h * e, u=u) - made.rule(x - h * e, u=u)) / (2 * h) for e in np.eye(made.dim)]
    np.testing.assert_allclose(made.jacobian(x, u=u), np.transpose(columns), atol=1e-8)


def test_the_random_network_is_the_one_described():
    found = networks.random_rnn(7, 1.3, seed=4)
    generator = np.random.default_rng(4)
    J = generator.standard_normal((7, 7)) / np.sqrt(7)
    x = generator.standard_normal(7)
    np.testing.assert_array_equal(found.x0, x)
    np.testing.assert_allclose(found.rule(x), 1.3 * J @ np.tanh(x), rtol=1e-14)
    np.testing.assert_allclose(found.jacobian(x), 1.3 * J * (1 - np.tanh(x) ** 2), rtol=1e-12, atol=1e-15)


def test_batches_of_gains_and_seeds():
    g = np.linspace(0.5, 2.5, 3)
    found = fl.spectrum(networks.random_rnn(8, g, seed=6), steps=60, transient=10)
    assert found.dims == ("g",) and found.exponents.shape == (3, 8)
    for i, each in enumerate(g):
        alone = fl.spectrum(networks.random_rnn(8, each, seed=6), steps=60, transient=10)
        np.testing.assert_array_equal(alone.exponents, found.exponents[i])
    given = fl.spectrum(networks.random_rnn(8, seed=6), parameters=dict(g=g), steps=60, transient=10)
    np.testing.assert_array_equal(given.exponents, found.exponents)
    many = fl.spectrum(networks.random_rnn(8, g[:, None], seed=[5, 6]), steps=60, transient=10, threads=1)
    assert many.exponents.shape == (3, 2, 8)
    np.testing.assert_array_equal(many.exponents[:, 1], found.exponents)


def test_kinds():
    """Below the onset a random network rests, above it may be chaotic; a driven cell follows its inputs."""
    found = fl.spectrum(networks.random_rnn(32, [0.8, 3.0], seed=7), k=2, steps=500, transient=300)
    assert found.kind.tolist() == ["fixed point", "hyperchaos"]
    by_reference = fl.spectrum(networks.random_rnn(8, 0.8, seed=6), steps=60, transient=100, backend="reference")
    assert by_reference.kind == "fixed point" and by_reference.moved < 1e-9
    follows = fl.spectrum(cell("lstm"), drive=drive(400), transient=50)
    assert follows.kind == "stable response" and follows.moved is None


def test_below_the_onset_exponents_are_those_of_the_weights():
    """At x = 0 the Jacobian is g J."""
    found = fl.spectrum(networks.random_rnn(8, 0.8, seed=6), steps=4000, transient=300)
    J = 0.8 * networks.random_rnn(8, seed=6).parameters["0.hidden"].T
    exact = np.sort(np.log(np.abs(np.linalg.eigvals(J))))[::-1]
    np.testing.assert_allclose(found.exponents, exact, atol=1e-2)
    assert found.exponents.sum() == pytest.approx(np.linalg.slogdet(J)[1], abs=1e-9)
    assert abs(found.sum_rule) < 1e-9


def test_the_determinant_of_the_lstm():
    """log|det| of a step: log|det U_o| + sum log|tanh c' o'| + sum log f, with o' = s(a) s(-a)."""
    made, u = cell("lstm"), drive(200)
    found = fl.spectrum(made, drive=u, every=1)
    H, W = 4, made.parameters
    total, x = 200 * np.linalg.slogdet(W["0.hidden"][:, 3 * H :])[1], made.x0
    for step in u:
        a = step @ W["0.input"] + x[:H] @ W["0.hidden"] + W["0.bias"]
        x = made.rule(x, u=step)
        sigmoid = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(a))
        total += np.log(sigmoid[0][H : 2 * H]).sum() + np.log(sigmoid[0] * sigmoid[1])[3 * H :].sum()
        total += np.log(np.abs(np.tanh(x[H:]))).sum()
    assert growth(found).sum() == pytest.approx(total, abs=1e-9)
    assert abs(found.sum_rule) < 1e-9


def test_without_hidden_weights_an_lstm_forgets_at_known_rates():
    """H exponents are the means of log f, H are -inf, which is no failure; sums are clean."""
    made = cell("lstm")
    made = made.with_parameters(**{"0.hidden": 0.0 * made.parameters["0.hidden"]})
    u = drive(2000)
    found = fl.spectrum(made, drive=u)
    a = u @ made.parameters["0.input"] + made.parameters["0.bias"]
    exact = np.sort(-np.log1p(np.exp(-a[:, 4:8])).mean(axis=0))[::-1]
    np.testing.assert_allclose(found.exponents[:4], exact, atol=0.02)
    assert found.exponents[:4].sum() == pytest.approx(exact.sum(), abs=2e-3)
    assert np.isneginf(found.exponents[4:]).all()
    assert found.status == fl.Status.OK and found.sum_rule == 0.0
    few = fl.spectrum(made, drive=u, k=6, steps=50)
    assert few.status == fl.Status.OK and np.isneginf(few.exponents[4:]).all()


@slow
def test_dead_units_are_counted_as_they_are():
    """Units of a ReLU network that are switched off for good: rank is lost, which is no failure."""
    made = networks.rnn(2, 3, 2, outputs=2, activation="relu")
    made = made.with_parameters(**{"0.bias": np.array([1.0, -100.0, 1.0]), "1.bias": np.ones(3)})
    rest = made.x0
    for _ in range(200):
        rest = made.rule(rest, u=np.zeros(2))
    left = int(np.sum(np.abs(np.linalg.eigvals(made.jacobian(rest, u=np.zeros(2)))) > 1e-9))
    found = fl.spectrum(made, x0=rest, drive=0, steps=30, transient=5)
    assert 0 < left < 6 and np.isfinite(found.exponents[:left]).all() and np.isneginf(found.exponents[left:]).all()
    assert found.status == fl.Status.OK and found.sum_rule == 0.0


@slow
def test_float32():
    made = cell("lstm")
    wide, narrow = (fl.spectrum(made, drive=drive(60), dtype=dtype) for dtype in ("float64", "float32"))
    np.testing.assert_allclose(narrow.exponents[:6], wide.exponents[:6], atol=1e-3)
    assert abs(narrow.sum_rule) < 1e-3


def test_threads_and_chunks_change_nothing():
    made, u = cell("lstm"), drive(40, lead=(5,))
    one, two = (fl.spectrum(made, drive=u, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.exponents, two.exponents)
    alone = fl.spectrum(made, drive=u[3])
    np.testing.assert_array_equal(alone.exponents, one.exponents[3])


def test_cells_travel(tmp_path):
    made = cell("lstm_stack", True)
    again = pickle.loads(pickle.dumps(made))
    assert again == made and hash(again) == hash(made) and again.architecture == made.architecture
    assert made.with_parameters(**{"0.bias": np.zeros(12)}) != made
    assert repr(made) == "<lstm_closed_loop: 2 -> 3 -> 3 -> 2, closed loop, n = 12, 164 parameters>"
    result = fl.spectrum(made, **called(made))
    fl.save(result, tmp_path / "cell.npz")
    np.testing.assert_array_equal(fl.load(tmp_path / "cell.npz").exponents, result.exponents)
    result.to_xarray()


@pytest.mark.parametrize("closed", [False, True])
def test_checks(closed):
    report = fl.check(cell("gru_original", closed))
    assert report.ok and "not compared" in str(report)


def test_names_of_states():
    assert networks.lstm(1, 2).state_names == ("h0", "h1", "c0", "c1")
    assert networks.gru(1, 2, 2).state_names == ("h1_0", "h1_1", "h2_0", "h2_1")


def test_plans():
    text = str(fl.plan("spectrum", networks.random_rnn(200, [1.0, 2.0]), steps=1000))
    assert "2 members" in text and "dense" in text
