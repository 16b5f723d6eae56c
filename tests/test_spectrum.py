"""What the verbs offer: leading exponents, intervals, stop rule, starts, history, kinds, grids, plans, orbits."""

import _thread
import threading
import time

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import run

LORENZ = fl.systems.lorenz63()
HENON = fl.systems.henon()


# --- shapes and broadcasting -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "x0,parameters,shape",
    [
        (None, None, ()),
        (np.full((4, 2), 0.1), None, (4,)),
        (None, {"a": np.linspace(1, 1.4, 3)}, (3,)),
        (np.full((2, 1, 2), 0.1), {"a": np.linspace(1, 1.4, 3)}, (2, 3)),
        (np.full((5, 1, 2), 0.1), {"a": np.ones((5, 1)), "b": np.full((1, 2), 0.2)}, (5, 2)),
        (np.full((1, 2), 0.1), {"a": [1.2]}, (1,)),
        ({"x": np.linspace(0, 0.1, 3)}, {"b": 0.2}, (3,)),
    ],
)
def test_batch_shapes(x0, parameters, shape):
    found = fl.spectrum(HENON, x0, parameters, steps=20, transient=5)
    assert found.exponents.shape == found.stderr.shape == (*shape, 2)
    for name in ("status", "failed_step", "n_steps", "sum_rule", "conditioning", "kaplan_yorke", "n_positive", "kind"):
        assert np.shape(getattr(found, name)) == shape, name
    assert found.x0.shape == (*shape, 2)
    assert len(found.dims) == len(shape)
    orbit = fl.trajectory(HENON, x0, parameters, steps=6, every=2)
    assert orbit.state.shape == (*shape, 3, 2)


def test_grid_axes_are_in_the_order_written():
    a, b = np.linspace(1.0, 1.4, 3), np.linspace(0.1, 0.3, 4)
    found = fl.spectrum(HENON, None, fl.grid(b=b, a=a), steps=30, transient=10)
    assert found.dims == ("b", "a")
    assert found.status.shape == (4, 3)
    np.testing.assert_allclose(found.exponents.sum(axis=-1), np.log(b)[:, None] * np.ones(3), rtol=1e-9)
    alone = fl.spectrum(HENON, None, {"a": a[2], "b": b[1]}, steps=30, transient=10)
    np.testing.assert_allclose(found.exponents[1, 2], alone.exponents, rtol=1e-6)


def test_grid_of_starts():
    grid = fl.grid(x0={"x": [0.1, 0.2, 0.3]}, a=[1.2, 1.4])
    found = fl.spectrum(HENON, None, grid, steps=20, transient=5)
    assert found.status.shape == (3, 2)
    np.testing.assert_array_equal(found.x0[:, 0, 0], [0.1, 0.2, 0.3])
    np.testing.assert_array_equal(found.x0[..., 1], 0.1)


def test_array_parameters():
    system = fl.systems.kuramoto(4)
    omega = np.random.default_rng(0).standard_normal((3, 4))
    found = fl.spectrum(system, None, {"omega": omega, "K": np.array([[0.5], [1.0]])}, steps=20, transient=5)
    assert found.status.shape == (2, 3)


def test_given_defaults_are_the_defaults():
    wanted = fl.spectrum(LORENZ, steps=20, transient=5)
    given = fl.spectrum(LORENZ, LORENZ.x0, dict(LORENZ.parameters), dt=LORENZ.dt, steps=20, transient=5)
    np.testing.assert_array_equal(given.exponents, wanted.exponents)
    assert np.all(np.diff(wanted.exponents) <= 0)
    assert wanted.system.name == "lorenz63" and wanted.settings["dt"] == 0.01


def test_maximal():
    found = fl.maximal(LORENZ, steps=30, transient=10, every=2)
    assert found.exponents.shape == (1,)
    whole = fl.spectrum(LORENZ, k=1, steps=30, transient=10, every=2)
    np.testing.assert_array_equal(found.exponents, whole.exponents)


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("float32")])
def test_float32(dtype):
    found = fl.spectrum(HENON, steps=30, transient=10, dtype=dtype)
    assert found.exponents.dtype == np.float64  # sums are kept in float64
    assert found.settings["dtype"] == "float32"
    assert abs(found.exponents.sum() - np.log(0.3)) < 1e-5


