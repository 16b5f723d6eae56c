"""Ridges of sensitivity on the decision boundary of trained networks (Storm et al., PRL 132, 057301)."""

import numpy as np
import pytest

import fastlyap as fl

pytestmark = pytest.mark.compiled
RADIUS = np.sqrt(3.0) * np.sqrt(2.0 / np.pi)  # of a circle with half the area of the square |x| < sqrt(3)
ANGLE = np.linspace(0.0, 2.0 * np.pi, 200, endpoint=False)
OUTWARD = np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=-1)


def ring(radius):
    return radius * OUTWARD


def trained(count, epochs, batch, rate, seed):
    """Ten units in each of four hidden layers, plain gradient descent on squared errors, until 99 % are right.

    From epoch to epoch the share of right answers goes up and down between 0.95 and 0.99, at this rate, here and in the
    published program alike. Where 99 % are not met in time, the best epoch is kept, not the last.
    """
    x = np.sqrt(3.0) * np.random.default_rng(0).uniform(-1.0, 1.0, (count + count // 9, 2))
    targets = np.where(np.hypot(*x.T) <= RADIUS, -1.0, 1.0)[:, None]
    check, truth, rng, best = x[count:], targets[count:], np.random.default_rng(seed), (None, 0.0)
    net = fl.networks.mlp((2, 10, 10, 10, 10, 1), output_activation="tanh", init="lecun", seed=seed)
    for epoch in range(1, epochs + 1):
        for part in rng.permutation(count)[: count // batch * batch].reshape(-1, batch):
            step = net.loss_gradient(x[part], fl.loss.mse(targets[part]))
            net = net.with_parameters(**{name: net.parameters[name] - rate * g for name, g in step.parameters.items()})
        right = np.mean(np.sign(net.forward(check)) == truth)
        best = max(best, (net, right), key=lambda pair: pair[1])
        if right >= 0.99 and epoch >= 8:
            return net, right
    return best


def check_ridge(net):
    """Growth over all hidden layers on the border and inside, directions across the border, where the largest lie."""
    border = fl.finite_time(net, ring(RADIUS))
    centre = fl.finite_time(net, np.random.default_rng(1).uniform(-0.3, 0.3, (200, 2)))
    outside = fl.finite_time(net, ring(1.65)).log_singular_values[:, 0].mean()
    high, low = border.log_singular_values[:, 0].mean(), centre.log_singular_values[:, 0].mean()
    assert high - low > 3.0 and high > outside > low
    across = np.abs(np.sum(border.right[:, 0] * OUTWARD, axis=-1))
    assert across.mean() > 0.98
    axis = np.linspace(-1.7, 1.7, 60)
    inputs = np.stack(np.meshgrid(axis, axis), axis=-1)
    field = fl.finite_time(net, inputs).exponents[..., 0]
    top = inputs[field >= np.quantile(field, 0.95)]
    return high, low, outside, across.mean(), np.abs(np.hypot(*top.T) - RADIUS).mean()


def test_one_network():
    net, right = trained(10_000, 10, 50, 0.1, 0)
    *_, distance = check_ridge(net)
    assert right > 0.95 and distance < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(7))
def test_seven_networks(seed):
    """As many samples and updates as in the published runs; learning rate 0.05 for (y - t)^2, not half of that."""
    net, right = trained(36_000, 25, 64, 0.1, seed)
    high, low, outside, across, distance = check_ridge(net)
    assert right >= 0.981 and across >= 0.99 and distance < 0.05
    assert 2.2 < high < 3.3 and -3.5 < low < -0.8 and 0.3 < outside < 1.4  # seven nets: 2.5-2.9, -3.0--1.2, 0.5-1.1
