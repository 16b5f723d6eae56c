"""Backpropagation: exact against complex steps, differences and closed forms; clipped, truncated, batched, noisy."""

import numpy as np
import pytest
from gradients.plain_orbits import complex_step, flat
from scipy.integrate import solve_ivp

import fastlyap as fl
from fastlyap.trace.evaluate import evaluate


@fl.flow(state=2, parameters={"omega": np.array([1.0, 0.7]), "damping": 0.3}, x0=(0.4, -0.2), dt=0.05)
def oscillator(t, x, p):
    return p.omega[0] * x[1] + fl.math.cos(t), -p.omega[1] * fl.math.sin(x[0]) - p.damping * x[1]


@fl.iterated_map(state=1, parameters={"a": 0.9, "c": 0.5}, x0=(2.0,))
def affine(t, x, p):
    return p.a * x[0] + p.c


def first(x, p):
    return x[0]


def mixed(x, p):
    return x[0] * x[0] + 0.3 * x[1] * p[0]


def oscillating(x, p):
    return fl.math.sin(x[0]) * x[1] + p.damping * p.omega[1]


CASES = [
    (fl.systems.lorenz63(), mixed, "rk4", 0.01),
    (oscillator, oscillating, "euler", 0.05),
    pytest.param(fl.systems.lorenz96(10), mixed, "rk4", 0.02, marks=pytest.mark.compiled),
]