def test_start_time_matters_to_driven_systems_only():
    gyre = fl.systems.double_gyre()
    runs = [fl.spectrum(gyre, steps=30, transient=5, t0=t0).exponents for t0 in (0.0, 0.0, 2.5, 10.0)]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert np.abs(runs[0] - runs[2]).max() > 1e-6
    np.testing.assert_allclose(runs[0], runs[3], atol=1e-9)  # one period later
    autonomous = [fl.spectrum(LORENZ, steps=10, transient=5, t0=t0).exponents for t0 in (0.0, 3.0)]
    np.testing.assert_array_equal(*autonomous)


# --- intervals -------------------------------------------------------------------------------------------------------


def test_interval_is_chosen_by_conditioning():
    found = fl.spectrum(LORENZ, parameters={"rho": [28.0, 0.5]}, steps=300, transient=400)
    assert np.all(found.state["every"] >= 4)
    assert np.all(found.conditioning <= 1e6)
    assert found.settings["every"] == "auto"
    stiff = fl.spectrum(fl.systems.solenoid(), steps=100, transient=400)
    assert stiff.state["every"] <= 8


def test_a_forced_interval_is_taken():
    found = fl.spectrum(LORENZ, steps=300, transient=20, every=7)
    assert found.state["every"] == 7 and found.settings["every"] == 7
    assert found.status == fl.Status.OK


def test_a_forced_interval_that_is_too_long():
    found = fl.spectrum(fl.systems.solenoid(), steps=400, transient=0, every=20)
    assert found.status == fl.Status.DEGENERATE
    assert not np.isnan(found.exponents).any()
    assert "every" in found.message()
    assert "DEGENERATE" in repr(found)


def test_steps_that_are_no_whole_intervals():
    """The last, shorter interval counts too."""
    cat = fl.systems.cat()
    exact = np.log((3 + np.sqrt(5)) / 2)
    for steps in (1, 2, 6, 7, 8, 29):
        found = fl.spectrum(cat, steps=steps, transient=30, every=7)
        np.testing.assert_allclose(found.exponents, [exact, -exact], rtol=1e-10)
        assert found.n_steps == steps


# --- errors, stop rule, starts ---------------------------------------------------------------------------------------


def test_stop_rule():
    found = fl.spectrum(HENON, parameters={"a": [1.4, 1.3, 1.2]}, steps=6_000, every=2, stderr_below=0.02)
    assert np.all((found.stderr.max(axis=-1) <= 0.02) == (found.status == fl.Status.OK))
    assert np.any(found.n_steps < 6_000)
    never = fl.spectrum(HENON, steps=200, every=2, stderr_below=1e-9)
    assert never.status == fl.Status.NOT_CONVERGED
    assert never.n_steps == 200
    assert np.isfinite(never.exponents).all()
    assert "resume" in never.message()


def test_members():
    found = fl.spectrum(HENON, parameters={"a": [1.4, 1.2]}, members=5, spread=0.01, steps=300, transient=100, seed=3)
    assert found.exponents.shape == found.spread.shape == (2, 2)
    assert found.status.shape == (2,) and found.dims == ("a",)
    assert np.all(found.spread > 0)
    again = fl.spectrum(HENON, parameters={"a": [1.4, 1.2]}, members=5, spread=0.01, steps=300, transient=100, seed=3)
    np.testing.assert_array_equal(found.exponents, again.exponents)
    other = fl.spectrum(HENON, parameters={"a": [1.4, 1.2]}, members=5, spread=0.01, steps=300, transient=100, seed=4)
    assert np.all(found.exponents != other.exponents)
    np.testing.assert_allclose(found.exponents.sum(axis=-1), np.log(0.3), rtol=1e-10)
    assert np.all(found.stderr >= found.spread / np.sqrt(5) * (1 - 1e-12))


