"""Digits learnt by a small perceptron: gradients are right enough to train with, whatever the rule of descent."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.networks import mlp

pytestmark = pytest.mark.compiled
sklearn_datasets = pytest.importorskip("sklearn.datasets")
BATCH, EPOCHS = 32, 30


def digits():
    """1400 of the 1797 pictures to learn from and the rest, pixels in [0, 1]."""
    x, labels = sklearn_datasets.load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))
    return x[order[:1400]] / 16, labels[order[:1400]], x[order[1400:]] / 16, labels[order[1400:]]


def plain(g, memory, count):
    return 0.5 * g


def momentum(g, memory, count):
    memory[0] = 0.9 * memory[0] + 0.1 * g
    return 0.5 * memory[0]


def adam(g, memory, count):
    """Kingma & Ba (2015)."""
    memory[0], memory[1] = 0.9 * memory[0] + 0.1 * g, 0.999 * memory[1] + 0.001 * g**2
    return 3e-3 * (memory[0] / (1 - 0.9**count)) / (np.sqrt(memory[1] / (1 - 0.999**count)) + 1e-8)


@pytest.mark.parametrize("rule", [plain, momentum, adam])
def test_accuracy(rule):
    """64-50-10 with sigmoids, Xavier's weights, 30 epochs: 0.980 +- 0.003 over five seeds in another program."""
    x, labels, x_test, labels_test = digits()
    net, rng, count = mlp((64, 50, 10), "sigmoid", seed=0), np.random.default_rng(1), 0
    memory = {name: [np.zeros_like(value), np.zeros_like(value)] for name, value in net.parameters.items()}
    for _ in range(EPOCHS):
        for part in np.array_split(rng.permutation(len(x)), len(x) // BATCH):
            count += 1
            found = net.loss_gradient(x[part], fl.loss.cross_entropy(labels[part])).parameters
            moved = {name: net.parameters[name] - rule(g, memory[name], count) for name, g in found.items()}
            net = net.with_parameters(**moved)
    assert np.mean(net.forward(x_test).argmax(axis=1) == labels_test) >= 0.97


def test_gradients_are_those_of_torch():
    torch = pytest.importorskip("torch")
    x, labels, *_ = digits()
    net = mlp((64, 50, 10), "sigmoid", seed=0)
    found = net.loss_gradient(x[:BATCH], fl.loss.cross_entropy(labels[:BATCH])).parameters
    weights = {name: torch.tensor(value, requires_grad=True) for name, value in net.parameters.items()}
    h = torch.sigmoid(torch.tensor(x[:BATCH]) @ weights["0.weight"] + weights["0.bias"])
    y = h @ weights["2.weight"] + weights["2.bias"]
    torch.nn.functional.cross_entropy(y, torch.tensor(labels[:BATCH])).backward()
    for name, value in weights.items():
        np.testing.assert_allclose(found[name], value.grad.numpy(), rtol=1e-12, atol=1e-15)
