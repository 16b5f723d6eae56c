"""Rows 7 and 8 of the cases that gradients are held to: a noisy tanh network, 9 wide, shallow and deep.

x' = J tanh x + c + s b, J Gaussian numbers of a seed, Phi the sum of the outputs. Where it is shallow backpropagation
is exact and precise, and the kernel methods must agree with it within their errors, which must be honest. Where it is
deep its covectors grow, and the two kernel methods must agree with each other.
"""

import numpy as np
import pytest
from scipy import stats

import fastlyap as fl
from fastlyap.networks import Activation, Dense, Residual, Sequential

WIDTH, SIGMA, X = 9, 0.5, np.random.default_rng(1).standard_normal((1, 9))
TOTAL = fl.loss.terminal(lambda y: fl.math.sum(y[i] for i in range(WIDTH)))
METHODS = fl.Backprop(), fl.KernelDifferentiation(), fl.PathKernel()


def chain(layers, seed=6):
    """`layers` times J tanh x + c, with noise; as blocks, so that the noise comes before the next tanh."""
    block = Residual([Activation("tanh"), Dense(WIDTH, WIDTH, bias=0.3)], alpha=0.0)
    net = Sequential([block] * layers, input_shape=WIDTH)
    J = np.random.default_rng(seed).standard_normal((WIDTH, WIDTH))
    return net.with_parameters(**{name: J for name in net.parameters if "weight" in name}).with_noise(SIGMA)


def differences(layers, seeds, members):
    """z of the kernel methods against backpropagation, of the first layer's first c, (2, seeds)."""
    net, found = chain(layers), []
    for seed in range(seeds):
        runs = [fl.gradient(net, TOTAL, "0.1.bias", X, method=method, members=members, seed=3 * seed + i)
                for i, method in enumerate(METHODS)]  # fmt: skip
        exact, *others = [(run.gradient["0.1.bias"][0], run.stderr["0.1.bias"][0]) for run in runs]
        found.append([(value - exact[0]) / np.hypot(error, exact[1]) for value, error in others])
    return np.array(found).T


@pytest.mark.compiled
def test_kernel_methods_agree_with_backprop_where_it_is_shallow():
    """Eight seeds, 3000 members: means of z and sums of squares within their 99.9 % ranges."""
    for z in differences(3, 8, 3000):
        assert abs(z.mean()) < stats.norm.ppf(0.9995) / np.sqrt(8)
        assert stats.chi2.ppf(0.0005, 8) < np.sum(z**2) < stats.chi2.ppf(0.9995, 8)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.parametrize("layers", [2, 3, 4])
def test_errors_are_honest_over_fifty_seeds(layers):
    for z in differences(layers, 50, 100_000):
        assert abs(z.mean()) < 0.47
        assert 23 < np.sum(z**2) < 90


def test_one_layer_is_exact():
    """Of the identity behind c the derivative is 1: for backpropagation exactly, for scores within the error."""
    net = chain(1)
    back, kernel, hybrid = (fl.gradient(net, TOTAL, "0.1.bias", X, method=m, members=400, seed=2) for m in METHODS)
    np.testing.assert_allclose(back.gradient["0.1.bias"], 1.0, rtol=1e-14)
    np.testing.assert_allclose(hybrid.gradient["0.1.bias"], 1.0, rtol=1e-14)  # nothing can grow: a share of 0
    assert back.status == kernel.status == hybrid.status == 0
    z = (kernel.gradient["0.1.bias"] - 1.0) / kernel.stderr["0.1.bias"]
    assert np.all(np.abs(z) < stats.t.isf(0.0027 / 2 / WIDTH, 399))


def deep(layers, members, seed=11):
    """Every member's derivative by one c for all units and layers, of all methods; and the results."""
    net = chain(layers)
    wrt = [name for name in net.parameters if "bias" in name]
    runs = [fl.gradient(net, TOTAL, wrt, X, method=method, members=members, seed=seed + i, keep_members=True)
            for i, method in enumerate(METHODS)]  # fmt: skip
    return runs, [sum(values.sum(axis=-1) for values in run.members.values()) for run in runs]


def difference(a, b):
    """That of the means of two methods' members, in units of its error."""
    return (a.mean() - b.mean()) / np.hypot(a.std() / np.sqrt(len(a)), b.std() / np.sqrt(len(b)))


@pytest.mark.compiled
def test_where_it_is_deep_backprop_is_refused_and_the_others_agree():
    runs, (back, kernel, hybrid) = deep(50, 1000)
    assert np.median(np.abs(back)) > 10 * np.median(np.abs(deep(5, 200)[1][0]))
    assert runs[0].status == fl.Status.UNTRUSTED and "heavy-tailed" in runs[0].message()
    assert runs[1].status == runs[2].status == 0 and 0 < runs[2].stats["beta"] < 1
    assert abs(difference(kernel, hybrid)) < stats.t.isf(0.0027 / 2, 999) and hybrid.std() < kernel.std()
    assert back.std() > 100 * kernel.std()


@pytest.mark.slow
@pytest.mark.compiled
def test_growth_of_backprop_and_agreement_of_the_others_to_a_hundred_layers():
    """Eight seeds at each depth, 5000 members each: differences within the 99.9 % ranges of eight normals."""
    sizes = []
    for layers in (5, 20, 50, 100):
        found = [deep(layers, 5000, seed) for seed in range(0, 80, 10)]
        z = np.array([difference(kernel, hybrid) for _, (_, kernel, hybrid) in found])
        assert abs(z.mean()) < stats.norm.ppf(0.9995) / np.sqrt(8), (layers, z)
        assert stats.chi2.ppf(0.0005, 8) < np.sum(z**2) < stats.chi2.ppf(0.9995, 8), (layers, z)
        for runs, (_, kernel, hybrid) in found:
            assert max(stats.kurtosis(kernel), stats.kurtosis(hybrid)) < 30, layers
            assert layers == 5 or runs[0].status == fl.Status.UNTRUSTED
        sizes.append(np.median([np.median(np.abs(back)) for _, (back, _, _) in found]))
    assert sizes[1] > 2 * sizes[0] and sizes[2] > 20 * sizes[0] and sizes[3] > 500 * sizes[0]
