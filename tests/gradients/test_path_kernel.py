"""The path-kernel and its two ends: backpropagation at beta = 0, kernel differentiation at beta = 1."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlyap as fl
from fastlyap.products import matrix
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.evaluate import evaluate

MEMBERS = 8
DIRECTIONS = np.array([[1.0, 0.2], [0.0, 1.0], [0.5, -0.5]])


def size(t, x, p):
    return 0.3 + 0.4 * p.theta / (1 + x[0] ** 2), 0.5, 0.2 * p.theta


def rule(t, x, p):
    return (
        fl.math.tanh(1.5 * x[0] + p.w[0] * x[2]) + p.gamma,
        p.w[1] * fl.math.sin(x[0]) + 0.3 * x[1],
        0.7 * x[1] * fl.math.cos(x[2]) + p.gamma * x[0],
    )


GIVEN = dict(state=3, parameters={"gamma": 0.3, "theta": 1.0, "w": np.array([0.4, -0.8])}, x0=(0.2, 0.1, -0.3))
small = fl.iterated_map(**GIVEN, noise=size)(rule)
directed = fl.iterated_map(**GIVEN, noise="theta", noise_directions=DIRECTIONS)(rule)


def final(x, p):
    return x[0] ** 2 + p.gamma * x[1] * x[2]


def gradients(system, method, *, steps=5, seed=0):
    """Every member's gradient, (members, parameters)."""
    g = fl.gradient(
        system, fl.terminal(final), steps=steps, transient=0, members=MEMBERS, seed=seed, method=method,
        keep_members=True,
    )  # fmt: skip
    return np.concatenate([v.reshape(MEMBERS, -1) for v in g.members.values()], axis=1)


@given(st.integers(1, 6), st.integers(0, 2**30))
@pytest.mark.parametrize("system", [small, pytest.param(directed, marks=pytest.mark.slow)])
def test_beta_0_is_backpropagation(system, steps, seed):
    a = gradients(system, fl.PathKernel(0.0), steps=steps, seed=seed)
    b = gradients(system, fl.Backprop(), steps=steps, seed=seed)
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@given(st.integers(1, 6), st.integers(0, 2**30))
def test_beta_1_is_kernel_differentiation_of_the_drift(steps, seed):
    a = gradients(small, fl.PathKernel(1.0), steps=steps, seed=seed)
    b = gradients(small, fl.KernelDifferentiation(), steps=steps, seed=seed)
    drift = [0, 2, 3]
    np.testing.assert_allclose(a[:, drift], b[:, drift], rtol=1e-12, atol=1e-13)


def tangent_form(system, beta, steps, seed):
    """The same estimator by tangents, one parameter after another: it shares no line with the adjoint."""
    x0 = np.repeat(system.x0[None], MEMBERS, axis=0)
    after = fl.trajectory(system, x0=x0, steps=steps, seed=seed).state
    x = np.concatenate([x0[:, None], after], axis=1)
    p = system.flat_parameters
    one = fl.terminal(final).recorded(system)
    value = np.array([evaluate(one.outputs, state, p)[0] for state in x[:, -1]])
    gain = value - (value.sum() - value) / (MEMBERS - 1)
    V = np.eye(3) if system.noise_directions is None else system.noise_directions
    sizes = system.noise_recording
    result = np.zeros((MEMBERS, len(p)))
    for e in range(MEMBERS):
        v, weight = np.zeros((3, len(p))), np.zeros(len(p))
        for n in range(steps):
            state = x[e, n]
            s = np.broadcast_to(evaluate(sizes.outputs, state, p), 3)
            b = np.linalg.pinv(s[:, None] * V) @ (x[e, n + 1] - evaluate(system.recording.outputs, state, p))
            z = matrix(system.recording, state, p, 0.0) @ v + matrix(system.recording, state, p, 0.0, "p")
            G = s[:, None] * V
            u = G @ np.linalg.pinv(G) @ (np.eye(3) * beta[n] @ z if np.ndim(beta[n]) == 0 else beta[n] @ z)
            weight += (np.linalg.pinv(G) @ u).T @ b
            by_state, by_parameter = (derivative(sizes, state, p, wrt) for wrt in ("x", "p"))
            v = z - u + (V @ b)[:, None] * (by_state @ v + by_parameter)
        slope = derivative(one, x[e, -1], p, "x")[0], derivative(one, x[e, -1], p, "p")[0]
        result[e] = slope[0] @ v + slope[1] + gain[e] * weight
    return result


def derivative(recording, x, p, wrt):
    """(3 or 1, size) derivatives of a recording; one output stands for all states."""
    found = np.zeros((len(recording.outputs), len(x) if wrt == "x" else len(p)))
    for i, row in enumerate(jacobian_rows(recording.outputs, wrt)):
        for j, node in row.items():
            found[i, j] = evaluate([node], x, p)[0]
    return found


@pytest.mark.parametrize("system", [small, directed])
@pytest.mark.parametrize("beta", [[0.4] * 4, [0.0, 0.2, 0.9, 1.0], [1.0] * 4])
def test_the_tangent_form_gives_the_same_for_every_member(system, beta):
    constant = len(set(beta)) == 1
    found = gradients(system, fl.PathKernel(beta[0] if constant else beta), steps=4, seed=5)
    np.testing.assert_allclose(found, tangent_form(system, beta, 4, 5), rtol=1e-11, atol=1e-12)


MATRIX = np.array([[0.9, -0.3, 0.0], [0.2, 0.4, 1.5], [0.0, 0.0, 0.1]])
PROJECTION = np.outer([2.0, 1.0, -1.0], [2.0, 1.0, -1.0]) / 6.0


