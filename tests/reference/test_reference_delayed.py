"""Delay systems on the plain path: the rule on dual numbers, the interpolation, the step and its tangent."""

import numpy as np
import pytest

from fastlyap import systems
from fastlyap.reference.delayed import Past, field, interpolate, step
from fastlyap.reference.dynamics import Dynamics


def dynamics_of(system, tau, slope=None, dt=0.1):
    shapes = tuple(np.shape(value) for value in system.parameters.values())
    tau = np.asarray(tau, dtype=float)[:, None]
    past = Past(tau, False, np.zeros((len(tau), system.dim)) if slope is None else slope)
    return Dynamics(
        system.function, np.tile(system.flat_parameters, (len(tau), 1)), tuple(system.parameters), shapes,
        system.state_names, "rk4", dt, past=past,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["mackey_glass", "delayed_rosslers"])
def test_rule_and_jacobian_are_those_recorded(name):
    system = getattr(systems, name)()
    n, rng = system.dim, np.random.default_rng(0)
    x = np.tile(system.x0, 2) + 0.1 * rng.uniform(-1, 1, size=(4, 2 * n))
    vectors = np.broadcast_to(np.eye(2 * n), (4, 2 * n, 2 * n))
    Z = np.concatenate([x[:, None], vectors], axis=1)
    found = field(dynamics_of(system, np.full(4, 1.0)), 0.4, Z[..., :n], [Z[..., n:]])
    np.testing.assert_allclose(found[:, 0], system.rule(x, 0.4), rtol=1e-12)
    np.testing.assert_allclose(found[:, 1:].swapaxes(1, 2), system.jacobian(x, 0.4), rtol=1e-12, atol=1e-12)


def test_interpolation_is_exact_for_cubics():
    h, coefficients = 0.2, np.array([1.0, -2.0, 0.5, 0.3])
    polynomial = np.polynomial.Polynomial(coefficients)
    times = -h * np.arange(6)
    nodes = np.stack([polynomial(times), h * polynomial.deriv()(times)], axis=1)[None, None, :, :, None]
    for ago in (0.0, 0.3, 1.0, 2.5, 4.99, 5.0):
        found = interpolate(nodes, np.array([ago]), 99, np.zeros((1, 1)))
        np.testing.assert_allclose(found[0, 0, 0], polynomial(-ago * h), rtol=1e-13)


def test_the_given_history_ends_with_its_own_slope():
    nodes = np.zeros((1, 2, 4, 2, 1))
    nodes[0, :, 1] = 7.0  # what the ring holds where the run began, one step ago
    found = interpolate(nodes, np.array([1.5]), 1, np.array([[-3.0]]))
    x, slope = 7.0 / 2, -0.125 * -3.0
    np.testing.assert_allclose(found[0, :, 0], [x + slope, x])


@pytest.mark.parametrize("number", [0, 3, 30])
def test_tangent_of_a_step(number):
    """Against central differences, by every stored number, for delays of which one is a whole number of steps."""
    system, rng = systems.mackey_glass(), np.random.default_rng(2)
    dynamics = dynamics_of(system, [0.4, 0.57], slope=np.array([[0.01], [0.02]]))
    size = 1 + 2 * int(dynamics.past.slots(0.1).max())
    E = 0.8 + 0.1 * rng.standard_normal((2, size))
    frame = np.broadcast_to(np.eye(size), (2, size, size))
    made = step(dynamics, number * 0.1, np.concatenate([E[:, None], frame], axis=1))[:, 1:]
    for i, unit in enumerate(np.eye(size)):
        sides = [step(dynamics, number * 0.1, (E + s * unit)[:, None])[:, 0] for s in (1e-5, -1e-5)]
        kept = dynamics.past.slots(0.1)[:, None] * 2 >= np.arange(size)  # vectors hold no more than their history
        wanted = np.where(kept, (sides[0] - sides[1]) / 2e-5, 0.0)
        np.testing.assert_allclose(np.where(kept, made[:, i], 0.0), wanted, atol=1e-9)
