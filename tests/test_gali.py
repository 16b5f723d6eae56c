"""Alignment indices: against their definition, the laws of regular and chaotic orbits, failures, bad input."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl

SMALL = config.DISABLE_JIT
STAR = fl.systems.henon_heiles()


def on_section(y, py, energy=0.125):
    """States at x = 0 of Henon and Heiles."""
    return np.array([0.0, y, np.sqrt(2 * energy - y * y + 2 * y**3 / 3 - py * py), py])


REGULAR, CHAOTIC = on_section(0.558, 0.0), on_section(-0.25, 0.0)


@pytest.mark.parametrize("k", [2, 3, 4])
@pytest.mark.parametrize("integrator", ["rk4", "leapfrog"])
def test_the_definition(k, integrator):
    """Unit vectors carried along one by one, and their singular values."""
    how = dict(k=k, steps=60, transient=7, every=4, dt=0.1, integrator=integrator)
    found, wanted = (fl.gali(STAR, [REGULAR, CHAOTIC], backend=b, **how) for b in ("cpu", "reference"))
    assert found.values.shape == (2, 15)
    np.testing.assert_allclose(found.times, 0.1 * np.arange(4, 61, 4))
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.state, wanted.state, atol=1e-12)


def test_the_definition_for_rows():
    ring = fl.systems.lorenz96(9)
    how = dict(k=3, steps=40, every=10)
    found, wanted = (fl.gali(ring, [ring.x0, ring.x0 + 0.1], backend=b, **how) for b in ("cpu", "reference"))
    np.testing.assert_allclose(found.values, wanted.values, rtol=0, atol=1e-12)


def test_a_constant_matrix():
    """The cat map: u ^ v keeps its area while both grow like the leading eigenvalue, GALI_2 ~ exp(-2 l t)."""
    found = fl.gali(fl.systems.cat(), steps=200, every=10)
    slope = np.diff(np.log(found.values[5:])) / 10
    np.testing.assert_allclose(slope, -2 * np.log((3 + np.sqrt(5)) / 2), rtol=1e-12)
    assert found.values[-1] < 1e-150  # far below what two vectors could tell
    assert found.threshold_time == found.times[found.values < 1e-12][0]


@pytest.mark.compiled
def test_regular_orbits():
    """On a torus of two dimensions in four: GALI_2 stays, GALI_3 ~ t^-2, GALI_4 ~ t^-4."""
    how = dict(steps=400_000, every=1000, dt=0.05, integrator="yoshida4")
    for k, power in ((2, 0), (3, -2), (4, -4)):
        found = fl.gali(STAR, REGULAR, k=k, **how)
        late = found.times > 1000
        slope = np.polyfit(np.log(found.times[late]), np.log(found.values[late]), 1)[0]
        assert slope == pytest.approx(power, abs=0.25)
        assert k > 2 or np.isinf(found.threshold_time)


@pytest.mark.compiled
def test_chaotic_orbits_align_at_the_rate_of_the_exponents():
    """log GALI_k = -((l_1 - l_2) + ... + (l_1 - l_k)) t + O(1), with the finite-time exponents of the same orbit."""
    system, steps = fl.systems.lorenz96(12), 20_000
    found = fl.gali(system, k=4, steps=steps, every=100, dt=0.01)
    rates = fl.spectrum(system, k=4, steps=steps, transient=0, dt=0.01).exponents
    wanted = -np.sum(rates[0] - rates[1:]) * steps * 0.01
    last = np.flatnonzero(found.values > 1e-290)[-1]  # until it underflows
    part = fl.spectrum(system, k=4, steps=(last + 1) * 100, transient=0, dt=0.01).exponents
    assert np.log(found.values[last]) == pytest.approx(-np.sum(part[0] - part[1:]) * found.times[last], abs=25.0)
    assert wanted < -50 and found.values[-1] < 1e-20


@given(seed=st.integers(0, 2**32 - 1))
def test_sali(seed):
    """min(|u + v|, |u - v|) of the unit vectors whose area is GALI_2; values lie in [0, 1]."""
    rng = np.random.default_rng(seed)
    found = fl.gali(STAR, STAR.x0 + 0.02 * rng.standard_normal((3, 4)), steps=40, every=8)
    assert np.all((found.values >= 0) & (found.values <= 1 + 1e-12))
    u = np.array([1.0, 0.0])
    for value, sali in zip(found.values.ravel(), found.sali.ravel(), strict=True):
        v = np.array([np.sqrt(max(1 - value**2, 0.0)), value])
        assert sali == pytest.approx(min(np.linalg.norm(u + v), np.linalg.norm(u - v)), abs=1e-7)


def test_members_do_not_meet_and_failures_are_theirs():
    """One escapes: NaN from then on, for it alone."""
    henon = fl.systems.henon()
    how = dict(steps=60, every=5, transient=3)
    found = fl.gali(henon, parameters={"a": [1.4, 3.0, 1.2]}, **how)
    assert list(found.status) == [fl.Status.OK, fl.Status.ESCAPED, fl.Status.OK]
    wanted = fl.gali(henon, parameters={"a": [1.4, 3.0, 1.2]}, backend="reference", **how)
    np.testing.assert_array_equal(found.status, wanted.status)
    np.testing.assert_array_equal(np.isnan(found.values), np.isnan(wanted.values))
    assert np.isnan(found.threshold_time[1]) and np.isnan(found.values[1, -1]) and found.failed_step[1] > 0
    alone = fl.gali(henon, parameters={"a": [1.4, 1.2]}, **how)
    np.testing.assert_array_equal(alone.values, found.values[[0, 2]])


def test_interval_does_not_matter():
    fine, coarse = (fl.gali(STAR, CHAOTIC, steps=60, every=n, k=3) for n in (3, 30))
    np.testing.assert_allclose(fine.values[9::10], coarse.values, rtol=1e-8)


def test_threshold_time():
    found = fl.gali(fl.systems.cat(), steps=100, every=1, threshold=1e-3)
    place = np.flatnonzero(found.values < 1e-3)[0]
    assert found.threshold_time == found.times[place] and np.all(found.values[:place] >= 1e-3)


def test_shapes_and_words(tmp_path):
    found = fl.gali(STAR, parameters=None, x0=np.tile(CHAOTIC, (2, 3, 1)), steps=20, every=7)
    assert found.values.shape == (2, 3, 2) and found.threshold_time.shape == (2, 3) and len(found.times) == 2
    assert "GALI_2 of henon_heiles" in repr(found)
    fl.save(found, tmp_path / "found.npz")
    np.testing.assert_array_equal(fl.load(tmp_path / "found.npz").values, found.values)
    assert "gali of henon_heiles" in str(fl.plan("gali", STAR))
    assert found.to_xarray()["values"].shape == (2, 3, 2)
    assert fl.gali(STAR, np.empty((0, 4)), steps=20).values.shape == (0, 2)


def test_wrong_arguments():
    for options, message in (
        (dict(k=1), "`k` must be a whole number >= 2"),
        (dict(k=5), "`k` must be at most the dimension"),
        (dict(steps=5), "`steps` must be at least `every`"),
        (dict(threshold=0.0), "`threshold` must be > 0"),
        (dict(threshold=2.0), "`threshold` must be below 1"),
        (dict(every=0), "`every`"),
        (dict(backend="cuda"), "`backend`"),
    ):
        with pytest.raises(fl.InputError, match=message):
            fl.gali(STAR, **options)
    with pytest.raises(fl.InputError, match="delay"):
        fl.gali(fl.systems.mackey_glass())
    with pytest.raises(fl.InputError, match="`sali` belongs to two"):
        fl.gali(STAR, steps=10, k=3).sali  # noqa: B018
