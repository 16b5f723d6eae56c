"""Steps of the reference: orders of convergence, exact tangents, and the step control of dopri5."""

from dataclasses import replace

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap.reference.dopri5 import error_norm, factor
from fastlyap.reference.dynamics import Dynamics, stack, with_identity
from fastlyap.reference.orbit import orbit
from fastlyap.reference.step import step, step_jacobian, step_with_tangent
from fastlyap.reference.tableau import DOPRI5, TABLEAUS, explicit_step

ALWAYS = {"rtol": 1e12, "atol": 1e12}  # every inner step is accepted: dopri5 with the fixed step dt
ORDER = {"euler": 1, "rk4": 4, "dopri5": 5}


def pendulum(t, x, p):
    return x.v, -fm.sin(x.q) - p.drag * x.v + fm.cos(t)


def lorenz(t, x, p):
    return 10.0 * (x[1] - x[0]), x[0] * (p.rho - x[2]) - x[1], x[0] * x[1] - 8 / 3 * x[2]


def driven(integrator, dt, members=1, **options):
    p = np.full((members, 1), 0.1)
    return Dynamics(pendulum, p, ("drag",), ((),), ("q", "v"), integrator, dt, 0.3, **options)


def lorenz63(integrator, dt, members=1, **options):
    return Dynamics(lorenz, np.full((members, 1), 28.0), ("rho",), ((),), (), integrator, dt, **options)


def flow_map(dynamics, n_steps):
    """State and Jacobian, (1 + n, n), after so many steps from (0.5, 0.2)."""
    Z = with_identity(np.array([[0.5, 0.2]]))
    proposal = np.zeros(1)
    for i in range(n_steps):
        Z, proposal, failed, _ = step(dynamics, dynamics.t0 + i * dynamics.dt, Z, proposal)
        assert not failed.any()
    return Z[0]


@pytest.fixture(scope="module")
def exact():
    return flow_map(driven("dopri5", 0.01, **ALWAYS), 200)


@pytest.mark.parametrize("integrator", ORDER)
def test_state_and_tangent_converge_with_the_order_of_the_method(integrator, exact):
    counts = (40, 80) if integrator == "euler" else (10, 20)
    errors = [np.abs(flow_map(driven(integrator, 2.0 / m, **ALWAYS), m) - exact) for m in counts]
    orders = np.log2(np.stack([(e[0].max(), e[1:].max()) for e in errors]))
    found = orders[0] - orders[1]
    assert np.all(found > ORDER[integrator] - 0.3) and np.all(found < ORDER[integrator] + 1.0), found


@pytest.mark.parametrize("integrator", ORDER)
def test_tableau_satisfies_the_order_conditions_of_a_linear_equation(integrator):
    method = TABLEAUS[integrator]
    assert sum(method.b) == pytest.approx(1, abs=1e-15)
    for a, c in zip(method.a, method.c, strict=True):
        assert sum(a) == pytest.approx(c, abs=1e-14)
    for power in range(1, ORDER[integrator]):
        moment = sum(b * c**power for b, c in zip(method.b, method.c, strict=True))
        assert moment == pytest.approx(1 / (power + 1), abs=1e-15)


def test_embedded_error_falls_with_the_fifth_power_of_the_step():
    sizes = np.array([0.2, 0.1, 0.05])
    dynamics = driven("dopri5", 1.0, 3, rtol=1e-30, atol=1.0)
    Z = np.tile([[[0.5, 0.2]]], (3, 1, 1))
    made = explicit_step(dynamics.field, np.zeros(3), Z, sizes, DOPRI5)
    error = error_norm(dynamics, made, Z[:, 0], sizes)
    assert np.all(np.abs(np.log2(error[:-1] / error[1:]) - 5) < 0.4)


@pytest.mark.parametrize("integrator", ["map", "euler", "rk4", "dopri5"])
def test_tangent_is_the_derivative_of_the_discrete_step(integrator):
    dynamics = lorenz63(integrator, 0.02, 2, rtol=1e-3, atol=1e-3)
    x = np.array([[1.0, 2.0, 20.0], [-5.0, -7.0, 30.0]])
    J = step_jacobian(dynamics, 0.0, x, np.zeros(2))
    V = np.random.default_rng(0).normal(size=(2, 2, 3))
    new, W = step_with_tangent(dynamics, 0.0, x, V)
    np.testing.assert_allclose(W, V @ J.swapaxes(1, 2), rtol=1e-12, atol=1e-12)
    h = 1e-5
    for j, e in enumerate(np.eye(3)):
        ahead, behind = (step_with_tangent(dynamics, 0.0, x + s * h * e, V)[0] for s in (1, -1))
        np.testing.assert_allclose((ahead - behind) / (2 * h), J[:, :, j], rtol=1e-6, atol=1e-7)


