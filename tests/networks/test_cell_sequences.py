"""Recurrent cells along whole sequences and back: against the plain path, differences, and torch where it is there."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap import networks
from tests.networks.recurrent_cells import cell, drive

slow = pytest.mark.slow
KINDS = ["lstm_stack", *(pytest.param(name, marks=slow) for name in ("rnn", "gru", "gru_original"))]


def worst(found, other):
    """Largest difference of two sets of gradients."""
    pairs = [(found.x0, other.x0), (found.drive, other.drive)]
    pairs += [(value, other.parameters[key]) for key, value in found.parameters.items()]
    return max(np.abs(a - b).max() for a, b in pairs)


@pytest.mark.parametrize("name", KINDS)
def test_they_agree_with_the_reference_and_with_differences(name):
    made, u, rng = cell(name), drive(6, lead=(3,)), np.random.default_rng(2)
    x0 = rng.standard_normal((3, made.dim))
    found, plain = (made.forward(u, x0, backend=backend) for backend in ("cpu", "reference"))
    np.testing.assert_allclose(found.outputs, plain.outputs, atol=1e-13)
    np.testing.assert_allclose(found.states, plain.states, atol=1e-13)
    w = rng.standard_normal(found.outputs.shape)
    grads = made.backward(u, w, x0)
    assert worst(grads, made.backward(u, w, x0, backend="reference")) < 1e-12
    h = 1e-6

    def slope(change):
        return (change(h) - change(-h)) / (2 * h)

    def loss(net, inputs, start):
        return float(np.sum(w * net.forward(inputs, start).outputs))

    for key, value in made.parameters.items():
        d = rng.standard_normal(np.shape(value))
        by = slope(lambda s, key=key, value=value, d=d: loss(made.with_parameters(**{key: value + s * d}), u, x0))
        assert by == pytest.approx(np.sum(d * grads.parameters[key]), rel=1e-6, abs=1e-7), key
    d, e = rng.standard_normal(u.shape), rng.standard_normal(x0.shape)
    assert slope(lambda s: loss(made, u + s * d, x0)) == pytest.approx(np.sum(d * grads.drive), rel=1e-6, abs=1e-7)
    assert slope(lambda s: loss(made, u, x0 + s * e)) == pytest.approx(np.sum(e * grads.x0), rel=1e-6, abs=1e-7)


def test_states_are_those_of_the_system():
    made, u = cell("lstm_stack"), drive(5)
    x, states = made.x0, []
    for step in u:
        x = made.rule(x, u=step)
        states.append(x)
    found = made.forward(u)
    np.testing.assert_allclose(found.states, states, atol=1e-13)
    top = np.array(states)[:, 6:9]
    expected = top @ made.parameters["readout.weight"] + made.parameters["readout.bias"]
    np.testing.assert_allclose(found.outputs, expected, atol=1e-13)


def test_many_cells_at_once():
    """Three cells on two drives: results with all batch axes, gradients of each cell summed over the drives."""
    made, u = cell("lstm_stack", seed=[0, 1, 2]), drive(4, lead=(2, 1))
    w = np.random.default_rng(3).standard_normal((2, 3, 4, 2))
    found, grads = made.forward(u), made.backward(u, w)
    assert found.outputs.shape == (2, 3, 4, 2) and grads.drive.shape == (2, 3, 4, 2)
    for i in range(3):
        own = {key: _member(value, made.shapes[key], i) for key, value in made.parameters.items()}
        one = made.with_parameters(**own)
        alone = one.backward(u[:, 0], w[:, i], made.x0[i])
        np.testing.assert_allclose(one.forward(u[:, 0], made.x0[i]).outputs, found.outputs[:, i], atol=1e-14)
        np.testing.assert_allclose(alone.drive, grads.drive[:, i], atol=1e-13)
        np.testing.assert_allclose(alone.parameters["1.hidden"], grads.parameters["1.hidden"][i], atol=1e-13)
        np.testing.assert_allclose(alone.parameters["0.input"], grads.parameters["0.input"][i], atol=1e-13)
    shared = made.backward(u, w, backend="reference")
    assert worst(grads, shared) < 1e-12
    np.testing.assert_array_equal(made.backward(u, w, threads=1).parameters["0.hidden"], grads.parameters["0.hidden"])


def _member(value, own, i):
    return value[i] if np.ndim(value) > len(own) else value


@pytest.mark.parametrize("name", ["rnn", "lstm_stack", "gru"])
def test_against_torch(name):
    """Weights as torch has them, (out, in); its two biases are one here but for the gated unit."""
    torch = pytest.importorskip("torch")
    H, layers = 3, 2
    make = {"rnn": torch.nn.RNN, "lstm_stack": torch.nn.LSTM, "gru": torch.nn.GRU}[name]
    torch.manual_seed(0)
    theirs = make(2, H, layers, batch_first=True).double()
    kind = {"rnn": networks.rnn, "lstm_stack": networks.lstm, "gru": networks.gru}[name]
    new = {}
    for layer in range(layers):
        Wx, Wh, bx, bh = (p.detach().numpy() for p in theirs._flat_weights[4 * layer : 4 * layer + 4])
        new |= {f"{layer}.input": Wx.T, f"{layer}.hidden": Wh.T}
        new |= {f"{layer}.bias": bx, f"{layer}.hidden_bias": bh} if name == "gru" else {f"{layer}.bias": bx + bh}
    ours = kind(2, H, layers).with_parameters(**new)
    u, w = drive(5, lead=(4,)), np.random.default_rng(1).standard_normal((4, 5, H))
    given = torch.tensor(u, requires_grad=True)
    outputs = theirs(given)[0]
    outputs.backward(torch.tensor(w))
    start = np.zeros(ours.dim)
    np.testing.assert_allclose(ours.forward(u, start).outputs, outputs.detach().numpy(), atol=1e-13)
    grads = ours.backward(u, w, start)
    np.testing.assert_allclose(grads.drive, given.grad.numpy(), atol=1e-13)
    for layer in range(layers):
        Wx, Wh, bx, bh = (p.grad.numpy() for p in theirs._flat_weights[4 * layer : 4 * layer + 4])
        np.testing.assert_allclose(grads.parameters[f"{layer}.input"], Wx.T, atol=1e-12)
        np.testing.assert_allclose(grads.parameters[f"{layer}.hidden"], Wh.T, atol=1e-12)
        np.testing.assert_allclose(grads.parameters[f"{layer}.bias"], bx, atol=1e-12)
        if name == "gru":
            np.testing.assert_allclose(grads.parameters[f"{layer}.hidden_bias"], bh, atol=1e-12)


def test_wrong_sequences():
    made = cell("lstm_stack")
    for wrong in (drive(4, 3), drive(0), drive(4)[0]):
        with pytest.raises(fl.InputError, match=r"`drive` must have shape \(..., T, 2\)"):
            made.forward(wrong)
    with pytest.raises(fl.InputError, match=r"`cotangent` must have the outputs' shape \(..., 4, 2\)"):
        made.backward(drive(4), np.ones((4, 3)))
    with pytest.raises(fl.InputError, match="`cotangent` must have the outputs' shape"):
        made.backward(drive(4), np.ones((5, 4, 2)))
    for autonomous in (made.closed_loop(), networks.random_rnn(4)):
        with pytest.raises(fl.InputError, match="run cells along a drive"):
            autonomous.forward(drive(4))