@pytest.mark.parametrize("system, fn, integrator, dt", CASES)
@pytest.mark.parametrize("kind", ["average", "terminal"])
def test_it_is_exact(system, fn, integrator, dt, kind):
    one = getattr(fl, kind)(fn)
    more = {} if integrator == "map" else {"dt": dt, "integrator": integrator}
    g = fl.gradient(
        system, one, wrt=(*system.parameters, "x0"), steps=13, transient=0, method=fl.Backprop(), **more
    )
    value, by_parameter, by_start = complex_step(system, one, steps=13, dt=dt, integrator=integrator)
    np.testing.assert_allclose(g.value, value, rtol=1e-10)
    np.testing.assert_allclose(flat(g), by_parameter, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(g.gradient["x0"], by_start, rtol=1e-10, atol=1e-12)
    assert g.status == fl.Status.OK and g.settings["members"] == 1


def test_shapes_are_those_of_the_parameters():
    how = dict(steps=13, transient=0, integrator="euler", method=fl.Backprop())
    g = fl.gradient(oscillator, fl.average(oscillating), **how)
    assert g.gradient["omega"].shape == (2,) and np.shape(g.gradient["damping"]) == () and np.shape(g.value) == ()


@pytest.mark.compiled
def test_adaptive_steps_give_the_derivative_of_the_flow():
    how = dict(steps=40, transient=0, integrator="dopri5", rtol=1e-11, atol=1e-13)
    g = fl.gradient(oscillator, fl.terminal(oscillating), method=fl.Backprop(), **how)

    def end(p):
        found = solve_ivp(
            lambda t, x: evaluate(oscillator.recording.outputs, x, p, t), (0, 2), oscillator.x0, "DOP853", rtol=1e-13,
            atol=1e-14,
        )  # fmt: skip
        x = found.y[:, -1]
        return np.sin(x[0]) * x[1] + p[2] * p[1]

    p = oscillator.flat_parameters
    truth = [(end(p + 1e-5 * e) - end(p - 1e-5 * e)) / 2e-5 for e in np.eye(3)]
    np.testing.assert_allclose(flat(g), truth, rtol=1e-6)


def affine_gradient(steps, window=None):
    """d x_N / da of x' = a x + c, the last `window` steps only."""
    a, c = 0.9, 0.5
    x = [2.0]
    for _ in range(steps):
        x.append(a * x[-1] + c)
    first = 0 if window is None else steps - window
    return sum(a ** (steps - 1 - n) * x[n] for n in range(first, steps))


def test_a_linear_map_has_its_closed_form():
    g = fl.gradient(affine, fl.terminal(first), steps=60, transient=0, method=fl.Backprop())
    np.testing.assert_allclose(g.gradient["a"], affine_gradient(60), rtol=1e-13)
    np.testing.assert_allclose(g.gradient["c"], (1 - 0.9**60) / 0.1, rtol=1e-13)


@pytest.mark.parametrize("window", [1, 7, 60, 1000])
def test_a_window_leaves_out_what_is_further_back(window):
    g = fl.gradient(affine, fl.terminal(first), steps=60, transient=0, method=fl.Backprop(window=window))
    np.testing.assert_allclose(g.gradient["a"], affine_gradient(60, min(window, 60)), rtol=1e-13)


def test_a_window_of_an_average_cuts_it_into_runs():
    w, N = 5, 40
    g = fl.gradient(affine, fl.average(first), steps=N, transient=0, method=fl.Backprop(window=w))
    x = np.array([2.0 * 0.9**n + 0.5 * (1 - 0.9**n) / 0.1 for n in range(N + 1)])
    total = 0.0
    for n in range(1, N):  # x_n is fed; it reaches back to the last multiple of w below it
        begin = (n - 1) // w * w
        total += sum(0.9 ** (n - 1 - m) * x[m] for m in range(begin, n))
    np.testing.assert_allclose(g.gradient["a"], total / N, rtol=1e-12)


@pytest.mark.parametrize("by", ["norm", "value"])
def test_clipping_is_that_of_training(by):
    how = dict(steps=60, transient=0)
    whole = flat(fl.gradient(affine, fl.terminal(first), method=fl.Backprop(), **how))
    clipped = flat(fl.gradient(affine, fl.terminal(first), method=fl.Backprop(clip=2.0, clip_by=by), **how))
    expected = whole * 2.0 / np.linalg.norm(whole) if by == "norm" else np.clip(whole, -2, 2)
    np.testing.assert_allclose(clipped, expected, rtol=1e-14)
    loose = flat(fl.gradient(affine, fl.terminal(first), method=fl.Backprop(clip=1e9, clip_by=by), **how))
    np.testing.assert_array_equal(loose, whole)


NOISY = [
    ("euler", lambda t, x, p: p.damping * x[0]),
    ("heun_sde", lambda t, x, p: p.damping * x[0]),
    ("rk4", "damping"),
]


@pytest.mark.slow
@pytest.mark.parametrize("integrator, noise", NOISY)
def test_noise_is_differentiated_along_each_path(integrator, noise):
    @fl.flow(
        state=2, parameters=dict(oscillator.parameters), x0=(0.4, -0.2), dt=0.05, noise=noise, integrator=integrator
    )
    def noisy(t, x, p):
        return p.omega[0] * x[1] + fl.math.cos(t), -p.omega[1] * fl.math.sin(x[0]) - p.damping * x[1]

    how = dict(steps=20, transient=0, members=2, seed=4, keep_members=True)
    g = fl.gradient(noisy, fl.average(oscillating), method=fl.Backprop(), **how)
    other = fl.gradient(noisy, fl.average(oscillating), method=fl.FiniteDifference(1e-5), **how)
    assert g.members["omega"].shape == (2, 2)
    for name in g.members:
        np.testing.assert_allclose(g.members[name], other.members[name], rtol=1e-6, atol=1e-8)


@pytest.mark.compiled
def test_a_noisy_linear_map_has_the_response_of_its_law():
    """<x^2> = s^2 / (1 - a^2) of x' = a x + s b."""
    system = affine.with_parameters(c=0.0).with_noise(0.5)
    g = fl.gradient(system, fl.average(lambda x, p: x[0] ** 2), steps=4000, transient=100, members=64,
                    method=fl.Backprop())  # fmt: skip
    truth = {"a": 2 * 0.9 * 0.25 / 0.19**2, "noise_size": 2 * 0.5 / 0.19, "c": 0.0}
    for name, value in truth.items():
        assert abs(g.gradient[name] - value) < 4 * g.stderr[name], name
    assert abs(g.value - 0.25 / 0.19) < 4 * g.value_stderr


def test_points_of_a_batch_do_not_meet():
    a = np.array([[0.5], [0.9]])
    x0 = np.array([[1.0], [2.0], [3.0]])
    how = dict(steps=60, transient=0, method=fl.Backprop())
    g = fl.gradient(affine, fl.terminal(first), x0=x0, parameters={"a": a}, **how)
    assert g.value.shape == (2, 3) and g.gradient["a"].shape == (2, 3)
    for i in range(2):
        for j in range(3):
            one = fl.gradient(affine, fl.terminal(first), x0=x0[j], parameters={"a": a[i, 0]}, **how)
            np.testing.assert_allclose(g.gradient["a"][i, j], one.gradient["a"], rtol=1e-14)


@pytest.mark.parametrize("kind", ["average", "terminal"])
def test_several_objectives_share_one_run(kind):
    make = getattr(fl, kind)
    ones = make(first), make(lambda x, p: p.c * x[0] ** 2)
    found = fl.gradient(affine, ones, steps=60, transient=0, method=fl.Backprop())
    assert isinstance(found, tuple)
    for g, one in zip(found, ones, strict=True):
        value, by_parameter, _ = complex_step(affine, one, steps=60)
        np.testing.assert_allclose(flat(g), by_parameter, rtol=1e-12)
        np.testing.assert_allclose(g.value, value, rtol=1e-12)
