"""To the last bit within one program: threads, order, chunks, slices, neighbours, and where a run was cut."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.kernel import layout
from fastlyap.machines import planning, run

MEMBERS = 21  # two full blocks of 8 lanes and a padded one
HOW = dict(steps=150, transient=40)

SYSTEMS = {
    "lorenz63": (fl.systems.lorenz63(), "rho", np.linspace(20.0, 60.0, MEMBERS)),
    "henon": (fl.systems.henon(), "a", np.linspace(1.0, 1.4, MEMBERS)),
}
ANY = pytest.mark.parametrize("name", ["henon", pytest.param("lorenz63", marks=pytest.mark.compiled)])
BOTH = pytest.mark.parametrize("direction", ["tangent", "adjoint"])
ARRAYS = ("exponents", "stderr", "status", "failed_step", "n_steps", "sum_rule", "divergence_error", "conditioning")


def compute(name, values=None, **options):
    system, parameter, swept = SYSTEMS[name]
    return fl.spectrum(system, None, {parameter: swept if values is None else values}, **{**HOW, **options})


def same(found, wanted, index=slice(None)):
    """Assert that every number agrees to the last bit, the state included (of members that have one)."""
    well = ~fl.Status.failed(found.status)
    for array in ARRAYS:
        np.testing.assert_array_equal(getattr(found, array), getattr(wanted, array)[index], err_msg=array)
    for key, value in wanted.state.items():
        np.testing.assert_array_equal(found.state[key][well], value[index][well], err_msg=key)


@ANY
@BOTH
def test_again(name, direction):
    same(compute(name, direction=direction), compute(name, direction=direction))


@ANY
@BOTH
def test_threads(name, direction):
    wanted = compute(name, threads=1, direction=direction)
    for threads in (2, 3, 16):
        same(compute(name, threads=threads, direction=direction), wanted)


@ANY
@BOTH
@pytest.mark.parametrize("every", ["auto", 3])
def test_order_of_members(name, direction, every):
    order = np.random.default_rng(0).permutation(MEMBERS)
    wanted = compute(name, direction=direction, every=every)
    same(compute(name, SYSTEMS[name][2][order], direction=direction, every=every), wanted, order)


@ANY
@BOTH
def test_chunks(name, direction, monkeypatch):
    wanted = compute(name, direction=direction)
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1)
    found = compute(name, direction=direction)
    system, parameter, values = SYSTEMS[name]
    plan = fl.plan("spectrum", system, None, {parameter: values})
    assert len(plan.parts()) > 1
    same(found, wanted)


@ANY
@BOTH
def test_slices(name, direction, monkeypatch):
    """Slices of single steps, and of the whole run."""
    wanted = compute(name, direction=direction)
    for seconds in (1e-12, 1e9):
        monkeypatch.setattr(run, "SLICE_SECONDS", seconds)
        same(compute(name, direction=direction), wanted)


@pytest.mark.parametrize("seconds", [1e-12, 1e9])
def test_slices_of_failing_orbits(seconds, monkeypatch):
    """When a member is lost does not depend on the clock either."""
    system = fl.systems.henon()
    a = np.array([1.4, 1.5, 1.6, 3.0, 10.0])
    how = dict(parameters={"a": a}, steps=60, transient=20, every=7)
    wanted = [fl.spectrum(system, direction=d, **how) for d in ("tangent", "adjoint")]
    orbit = fl.trajectory(system, **how)
    assert np.any(orbit.status == fl.Status.ESCAPED) and np.any(orbit.status == fl.Status.OK)
    monkeypatch.setattr(run, "SLICE_SECONDS", seconds)
    for old, direction in zip(wanted, ("tangent", "adjoint"), strict=True):
        same(fl.spectrum(system, direction=direction, **how), old)
    again = fl.trajectory(system, **how)
    np.testing.assert_array_equal(again.state, orbit.state)
    np.testing.assert_array_equal(again.failed_step, orbit.failed_step)


@ANY
@BOTH
def test_neighbours(name, direction):
    """A member among copies of itself, and among others of which some fail, is the same member."""
    system, parameter, values = SYSTEMS[name]
    wanted = compute(name, direction=direction)
    fatal = 10.0 if name == "henon" else 1e9
    for member in (0, 9, MEMBERS - 1):
        copies = compute(name, np.full(5, values[member]), direction=direction)
        same(copies, wanted, np.full(5, member))
        disturbed = np.full(MEMBERS, fatal)
        disturbed[member] = values[member]
        found = compute(name, disturbed, direction=direction)
        assert fl.Status.failed(found.status).sum() == MEMBERS - 1
        np.testing.assert_array_equal(found.exponents[member], wanted.exponents[member])
        np.testing.assert_array_equal(found.stderr[member], wanted.stderr[member])


@ANY
def test_parameters_or_starts_however_given(name):
    """Broadcasting decides nothing but shapes."""
    system, parameter, values = SYSTEMS[name]
    wanted = compute(name)
    matrix = compute(name, values.reshape(3, 7))
    np.testing.assert_array_equal(matrix.exponents, wanted.exponents.reshape(3, 7, -1))
    grid = fl.spectrum(system, None, fl.grid(**{parameter: values}), **HOW)
    np.testing.assert_array_equal(grid.exponents, wanted.exponents)
    starts = fl.spectrum(system, np.tile(system.x0, (MEMBERS, 1)), {parameter: values}, **HOW)
    np.testing.assert_array_equal(starts.exponents, wanted.exponents)


@ANY
@pytest.mark.parametrize("every", ["auto", 1, 7])
@pytest.mark.parametrize("cuts", [(1, 149), (50, 100), (149, 1), (30, 40, 80), (7, 14, 129)])
def test_resume(name, every, cuts, tmp_path):
    """However a run is cut, also through a file."""
    if every == "auto":
        # the interval is part of a run's beginning: at most its first part's length
        cuts = cuts if cuts[0] >= 30 else (30, 120)
    wanted = compute(name, every=every)
    system = SYSTEMS[name][0]
    part = compute(name, every=every, steps=cuts[0])
    for number, steps in enumerate(cuts[1:]):
        if number == 0:
            fl.save(part, tmp_path / "part.npz")
            part = fl.load(tmp_path / "part.npz")
        part = fl.spectrum(system, resume=part, steps=steps)
    same(part, wanted)
    assert part.settings["steps"] in (wanted.settings["steps"], cuts[-1])


def test_resume_with_failed_members():
    """Lost members stay lost, at their step; the others go on."""
    a = np.array([1.4, 1.5, 1.3, 10.0])
    how = dict(parameters={"a": a}, transient=3, every=2)
    wanted = fl.spectrum(fl.systems.henon(), steps=90, **how)
    assert 0 < fl.Status.failed(wanted.status).sum() < 4
    for first in (2, 10, 50):
        part = fl.spectrum(fl.systems.henon(), steps=first, **how)
        part = fl.spectrum(fl.systems.henon(), resume=part, steps=90 - first)
        for array in ("exponents", "stderr", "status", "failed_step", "n_steps"):
            np.testing.assert_array_equal(getattr(part, array), getattr(wanted, array), err_msg=array)


def test_resume_refuses_what_does_not_fit():
    henon, lorenz = fl.systems.henon(), fl.systems.lorenz63()
    part = fl.spectrum(henon, steps=20, transient=5)
    with pytest.raises(fl.InputError, match="`resume`"):
        fl.spectrum(lorenz, resume=part)
    with pytest.raises(fl.InputError, match="`resume`"):
        fl.spectrum(henon, resume=fl.spectrum(henon, steps=20, transient=5, history=False))
    with pytest.raises(fl.InputError, match="`resume`"):
        fl.spectrum(henon, resume=fl.spectrum(henon, steps=20, transient=5, direction="adjoint"), steps=10)


@ANY
def test_stop_rule_is_each_members_own(name):
    """A member stops where it would have stopped among others."""
    options = dict(steps=3_000, every=2, stderr_below=0.02 if name == "henon" else 0.3)
    wanted = compute(name, **options)
    assert len(np.unique(wanted.n_steps)) > 1
    some = [2, 5, 11, 20]
    same(compute(name, SYSTEMS[name][2][some], **options), wanted, some)


@pytest.mark.compiled
def test_integrators_alike():
    """The adaptive one too: its inner steps are each member's own."""
    wanted = compute("lorenz63", integrator="dopri5", steps=40)
    order = np.arange(MEMBERS)[::-1]
    found = compute("lorenz63", SYSTEMS["lorenz63"][2][order], integrator="dopri5", steps=40, threads=2)
    same(found, wanted, order)


def test_layout_is_what_resume_relies_on():
    """64 cells cover 128 steps of the base length only after a merge, and the runs above are long enough for one."""
    assert layout.N_CELLS == 64
    assert HOW["steps"] > 2 * layout.N_CELLS
