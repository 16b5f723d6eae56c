"""Delay systems: closed forms, known exponents, agreement of programs, and the promises of a call."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlyap as fl
from tests import tolerances, truth


@fl.flow(state="x", parameters=dict(a=1.0, tau=1.0), delay="tau", x0=(0.5,), dt=0.05)
def linear(t, x, p):
    return (-p.a * x.delayed.x,)


@fl.flow(
    state="x y", parameters=dict(a=1.0, b=0.7, tau=1.0, s=0.37), delay=("tau", "s"), x0=(0.5, 0.2), dt=0.05
)  # fmt: skip
def two_delays(t, x, p):
    past, recent = x.delayed
    return -p.a * past.x + fl.math.sin(x.y), -p.b * x.y * recent.x + 0.3 * recent.y * fl.math.cos(t)


@fl.flow(state=10, parameters=dict(F=5.0, pull=0.3, tau=0.42), delay="tau", x0=np.linspace(1.0, 3.0, 10), dt=0.05)
def ring(t, x, p):
    return [(x[(i + 1) % 10] - x[i - 2]) * x[i - 1] - x[i] + p.F + p.pull * x.delayed[(i + 5) % 10] for i in range(10)]


MACKEY_GLASS = fl.systems.mackey_glass()
MIXED = dict(tau=np.array([1.0, 0.62, 1.3]), s=np.array([0.4, 1 / 3, 0.05]))


def wavy(t):
    return np.exp(0.3 * t), np.sin(t + 0.2)


def growth(result):
    return result.exponents * result.settings["dt"] * result.settings["steps"]


CASES = {
    "one delay": (linear, None, dict(a=np.array([0.8, 1.0, 1.2]))),
    "several, different": (two_delays, None, MIXED),
    "history": (two_delays, wavy, MIXED),
    "alike": (two_delays, lambda t: (np.cos(t), 0.3 * t), dict(a=np.linspace(0.8, 1.0, 3))),
    "rows": (ring, None, dict(F=np.array([4.0, 5.0, 5.5]))),
    "Mackey-Glass": (MACKEY_GLASS, None, dict(tau=np.array([8.0, 9.1]))),
}


@pytest.mark.parametrize("case", [*list(CASES)[:-1], pytest.param("Mackey-Glass", marks=pytest.mark.compiled)])
@pytest.mark.parametrize("dtype", ["float64", pytest.param("float32", marks=pytest.mark.slow)])
def test_agrees_with_the_reference(case, dtype):
    system, x0, parameters = CASES[case]
    how = dict(parameters=parameters, transient=13, steps=40, dtype=dtype)
    orbit = [fl.trajectory(system, x0, every=3, backend=b, **how) for b in ("cpu", "reference")]
    scale = np.abs(orbit[1].state).max()
    stretch = 0.0 if case != "rows" else 6.0
    allowed = tolerances.growth(dtype, steps=53, stretch=stretch)
    np.testing.assert_allclose(orbit[0].state, orbit[1].state, rtol=0, atol=scale * allowed)
    found, wanted = (fl.spectrum(system, x0, k=5, every=4, backend=b, **how) for b in ("cpu", "reference"))
    allowed = max(allowed, 10 * tolerances.eps(dtype) * wanted.conditioning.max() * np.sqrt(40))
    np.testing.assert_allclose(growth(found), growth(wanted), rtol=0, atol=allowed)
    np.testing.assert_array_equal(found.status, 0)
    for result in (found, wanted):
        assert np.isnan(result.sum_rule).all() and np.isnan(result.divergence_error).all()


def test_a_recording_alone_agrees_with_the_rule():
    from dataclasses import replace

    how = dict(parameters=MIXED, steps=20, backend="reference")
    found = fl.trajectory(replace(two_delays, function=None), wavy, **how)
    np.testing.assert_allclose(found.state, fl.trajectory(two_delays, wavy, **how).state, rtol=1e-13)


def test_method_of_steps_is_exact_for_short_polynomials():
    """x' = -x(t - 1) from the constant 1/2: a polynomial of degree j in the j-th interval, cubic up to t = 3."""
    found = fl.trajectory(linear, steps=60, dt=0.05)
    t = found.times
    exact = 0.5 * (1 - t + np.where(t > 1, (t - 1) ** 2 / 2, 0) - np.where(t > 2, (t - 2) ** 3 / 6, 0))
    np.testing.assert_allclose(found.state[:, 0], exact, rtol=0, atol=1e-13)