def test_members_without_spread_are_one():
    single = fl.spectrum(HENON, [[0.1, 0.1]] * 2, steps=100, transient=20)
    found = fl.spectrum(HENON, members=3, spread=0.0, steps=100, transient=20)
    np.testing.assert_allclose(found.exponents, single.exponents[0], rtol=1e-12)
    np.testing.assert_allclose(found.spread, 0, atol=1e-15)


def test_members_show_several_attractors():
    """x settles at 1 or -1; y decays at a rate that depends on which."""

    @fl.iterated_map(state="x y", x0=(0.01, 0.1))
    def two_wells(t, x, p):
        rate = fl.math.where(x.x > 0, 0.9, 0.5)
        return x.x + x.x * (1 - x.x**2) / 4, rate * x.y

    found = fl.spectrum(two_wells, members=16, spread=0.5, steps=100, transient=100)
    assert found.spread.max() > 0.1
    assert found.status == fl.Status.OK


def test_history():
    found = fl.spectrum(HENON, parameters={"a": [1.4, 1.3]}, steps=640, transient=100, every=2)
    history = found.history()
    assert history.exponents.shape == (2, len(history.times[0]), 2)
    np.testing.assert_allclose(history.exponents[:, -1], found.exponents, atol=0.2)
    assert np.all(np.diff(history.times, axis=-1) > 0)
    assert history.times[0, -1] <= 640
    assert found.history(5).exponents.shape == (2, 5, 2)
    whole = fl.spectrum(HENON, steps=512, transient=100, every=2)  # the cells are full: nothing is left over
    np.testing.assert_allclose(whole.history().exponents[-1], whole.exponents, rtol=1e-12)
    bare = fl.spectrum(HENON, steps=64, transient=10, history=False)
    assert bare.state is None
    with pytest.raises(fl.InputError, match="history"):
        bare.history()


@pytest.mark.compiled
def test_kinds():
    rossler = fl.spectrum(fl.systems.rossler(), parameters={"c": [2.5, 5.7]}, steps=40_000, transient=20_000)
    assert rossler.kind.tolist() == ["cycle", "chaos"]
    lorenz = fl.spectrum(LORENZ, parameters={"rho": [0.5, 15.0, 28.0]}, steps=20_000, transient=10_000)
    assert lorenz.kind.tolist() == ["fixed point", "fixed point", "chaos"]
    towel = fl.spectrum(fl.systems.folded_towel(), steps=5_000)
    assert towel.kind == "hyperchaos" and towel.n_positive == 2
    henon = fl.spectrum(HENON, parameters={"a": [0.2, 0.9, 1.4]}, steps=5_000)  # periods 1 and 2, chaos
    assert henon.kind.tolist() == ["fixed point", "cycle", "chaos"] and henon.moved[0] < 1e-15 < 0.1 < henon.moved[1]
    failed = fl.spectrum(HENON, parameters={"a": [10.0, 1.4]}, steps=5_000)
    assert failed.kind.tolist() == ["unknown", "chaos"] and failed.n_positive.tolist() == [-1, 1]


def test_dead_directions():
    """A constant map: every direction is lost at once, and stays so."""

    @fl.iterated_map(state="x y", parameters={"c": 0.5, "d": 0.0}, x0=(0.3, 0.3))
    def constant(t, x, p):
        return p.c + p.d * x.x, p.d * x.y

    found = fl.spectrum(constant, parameters={"d": [0.0, 0.5]}, steps=200, transient=5)
    assert np.all(np.isneginf(found.exponents[0]))
    np.testing.assert_allclose(found.exponents[1], np.log(0.5))
    assert found.status.tolist() == [fl.Status.DEGENERATE, fl.Status.OK]
    assert np.all(found.stderr[0] == 0)
    assert found.kaplan_yorke[0] == 0


# --- plans -----------------------------------------------------------------------------------------------------------


def test_plan():
    plan = fl.plan("spectrum", LORENZ, None, {"rho": np.linspace(0, 50, 1000)}, steps=5000, transient=100, threads=2)
    assert plan.members == 1000 and plan.member_steps == 5_100_000 and plan.threads <= 2
    text = str(plan)
    for word in ("spectrum of lorenz63", "1,000 members", plan.program, "threads", "MB", "member-steps"):
        assert word in text
    assert fl.plan("maximal", LORENZ).members == 1
    assert fl.plan("spectrum", LORENZ, backend="reference").backend == "reference"


