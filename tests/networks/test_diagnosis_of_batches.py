"""Batches of networks are diagnosed member by member; covectors of cells are those of the Jacobians."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from fastlyap.diagnosis import Diagnoses, cells
from fastlyap.errors import InputError
from fastlyap.networks import mlp
from tests.networks.recurrent_cells import MAKE, cell, drive
from tests.tolerances import eps

compiled = pytest.mark.compiled
X, LABELS = np.random.default_rng(0).standard_normal((10, 4)), np.arange(10) % 3


def test_every_member_has_its_own_verdict():
    nets = mlp((4, 4, 4, 3), batch_norm=True, gain=[[0.3], [1.0]], seed=[1, 2])
    found = fl.diagnose(nets, X, LABELS)
    assert isinstance(found, Diagnoses) and found.shape == found.verdict.shape == (2, 2) and len(found[0]) == 2
    one = fl.diagnose(mlp((4, 4, 4, 3), batch_norm=True, gain=0.3, seed=2), X, LABELS)
    assert repr(found[0, 1]) == repr(one) and found.rate[0, 1] == one.rate and found.verdict[0, 1] == one.verdict
    assert found.exponent[0, 1] == one.exponents[0] and found.rate_rms[0, 1] == one.rate_rms
    assert found.condition[0, 1] == one.condition and found.expected_rate[0, 1] == one.expected_rate


def test_samples_may_differ_between_members():
    nets, x = mlp((4, 4, 4, 3), seed=[1, 2]), np.stack([X, 2 * X])
    found = fl.diagnose(nets, x)
    assert found.rate[1] == fl.diagnose(mlp((4, 4, 4, 3), seed=2), x[1]).rate


def test_they_fit_a_screen():
    found = fl.diagnose(mlp((4, 4, 3), seed=np.arange(30)), X)
    lines = repr(found).splitlines()
    assert len(lines) <= 40 and max(map(len, lines)) <= 80
    assert "batch (30,)" in lines[0] and "... 6 more" in repr(found) and "diagnoses[0]" in lines[-1]
    assert sum(int(part.split()[1]) for part in lines[0].split(": ")[1].split(", ")) == 30


@compiled
def test_batches_of_cells():
    found = fl.diagnose(networks.random_rnn(16, [0.5, 3.0], seed=0), 60)
    assert found.verdict.tolist() == ["vanishing", "exploding"]
    assert found.rate[1] == fl.diagnose(networks.random_rnn(16, 3.0, seed=0), 60).rate
    inputs = drive(20, lead=(2,))
    many = fl.diagnose(networks.rnn(2, 4, gain=3.0, seed=[3, 4]), inputs)
    assert many.rate[1] == fl.diagnose(networks.rnn(2, 4, gain=3.0, seed=4), inputs[1]).rate


PULLED = [("lstm_stack", False), ("rnn", True), ("random_rnn", False)]
REST = [(name, False) for name in MAKE if name != "lstm_stack"]


@pytest.mark.parametrize("name,closed", PULLED + [pytest.param(*case, marks=pytest.mark.slow) for case in REST])
def test_covectors_of_cells(name, closed):
    """Pulled back by the transposed Jacobians of the reference."""
    made = networks.random_rnn(5, 1.4) if name == "random_rnn" else cell(name, closed)
    given = cells.sequence(made, drive(8) if made.architecture.driven else 8, 0).first(2)
    w = np.random.default_rng(1).standard_normal((2, made.dim))
    found = cells.measure(made, given, w, 0)
    transient = 0 if made.architecture.driven else cells.TRANSIENT
    run = dict(steps=8, transient=transient, drive=given.drive)
    states = fl.trajectory(made, given.starts, **run).state
    assert found.variance == pytest.approx(np.mean(states**2, axis=(0, 2)), rel=100 * eps("float64"))
    for t in range(7, -1, -1):
        np.testing.assert_allclose(found.logs[t], np.log(np.linalg.norm(w, axis=1)), atol=1000 * eps("float64"))
        u = {} if given.drive is None else {"u": given.drive[:, t]}
        w = np.einsum("ei,eij->ej", w, made.jacobian(states[:, t - 1], t, **u)) if t else w


def test_where_nothing_comes_back():
    """Dead units leave -inf; states that outgrow all numbers leave NaN, and that is an explosion."""
    dead = networks.rnn(2, 3, activation="relu").with_parameters(**{"0.bias": np.full(3, -99.0)})
    found = fl.diagnose(dead, drive(5))
    assert found.verdict == "vanishing" and found.exponents[0] == -np.inf and found.gradient_max[0] == 0
    linear = networks.rnn(2, 3, activation="identity", gain=1e90)
    found = fl.diagnose(linear, drive(9))
    assert found.verdict == "exploding" and "not finite" in found.reason


BAD = {
    "axes that broadcast to the batch (3,)": lambda: fl.diagnose(mlp((4, 3), seed=range(3)), np.ones((2, 5, 4))),
    "`x` must have shape (..., B, 4), got (4,)": lambda: fl.diagnose(mlp((4, 3), seed=range(3)), np.ones(4)),
    "that of one network, got a batch (2,)": lambda: fl.plot.gradient_norms(fl.diagnose(mlp((4, 3), seed=[0, 1]), X)),
    "`x` must be a drive": lambda: fl.diagnose(networks.rnn(2, 3, seed=[0, 1]), np.ones((5, 3))),
}  # fmt: skip


@pytest.mark.parametrize("words", BAD)
def test_wrong_batches(words):
    with pytest.raises(InputError) as error:
        BAD[words]()
    assert words in str(error.value)