@pytest.mark.compiled
@pytest.mark.parametrize("dt", [0.05, 0.07])
def test_linear_equation_has_the_exponents_of_lambert(dt):
    steps = round(400 / dt)
    found = fl.spectrum(linear, k=4, dt=dt, steps=steps, transient=2_000)
    allowed = 8.0 / 400 + 1e-5
    np.testing.assert_allclose(found.exponents, truth.linear_delay(1.0, 1.0, 2), rtol=0, atol=allowed)
    np.testing.assert_allclose(found.exponents[:2].sum(), 2 * truth.linear_delay(1.0, 1.0, 1)[0], atol=allowed / 2)


@pytest.mark.compiled
def test_mackey_glass():
    row = truth.BY_NAME["Mackey-Glass"]
    starts = np.linspace(0.4, 1.2, 32)[:, None]
    found = fl.spectrum(MACKEY_GLASS, starts, k=4, steps=40_000, transient=8_000)
    assert np.all(found.status == fl.Status.OK)
    mean, error = found.exponents.mean(0), found.exponents.std(0, ddof=1) / np.sqrt(32)
    for i in range(4):
        assert abs(mean[i] - row.exponents[i][0]) <= truth.allowed(row, i, error[i], bias=5.0 / 10_000 * (i == 1))
    assert abs(found.kaplan_yorke.mean() - row.kaplan_yorke) <= 0.01


@pytest.mark.compiled
def test_delay_coupled_rosslers():
    row, system = truth.BY_NAME["delay-coupled Rosslers"], fl.systems.delayed_rosslers()
    starts = system.x0 + 0.3 * np.random.default_rng(5).standard_normal((32, 6))
    found = fl.spectrum(system, starts, k=4, steps=20_000, transient=4_000)
    assert np.all(found.status == fl.Status.OK)
    mean, error = found.exponents.mean(0), found.exponents.std(0, ddof=1) / np.sqrt(32)
    for i in range(4):
        assert abs(mean[i] - row.exponents[i][0]) <= truth.allowed(row, i, error[i], bias=12.0 / 1_000 * (i == 1))


def test_members_with_different_delays_are_each_as_alone():
    how = dict(k=4, steps=60, transient=30)
    found = fl.spectrum(two_delays, wavy, MIXED, **how)
    orbits = fl.trajectory(two_delays, wavy, MIXED, steps=50)
    for m in range(3):
        own = {name: value[m] for name, value in MIXED.items()}
        alone = fl.spectrum(two_delays, wavy, own, **how)
        for name in ("exponents", "stderr", "conditioning", "n_steps"):
            np.testing.assert_array_equal(getattr(found, name)[m], getattr(alone, name))
        np.testing.assert_array_equal(orbits.state[m], fl.trajectory(two_delays, wavy, own, steps=50).state)


@pytest.mark.parametrize("parameters", [MIXED, dict(a=np.linspace(0.8, 1.1, 3))], ids=["different", "alike"])
def test_resumed_and_in_chunks_to_the_last_bit(parameters, monkeypatch, tmp_path):
    from fastlyap.machines import planning

    def run(**more):
        return fl.spectrum(two_delays, wavy, parameters, k=3, transient=20, **more)

    wanted = run(steps=90)
    fl.save(run(steps=37), tmp_path / "first.npz")
    found = fl.spectrum(two_delays, resume=fl.load(tmp_path / "first.npz"), steps=53)
    np.testing.assert_array_equal(found.exponents, wanted.exponents)
    np.testing.assert_array_equal(found.state["rows"], wanted.state["rows"])
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1)
    for threads in (1, 2):
        found = run(steps=90, threads=threads)
        np.testing.assert_array_equal(found.exponents, wanted.exponents)
        np.testing.assert_array_equal(found.state["rows"], wanted.state["rows"])


@given(st.floats(0.05, 0.6), st.floats(0.02, 0.05))
def test_interpolation_is_exact_for_cubics(tau, dt):
    """x' = x(t - tau) from a quadratic history: what is integrated are cubics, whatever lies between steps."""

    @fl.flow(state="x", parameters=dict(tau=tau), delay="tau", x0=(0.0,), dt=dt)
    def integral(t, x, p):
        return (x.delayed.x,)

    steps = int(tau / dt)
    found = fl.trajectory(integral, lambda t: (1 + t + t * t,), steps=steps, backend="reference")
    s = found.times - tau
    exact = 1 + (s + s**2 / 2 + s**3 / 3) - (-tau + tau**2 / 2 - tau**3 / 3)
    np.testing.assert_allclose(found.state[:, 0], exact, rtol=0, atol=1e-12)