@pytest.mark.parametrize("system", [small, directed])
@pytest.mark.parametrize("beta", [[MATRIX] * 4, [PROJECTION, MATRIX, np.zeros((3, 3)), np.eye(3)]])
def test_matrices_give_the_tangent_form_for_every_member(system, beta):
    constant = beta[0] is beta[1]
    found = gradients(system, fl.PathKernel(MATRIX if constant else np.array(beta)), steps=4, seed=5)
    np.testing.assert_allclose(found, tangent_form(system, beta, 4, 5), rtol=1e-11, atol=1e-12)
    again = gradients(system, fl.PathKernel(lambda n: beta[n]), steps=4, seed=5)
    np.testing.assert_array_equal(again, found)


@pytest.mark.parametrize("system", [small, directed])
def test_a_multiple_of_the_unit_matrix_is_a_number(system):
    a, b = (gradients(system, fl.PathKernel(beta)) for beta in (0.3 * np.eye(3), 0.3))
    np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-13)


@pytest.mark.compiled
@pytest.mark.parametrize("beta", [MATRIX, PROJECTION])
def test_matrices_are_unbiased(beta):
    how = dict(steps=3, transient=0, members=60_000)
    truth = fl.gradient(small, fl.terminal(final), seed=1, method=fl.Backprop(), **how)
    g = fl.gradient(small, fl.terminal(final), seed=2, method=fl.PathKernel(beta), **how)
    for name in g.gradient:
        error = np.hypot(g.stderr[name], truth.stderr[name])
        assert np.all(np.abs(g.gradient[name] - truth.gradient[name]) < 4.5 * error) and np.all(error < 0.05), name
    np.testing.assert_array_equal(g.stats["beta"], beta[None])


@pytest.mark.compiled
def test_matrices_of_averages():
    """What they leave of a covector must shrink."""
    mean = fl.average(lambda x, p: x[0] * x[1])
    for beta, grows in ((0.9 * np.eye(3), False), (-2.0 * np.eye(3), True)):
        g = fl.gradient(small, mean, "gamma", steps=60, transient=5, members=2, method=fl.PathKernel(beta, 3))
        assert any("beta" in reason for reason in g.stats["reasons"]) == grows


@pytest.mark.parametrize("beta", [np.eye(2), np.ones((5, 3, 3)), [[1.0, 2.0]], np.full((3, 3), np.nan), [[[[1.0]]]]])
def test_matrices_that_do_not_fit_are_refused(beta):
    with pytest.raises(fl.InputError, match="beta"):
        fl.gradient(small, fl.terminal(final), steps=4, transient=0, method=fl.PathKernel(beta))


def test_a_schedule_may_be_a_function():
    a = gradients(small, fl.PathKernel(lambda n: 0.1 * n), steps=4)
    b = gradients(small, fl.PathKernel([0.0, 0.1, 0.2, 0.1 * 3]), steps=4)
    np.testing.assert_array_equal(a, b)


SHARES = [
    fl.PathKernel(0.0),
    fl.PathKernel(0.5),
    fl.PathKernel(),
    pytest.param(fl.Backprop(), marks=pytest.mark.slow),
    pytest.param(fl.KernelDifferentiation(), marks=pytest.mark.slow),
]


@pytest.mark.compiled
@pytest.mark.parametrize("method", SHARES)
def test_noise_that_depends_on_state_and_parameter(method):
    """Truth by quadrature; beta = 0 without the term s_x b nu would give 2.83 and .159."""

    @fl.iterated_map(
        state=1, parameters={"gamma": 0.3, "theta": 1.0}, x0=(0.2,),
        noise=lambda t, x, p: 0.3 + 0.4 * p.theta / (1 + x[0] ** 2),
    )  # fmt: skip
    def random(t, x, p):
        return fl.math.tanh(1.5 * x[0]) + p.gamma

    g = fl.gradient(random, fl.terminal(lambda x, p: x[0] ** 2), steps=3, transient=0, members=60_000, seed=3,
                    method=method)  # fmt: skip
    for found, error, truth in (
        (g.value, g.value_stderr, 1.393468),
        (g.gradient["gamma"], g.stderr["gamma"], 2.710964),
        (g.gradient["theta"], g.stderr["theta"], 0.147622),
    ):
        assert abs(found - truth) < 4 * error
    assert g.stderr["gamma"] < 0.05 and g.stderr["theta"] < 0.02


def test_the_start_is_differentiated_too():
    how = dict(wrt=("gamma", "theta", "w", "x0"), steps=3, transient=0, members=MEMBERS)
    g = fl.gradient(small, fl.terminal(final), method=fl.PathKernel(0.0), **how)
    other = fl.gradient(small, fl.terminal(final), method=fl.Backprop(), **how)
    np.testing.assert_allclose(g.gradient["x0"], other.gradient["x0"], rtol=1e-12)


@pytest.mark.compiled
@pytest.mark.parametrize("method", [SHARES[1], SHARES[-1]])
def test_flows_with_additive_noise_after_the_step(method):
    """An Ornstein-Uhlenbeck process, whose mean is known exactly at every step."""

    @fl.flow(state=1, parameters={"k": 1.0, "c": 0.5}, x0=(0.0,), dt=0.1, noise=0.4, integrator="rk4")
    def ou(t, x, p):
        return p.c - p.k * x[0]

    g = fl.gradient(ou, fl.terminal(lambda x, p: x[0]), steps=10, transient=0, members=4000, method=method)
    a = 1 - 0.1 + 0.1**2 / 2 - 0.1**3 / 6 + 0.1**4 / 24
    assert abs(g.gradient["c"] - (1 - a**10)) <= 4 * g.stderr["c"] < 0.2