def test_flow_direction_is_carried_with_order_five_per_step():
    defects = []
    for dt in (0.02, 0.01, 0.005):
        dynamics = lorenz63("rk4", dt)
        x = np.array([[5.0, 8.0, 17.0]])
        f = dynamics.field(0.0, x[:, None])
        new, carried = step_with_tangent(dynamics, 0.0, x, f)
        defects.append(np.abs(carried - dynamics.field(0.0, new[:, None])).max())
    orders = np.log2(np.array(defects[:-1]) / defects[1:])
    assert np.all(orders > 4.7), orders


def test_divergence_of_a_step_is_its_log_determinant_up_to_discretisation():
    x = np.array([[0.5, 0.2]])
    for integrator, tolerance in (("rk4", 1e-7), ("dopri5", 1e-9)):
        made = step(driven(integrator, 0.1), 0.3, with_identity(x), np.zeros(1), divergence=True)
        assert made.divergence[0] == pytest.approx(-0.1 * 0.1, abs=1e-14)
        assert np.linalg.slogdet(made.Z[:, 1:])[1][0] == pytest.approx(-0.1 * 0.1, abs=tolerance)


def test_dopri5_keeps_the_tolerance_for_each_member_on_its_own():
    x = np.array([[1.0, 1.0, 25.0], [10.0, -20.0, 60.0], [0.1, 0.0, 0.0]])
    fine = orbit(lorenz63("rk4", 0.001, 3), x, steps=500, every=500).state[:, 0]
    dynamics = lorenz63("dopri5", 0.1, 3, rtol=1e-8, atol=1e-10)
    found = orbit(dynamics, x, steps=5, every=5)
    np.testing.assert_allclose(found.state[:, 0], fine, rtol=2e-6)
    assert np.all(found.status == 0)
    for e in range(3):
        one = replace(dynamics, p=dynamics.p[:1])
        assert np.array_equal(orbit(one, x[e : e + 1], steps=5, every=5).state[0], found.state[e])


def test_dopri5_factor_is_that_of_the_documented_controller():
    with np.errstate(divide="ignore"):
        found = factor(np.array([0.0, 1e-9, 1.0, 32.0, 1e9, np.inf, np.nan]))
    np.testing.assert_allclose(found, [5.0, 5.0, 0.9, 0.45, 0.2, 0.2, 0.2], rtol=1e-14)


def test_dopri5_proposal_grows_past_the_interval_and_a_cut_step_does_not_lower_it():
    dynamics = driven("dopri5", 0.01, rtol=1e-3, atol=1e-3)
    Z, proposal, sizes = np.array([[[0.5, 0.2]]]), np.zeros(1), []
    for i in range(6):
        Z, proposal, _, _ = step(dynamics, 0.01 * i, Z, proposal)
        sizes.append(proposal[0])
    np.testing.assert_allclose(sizes, 0.05)  # 5 * 0.01 once; later steps are cut to 0.01 and wish no more


def test_dopri5_covers_an_interval_of_negative_length():
    ahead, behind = (driven("dopri5", dt, rtol=1e-10, atol=1e-12) for dt in (0.2, -0.2))
    start = with_identity(np.array([[0.5, 0.2]]))
    there = step(ahead, 0.3, start, np.zeros(1)).Z
    back = step(behind, 0.5, there, np.zeros(1)).Z
    np.testing.assert_allclose(back, start, atol=1e-9)


def test_dopri5_gives_up_on_one_member_alone():
    dynamics = Dynamics(lambda t, x, p: (x[0] * x[0],), np.zeros((3, 0)), integrator="dopri5", dt=1.0, rtol=1e-6)
    x = np.array([[0.5], [3.0], [np.nan]])  # the second is infinite at t = 1/3
    made = step(dynamics, 0.0, stack(x, np.ones((3, 1, 1))), np.zeros(3))
    assert made.failed.tolist() == [False, True, True]
    np.testing.assert_allclose(made.Z[0], [[1.0], [4.0]], rtol=1e-5)  # x / (1 - x t), 1 / (1 - x t)^2
    assert np.isfinite(made.Z[1]).all()


def test_orbit_keeps_every_so_many_states_and_ends_members_that_escape():
    p = np.array([[0.5], [2.0]])
    dynamics = Dynamics(lambda t, x, p: (p.a * x.u + 0.0 * t,), p, ("a",), ((),), ("u",))
    found = orbit(dynamics, np.ones((2, 1)), steps=9, transient=1, every=2, radius=100.0)
    assert found.times.tolist() == [3, 5, 7, 9]
    np.testing.assert_array_equal(found.state[0, :, 0], 0.5**found.times)
    np.testing.assert_array_equal(found.state[1, :, 0], [8, 32, np.nan, np.nan])
    assert found.status.tolist() == [0, 5] and found.failed_step.tolist() == [-1, 7]