def test_failed_members_leave_the_others_alone():
    @fl.flow(state="x", parameters=dict(r=0.5, tau=0.3), delay="tau", x0=(1.0,), dt=0.1)
    def growing(t, x, p):
        return (p.r * x.x * (1 - x.delayed.x),)

    found = fl.spectrum(growing, parameters=dict(r=np.array([0.5, 50.0, 0.6])), x0=(0.9,), steps=80, transient=10, k=2)
    assert fl.Status.failed(found.status).tolist() == [False, True, False] and np.isnan(found.exponents[1]).all()
    alone = fl.spectrum(growing, parameters=dict(r=np.array([0.5, 0.6])), x0=(0.9,), steps=80, transient=10, k=2)
    np.testing.assert_array_equal(found.exponents[[0, 2]], alone.exponents)


def test_several_starts_and_the_plan():
    found = fl.spectrum(two_delays, wavy, members=3, spread=0.1, steps=40, transient=10, k=3)
    assert found.exponents.shape == (3,) and found.spread.shape == (3,)
    plan = fl.plan("spectrum", two_delays, parameters=MIXED, k=3)
    assert plan.width == 1 and "one member at a time" in str(plan)


@pytest.mark.slow
def test_rates_scale_with_time():
    """x' = 2 f(x, x(t - tau / 2)) is the same in half the time, to the last bit."""

    @fl.flow(state="x y", parameters=dict(c=1.0, tau=1.0), delay="tau", x0=(0.5, 0.2), dt=0.1)
    def clock(t, x, p):
        return p.c * (x.delayed.y - x.x**3), p.c * (x.x - x.delayed.x)

    slow = fl.spectrum(clock, k=4, steps=60, transient=20)
    fast = fl.spectrum(clock, parameters=dict(c=2.0, tau=0.5), dt=0.05, k=4, steps=60, transient=20)
    np.testing.assert_array_equal(fast.exponents, 2 * slow.exponents)


@given(st.integers(1, 5), st.integers(1, 9))
def test_leading_exponents_do_not_depend_on_how_many_there_are(k, every):
    how = dict(steps=40, transient=10, every=every)
    few, many = (fl.spectrum(two_delays, wavy, k=j, **how) for j in (k, k + 1))
    frame_of_few = np.sort(few.exponents)
    kept = [np.abs(many.exponents - rate).min() for rate in frame_of_few]
    assert max(kept) <= 1e-9


def test_all_that_the_history_holds():
    """As many vectors as there are stored numbers: where rank is lost, that is said."""
    found = fl.spectrum(linear, k=11, dt=0.2, steps=30, transient=10)
    assert found.exponents.shape == (11,) and found.status in (fl.Status.OK, fl.Status.DEGENERATE)
    assert np.isfinite(found.exponents[:4]).all() and np.isnan(found.sum_rule)


def test_a_rule_that_does_not_look_back():
    """A delay that is not used leaves an ordinary flow; vectors that live in the history alone are lost."""

    @fl.flow(state="x", parameters=dict(tau=0.3), delay="tau", x0=(1.0,), dt=0.1)
    def decay(t, x, p):
        return (-x.x,)

    found = fl.spectrum(decay, k=2, steps=50, transient=10)
    np.testing.assert_allclose(fl.trajectory(decay, steps=10).state[-1], np.exp(-1.0), rtol=1e-6)
    assert found.exponents[0] == pytest.approx(-1.0, abs=1e-5) and found.exponents[1] == -np.inf
    assert found.status == fl.Status.DEGENERATE


def test_batch_shapes():
    """Histories have batch axes of their own; an empty batch is an empty result."""
    values = np.array([0.8, 0.9, 1.0])

    def many(t):
        return (values * np.exp(0.1 * t))[:, None]

    found = fl.trajectory(linear, many, dict(tau=np.array([[0.5], [0.62]])), steps=12)
    assert found.state.shape == (2, 3, 12, 1) and found.x0.shape == (2, 3, 1)
    alone = fl.trajectory(linear, lambda t: (0.9 * np.exp(0.1 * t),), dict(tau=0.62), steps=12)
    np.testing.assert_array_equal(found.state[1, 1], alone.state)
    assert fl.spectrum(linear, wavy_scalar, dict(tau=np.zeros(0)), k=3, steps=10).exponents.shape == (0, 3)


def wavy_scalar(t):
    return (np.cos(t),)