def test_plan_is_what_runs():
    found = fl.spectrum(HENON, parameters={"a": [1.2, 1.4]}, steps=20, transient=5)
    plan = fl.plan("spectrum", HENON, parameters={"a": [1.2, 1.4]}, steps=20, transient=5)
    assert found.settings["program"] == plan.program


@pytest.mark.compiled
def test_plan_knows_what_is_compiled():
    @fl.iterated_map(state="x", parameters={"r": 1.0}, x0=(0.4,))
    def fresh(t, x, p):
        return p.r * 3.3 * x.x * (1 - x.x) ** 2 + 0.123456

    before = fl.plan("spectrum", fresh)
    assert not before.cached and "to be compiled" in str(before)
    fl.spectrum(fresh, steps=10, transient=0)
    assert fl.plan("spectrum", fresh).cached


# --- orbits ----------------------------------------------------------------------------------------------------------


def test_trajectory_times():
    orbit = fl.trajectory(LORENZ, steps=10, every=3, transient=4, t0=1.0)
    np.testing.assert_allclose(orbit.times, 1.0 + 0.01 * (4 + np.array([3, 6, 9])))
    whole = fl.trajectory(LORENZ, steps=14, t0=1.0)
    np.testing.assert_allclose(orbit.state, whole.state[[6, 9, 12]], rtol=1e-12)
    steps = fl.trajectory(HENON, steps=4)
    np.testing.assert_array_equal(steps.times, [1, 2, 3, 4])
    x, y = 0.1, 0.1
    for state in steps.state:
        x, y = 1 - 1.4 * x**2 + y, 0.3 * x
        np.testing.assert_allclose(state, [x, y], rtol=1e-14)


@pytest.mark.parametrize("integrator", ["rk4", "dopri5"])
def test_backward_in_time(integrator):
    forth = fl.trajectory(LORENZ, steps=50, dt=0.005, integrator=integrator)
    back = fl.trajectory(LORENZ, forth.state[-1], steps=50, dt=-0.005, t0=0.25, integrator=integrator)
    np.testing.assert_allclose(back.state[-1], LORENZ.x0, rtol=1e-4)
    np.testing.assert_allclose(back.times[-1], 0.0, atol=1e-12)


@pytest.mark.parametrize("integrator,order", [("rk4", 4), ("euler", 1)])
def test_order_of_orbits(integrator, order):
    """The error of the state at a fixed time falls like dt^order."""
    truth = fl.trajectory(LORENZ, steps=40, every=40, dt=0.01, integrator="dopri5", rtol=1e-12, atol=1e-13).state[0]
    errors = []
    for n in (80, 160):
        end = fl.trajectory(LORENZ, steps=n, every=n, dt=0.4 / n, integrator=integrator).state[0]
        errors.append(np.linalg.norm(end - truth))
    assert np.log2(errors[0] / errors[1]) > order - 0.3


@pytest.mark.parametrize("integrator,order", [("rk4", 4), ("euler", 1)])
def test_order_of_tangents(integrator, order):
    """Growth over a fixed time, all exponents: order as well."""
    how = dict(transient=0, every=10**6)
    truth = fl.spectrum(LORENZ, steps=20, dt=0.01, integrator="dopri5", rtol=1e-12, atol=1e-13, **how).exponents
    errors = []
    for n in (40, 80):
        found = fl.spectrum(LORENZ, steps=n, dt=0.2 / n, integrator=integrator, **how).exponents
        errors.append(np.abs(found - truth).max())
    assert np.log2(errors[0] / errors[1]) > order - 0.3


