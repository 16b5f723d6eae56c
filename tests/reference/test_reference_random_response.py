"""Kernel differentiation and the path-kernel of the reference: identities, and values by quadrature and operator."""

import numpy as np
import pytest
import responses

from fastlyap.reference.sensitivity import backprop, finite_difference, kernel, path_kernel
from fastlyap.reference.sensitivity.orbit import orbit

MEMBERS = 4000


def close(found, exact, most=4.5):
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert np.all(np.abs(found.mean(axis=0) - exact) < most * error), (found.mean(axis=0), exact, error)


def squeezed(members, seed, steps=3):
    random = np.random.default_rng(seed)
    noise = responses.table(random, steps, members, 1, responses.squeezed_size, additive=False)
    dynamics = responses.dynamics(responses.squeezed, members, noise, gamma=0.3, theta=1.0)
    return orbit(dynamics, (0, 1), lambda x, p: x[0] * x[0], np.full((members, 1), 0.2), steps=steps)


def layers(members, seed, steps, directions=None, size=0.5):
    random = np.random.default_rng(seed)
    noise = responses.table(random, steps, members, 9, lambda t, x, p: [size], directions)
    dynamics = responses.dynamics(responses.net, members, noise, g=0.3, first=np.zeros(9))
    start = np.random.default_rng(5).standard_normal((members, 9))
    return orbit(dynamics, tuple(range(10)), lambda x, p: sum(x[i] for i in range(9)), start, steps=steps)


@pytest.mark.parametrize("make", [squeezed, lambda m, s: layers(m, s, 4)])
def test_no_kernel_is_backpropagation(make):
    made = make(50, 1)
    np.testing.assert_allclose(path_kernel.terminal(made, 0.0)[0], backprop.terminal(made)[0], rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("seed", range(3))
def test_nothing_but_the_kernel_is_kernel_differentiation(seed):
    made = layers(50, seed, 4)
    np.testing.assert_allclose(path_kernel.terminal(made, 1.0)[0], kernel.terminal(made), rtol=1e-10, atol=1e-11)
    made = squeezed(50, seed)
    found, scores = path_kernel.terminal(made, 1.0)[0][:, 0], kernel.terminal(made)[:, 0]
    np.testing.assert_allclose(found, scores, rtol=1e-10, atol=1e-11)


@pytest.mark.parametrize("beta", [0.0, 0.3, 1.0, "schedule"])
@pytest.mark.parametrize("make", [squeezed, lambda m, s: layers(m, s, 3)])
def test_tangent_and_adjoint_forms_agree_for_every_member(make, beta):
    made = make(40, 3)
    beta = np.array([0.9, 0.5, 0.0]) if beta == "schedule" else beta
    adjoint, tangent = path_kernel.terminal(made, beta)[0], path_kernel.tangent(made, beta)
    np.testing.assert_allclose(adjoint, tangent, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("beta", [0.0, 0.5, 1.0])
def test_noise_that_depends_on_the_state(beta):
    close(path_kernel.terminal(squeezed(100_000, 7), beta)[0], responses.SQUEEZED)


def test_the_slope_of_the_noise_cannot_be_left_out():
    made = squeezed(100_000, 8)
    flat = made.noise.size._replace(x=0.0 * made.noise.size.x)
    found = path_kernel.terminal(made._replace(noise=made.noise._replace(size=flat)), 0.0)[0]
    np.testing.assert_allclose(found.mean(axis=0), [2.83, 0.159], atol=0.02)


@pytest.mark.parametrize("gamma", responses.TENT)
def test_kernel_differentiation_of_the_noisy_tent_map(gamma):
    random = np.random.default_rng(round(10 * gamma))
    members, steps = 1000, 600
    noise = responses.table(random, steps + 30, members, 1, lambda t, x, p: [0.1])
    dynamics = responses.dynamics(responses.tent, members, noise, gamma=gamma)
    start = random.random((members, 1))
    made = orbit(dynamics, (0,), responses.position, start, steps=steps, transient=30)
    found = kernel.average(made, 6)
    close(found, responses.TENT[gamma])
    np.testing.assert_allclose(path_kernel.average(made, 1.0, 6), found, rtol=1e-9, atol=1e-12)


def test_kernel_of_some_directions_keeps_the_rest_on_the_path():
    """Unbiased for perturbations that leave the span of the noise, whatever share goes to the kernel."""
    V = np.linalg.qr(np.random.default_rng(1).standard_normal((9, 3)))[0]
    found = [path_kernel.terminal(layers(MEMBERS, 20 + i, 2, V), beta)[0] for i, beta in enumerate((0.0, 0.5, 1.0))]
    for other in found[1:]:
        error = np.sqrt((found[0].var(axis=0) + other.var(axis=0)) / MEMBERS)
        assert np.all(np.abs(found[0].mean(axis=0) - other.mean(axis=0)) < 4.5 * error)


@pytest.mark.parametrize("steps", [1, 4, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3))])
def test_backprop_kernel_and_path_kernel_agree_on_a_noisy_net(steps):
    exact = backprop.terminal(layers(MEMBERS, 40 + steps, steps))[0]
    for seed, beta in ((50 + steps, 1.0), (60 + steps, 0.4)):
        found = path_kernel.terminal(layers(MEMBERS, seed, steps), beta)[0]
        error = np.sqrt((found.var(axis=0) + exact.var(axis=0)) / MEMBERS)
        z = (found.mean(axis=0) - exact.mean(axis=0)) / error
        assert np.all(np.abs(z) < 4.5), z


def test_backprop_of_an_average_is_its_difference_quotient():
    dynamics = responses.dynamics(responses.squeezed, 1, gamma=0.3, theta=1.0)

    def square(x, p):
        return p.theta * x[0] * x[0]

    start = np.array([[0.2]])
    made = orbit(dynamics, (0, 1), square, start, steps=20)
    found = backprop.average(made)[0]
    for column in range(2):
        quotient = finite_difference.central(dynamics, column, 1e-5, square, start, steps=20)
        np.testing.assert_allclose(found[:, column], quotient, rtol=1e-6)
    np.testing.assert_allclose(backprop.average(made, window=20)[0], found, rtol=1e-12)
    assert np.abs(backprop.average(made, window=1)[0] - found).max() > 1e-3 * np.abs(found).max()