def test_dopri5_keeps_its_tolerance():
    """Error of the state proportional to rtol; the tangent follows."""
    tight = dict(integrator="dopri5", rtol=1e-13, atol=1e-14)
    truth = fl.trajectory(LORENZ, steps=10, every=10, dt=0.05, **tight).state[0]
    growth = fl.spectrum(LORENZ, steps=10, dt=0.05, transient=0, **tight).exponents
    errors = []
    for rtol in (1e-5, 1e-7, 1e-9):
        loose = dict(integrator="dopri5", rtol=rtol, atol=rtol * 1e-2, dt=0.05)
        state = np.linalg.norm(fl.trajectory(LORENZ, steps=10, every=10, **loose).state[0] - truth)
        tangent = np.abs(fl.spectrum(LORENZ, steps=10, transient=0, **loose).exponents - growth).max()
        errors.append((state, tangent))
        assert state < 1e3 * rtol * np.linalg.norm(truth)
        assert tangent < 1e4 * rtol
    assert errors[2][0] < 1e-2 * errors[0][0] and errors[2][1] < 1e-2 * errors[0][1]


# --- progress and Ctrl-C ---------------------------------------------------------------------------------------------


def test_progress_function(monkeypatch):
    monkeypatch.setattr(run, "SLICE_SECONDS", 1e-4)
    for verb, more in ((fl.spectrum, {}), (fl.spectrum, {"direction": "adjoint"}), (fl.trajectory, {})):
        seen = []
        verb(HENON, steps=200, transient=100, progress=seen.append, **more)
        assert len(seen) > 2
        assert all(0 < part <= 1 for part in seen)
        assert seen == sorted(seen)
        assert seen[-1] > 0.6


def test_progress_bar(capsys):
    fl.spectrum(HENON, steps=200, transient=100, progress=True)
    assert "member-steps" in capsys.readouterr().err
    fl.spectrum(HENON, steps=200, transient=100, progress=False)
    assert capsys.readouterr().err == ""


def interrupted(verb, **options):
    """Run a verb that would last for minutes and press Ctrl-C after a moment; (what was raised, seconds it took)."""
    pressed = []

    def press(part):
        if part > 0 and not pressed:
            pressed.append(time.monotonic())
            threading.Timer(0.2, _thread.interrupt_main).start()

    with pytest.raises(fl.Interrupted) as caught:
        verb(LORENZ, np.tile(LORENZ.x0, (16, 1)), progress=press, **options)
    return caught.value, time.monotonic() - pressed[0]


def test_ctrl_c():
    """Heard within about a second; the result so far is a result, and can be resumed."""
    stop, waited = interrupted(fl.spectrum, steps=2_000_000_000, transient=0, every=5)
    assert isinstance(stop, KeyboardInterrupt)
    assert waited < 3.0
    part = stop.partial
    assert part.exponents.shape == (16, 3)
    done = part.n_steps > 0
    assert done.any()
    assert np.all(part.status[~done] == fl.Status.PENDING)
    assert np.all(np.isfinite(part.exponents[done])) and np.all(np.isnan(part.exponents[~done]))


def test_ctrl_c_in_the_transient():
    stop, waited = interrupted(fl.spectrum, steps=10, transient=2_000_000_000, every=5)
    assert waited < 3.0
    assert np.all(stop.partial.status == fl.Status.PENDING)


@pytest.mark.compiled
def test_ctrl_c_in_a_trajectory():
    _, waited = interrupted(fl.trajectory, steps=100_000_000, every=1000)
    assert waited < 3.0


def test_a_partial_result_goes_on(monkeypatch):
    """Interrupted and resumed is never interrupted, to the last bit."""
    wanted = fl.spectrum(HENON, [[0.1, 0.1]] * 3, steps=400, transient=50, every=2)
    monkeypatch.setattr(run, "SLICE_SECONDS", 1e-9)

    pressed = []

    def press(part):
        if part > 0.5 and not pressed:  # once: a second Ctrl-C does not wait for a result
            pressed.append(part)
            _thread.interrupt_main()

    with pytest.raises(fl.Interrupted) as caught:
        fl.spectrum(HENON, [[0.1, 0.1]] * 3, steps=400, transient=50, every=2, progress=press, threads=1)
    part = caught.value.partial
    assert 0 < part.n_steps[0] < 400
    rest = fl.spectrum(HENON, resume=part, steps=400 - int(part.n_steps[0]))
    np.testing.assert_array_equal(rest.exponents, wanted.exponents)
    np.testing.assert_array_equal(rest.stderr, wanted.stderr)
