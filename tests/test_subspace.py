"""Exponents restricted to an invariant subspace: transversal ones of synchronised states, and who is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl
from fastlyap.machines.subspace import leak, restricted
from tests.truth import LN2, entropy_of_cut

SMALL = config.DISABLE_JIT
STEPS = 40 if SMALL else 4000


def ring_of_maps(n, f):
    """x_i' = (1 - e) f(x_i) + e/2 (f(x_(i-1)) + f(x_(i+1)))."""

    @fl.iterated_map(state=n, parameters={"e": 0.3, "a": 0.35}, x0=np.full(n, 0.3), name=f"ring_{n}")
    def rule(t, x, p):
        y = [f(each, p) for each in x]
        return [(1 - p.e) * y[i] + p.e / 2 * (y[i - 1] + y[(i + 1) % n]) for i in range(n)]

    return rule


def skew_tent(x, p):
    return fl.math.where(x < p.a, x / p.a, (1 - x) / (1 - p.a))


def logistic(x, p):
    return 4 * x * (1 - x)


def across(n, d=1):
    """Rows (n - 1) d of differences between n copies of a system of d states."""
    return np.kron(np.eye(n)[1:] - np.eye(n)[:-1], np.eye(d))


def along(n, d=1):
    return np.kron(np.ones((1, n)), np.eye(d))


def transversal(n, e):
    """ln |1 - e + e cos(2 pi k / n)| for k = 1 .. n - 1, largest first."""
    modes = np.log(np.abs(1 - e + e * np.cos(2 * np.pi * np.arange(1, n) / n)))
    return np.sort(modes)[::-1]


@pytest.mark.parametrize("n", [2, 3, 12])
@pytest.mark.parametrize("e", [0.05, 0.3])
def test_rings_of_skew_tents(n, e):
    """The exponent of the map, known statistically, plus that of the coupling, exactly, whether it is stable or not."""
    found = fl.spectrum(ring_of_maps(n, skew_tent), parameters={"e": e}, subspace=across(n), steps=STEPS, transient=60)
    assert found.status == fl.Status.OK and found.exponents.shape == (n - 1,)
    single = found.exponents - transversal(n, e)
    assert np.ptp(single) <= 12.0 / STEPS  # what is left of the turning of the frame
    chance = (np.log(0.65) - np.log(0.35)) * np.sqrt(0.35 * 0.65 / STEPS)  # signs of the slope are independent
    assert abs(single.mean() - entropy_of_cut(0.35)) <= 4 * chance + 12.0 / STEPS


def test_coupled_logistic_maps():
    """ln 2 + ln|1 - 2e'| with both terms exact (the first a coboundary: 40/N)."""
    system = fl.systems.coupled_logistic(2)
    e = np.array([0.05, 0.1, 0.2, 0.25, 0.3, 0.45])
    found = fl.spectrum(system, [0.3, 0.3], {"coupling": e}, subspace=[[1.0, -1.0]], steps=STEPS, transient=10)
    np.testing.assert_allclose(found.exponents[:, 0], LN2 + np.log(np.abs(1 - 2 * e)), atol=40 / STEPS)
    assert np.all(found.status == fl.Status.OK)


def rosslers(n):
    @fl.flow(state=3 * n, parameters={"c": 0.1}, x0=np.tile([1.0, 1.0, 0.1], n), dt=0.05, name=f"rosslers_{n}")
    def rule(t, x, p):
        mean = sum(x[3 * i] for i in range(n)) / n
        found = []
        for i in range(n):
            u, v, w = x[3 * i : 3 * i + 3]
            found += [-v - w + p.c * (mean - u), u + 0.2 * v, 0.2 + w * (u - 5.7)]
        return found

    return rule


@pytest.mark.slow
@pytest.mark.parametrize("n", [2, 4])
def test_all_directions_together_are_the_whole_spectrum(n):
    """Along and across a synchronised state; n = 4 is three equal copies of the transversal ones."""
    system, steps = rosslers(n), 60 if SMALL else 4000
    how = dict(steps=steps, transient=400, parameters={"c": [0.3, 0.5]})
    parts = [fl.spectrum(system, subspace=rows, **how) for rows in (along(n, 3), across(n, 3))]
    one = fl.spectrum(system, subspace=np.kron([[1.0, -1.0] + [0.0] * (n - 2)], np.eye(3)), **how)
    whole = fl.spectrum(system, **how)
    together = np.sort(np.concatenate([part.exponents for part in parts], axis=1))[:, ::-1]
    bound = 12.0 / (steps * system.dt)
    np.testing.assert_allclose(parts[1].exponents, np.repeat(one.exponents, n - 1, axis=1), atol=bound)
    np.testing.assert_allclose(whole.exponents, together, atol=bound)


@pytest.mark.parametrize("rows", [across(2, 3), along(2, 3), np.kron([[1.0, -1.0]], np.eye(3)) * [[3.0], [1.0], [0.1]]])
@pytest.mark.parametrize("integrator", ["rk4", pytest.param("dopri5", marks=pytest.mark.slow)])
def test_reference_agrees(rows, integrator):
    system = rosslers(2)
    how = dict(steps=12, transient=6, every=3, integrator=integrator, parameters={"c": [0.1, 0.4]})
    found, wanted = (fl.spectrum(system, subspace=rows, backend=b, **how) for b in ("cpu", "reference"))
    np.testing.assert_allclose(found.exponents, wanted.exponents, rtol=0, atol=1e-11)
    np.testing.assert_array_equal(found.status, wanted.status)


@pytest.mark.parametrize("n", [pytest.param(3, marks=pytest.mark.slow), 12])
def test_reference_agrees_on_rows(n):
    system = ring_of_maps(n, logistic)
    for rows in (across(n), across(n)[:1] * 0 + 1.0):
        how = dict(steps=8, transient=2, every=2)
        found, wanted = (fl.spectrum(system, subspace=rows, backend=b, **how) for b in ("cpu", "reference"))
        np.testing.assert_allclose(found.exponents, wanted.exponents, rtol=0, atol=1e-11)


@given(seed=st.integers(0, 2**32 - 1))
def test_the_choice_of_rows_does_not_matter(seed):
    """Any basis of the subspace gives the same volumes."""
    mix = np.random.default_rng(seed).standard_normal((2, 2)) + 2 * np.eye(2)
    system = ring_of_maps(3, skew_tent)
    a, b = (fl.spectrum(system, subspace=rows, steps=20, transient=0) for rows in (across(3), mix @ across(3)))
    np.testing.assert_allclose(a.exponents.sum(), b.exponents.sum(), atol=1e-8)


def test_k():
    system = ring_of_maps(4, skew_tent)
    every = fl.spectrum(system, subspace=across(4), steps=60)
    some = fl.spectrum(system, subspace=across(4), steps=60, k=2)
    np.testing.assert_allclose(some.exponents, every.exponents[:2], atol=1e-12)
    np.testing.assert_array_equal(fl.maximal(system, subspace=across(4), steps=60).exponents.shape, (1,))


@pytest.mark.slow
@pytest.mark.compiled
def test_the_mean_of_the_flames():
    """Without the mean of u two exponents are 0, not three; nothing holds the state there."""
    system = fl.systems.kuramoto_sivashinsky()
    start = system.x0 + np.eye(43)[0]  # a travelling frame
    found = fl.spectrum(system, start, subspace=np.eye(43)[1:], k=5, steps=20_000, transient=2_000)
    whole = fl.spectrum(system, start, k=5, steps=20_000, transient=2_000)
    assert found.status == fl.Status.OK
    assert np.sum(np.abs(found.exponents) < 12 / 2000) == 2 < np.sum(np.abs(whole.exponents) < 12 / 2000)


def test_leaving_the_set_is_reported():
    """Two ways to write one map round differently: what cannot be held desynchronises, and says so."""

    @fl.iterated_map(state="x y", x0=(0.3, 0.3), parameters={"s": 0.0})
    def pair(t, x, p):
        return 3.9 * x.x * (1 - x.x) + p.s, 3.9 * (x.y - x.y * x.y)

    found = fl.spectrum(pair, parameters={"s": [0.0, 1e-13]}, subspace=[[1.0, -1.0]], steps=400, transient=100)
    assert list(found.status) == [fl.Status.OK, fl.Status.OK]  # rounding is held, and so is what is no more than that

    @fl.iterated_map(state="x y z", x0=(0.3, 0.3, 0.0))
    def driven(t, x, p):
        late = fl.math.where(x.z > 50.0, 0.1, 0.0)
        return 3.9 * x.x * (1 - x.x), (3.9 - late) * x.y * (1 - x.y), x.z + 1

    for backend in ("cpu", "reference"):
        found = fl.spectrum(driven, subspace=[[1.0, -1.0, 0.0]], steps=100, transient=0, backend=backend)
        assert found.status == fl.Status.UNTRUSTED
        assert np.isfinite(found.exponents).all()


def test_leak_is_that_of_the_jacobian():
    system = restricted(rosslers(2), across(2, 3), "tangent")
    x = np.random.default_rng(0).standard_normal((5, 6))
    p = np.tile(system.flat_parameters, (5, 1))
    U = system.subspace.rows
    for one, value in zip(x, leak(system, x, p, 0.0), strict=True):
        J = system.jacobian(one)
        off = (np.eye(6) - U.T @ U) @ J @ U.T
        assert value == pytest.approx(np.linalg.norm(off) / np.linalg.norm(J), rel=1e-12)


def test_resume_and_members_beside_each_other():
    system, how = rosslers(2), dict(transient=20, subspace=across(2, 3))
    c = np.linspace(0.1, 0.6, 5)
    whole = fl.spectrum(system, parameters={"c": c}, steps=60, **how)
    first = fl.spectrum(system, parameters={"c": c}, steps=36, **how)
    np.testing.assert_array_equal(fl.spectrum(system, resume=first, steps=24).exponents, whole.exponents)
    again = fl.spectrum(system, parameters={"c": c[::-1]}, steps=60, **how)
    np.testing.assert_array_equal(again.exponents[::-1], whole.exponents)
    assert set(np.ravel(whole.kind)) == {"restricted"}


def test_saved_and_labelled(tmp_path):
    found = fl.spectrum(rosslers(2), steps=8, transient=2, subspace=across(2, 3))
    fl.save(found, tmp_path / "found.npz")
    np.testing.assert_array_equal(fl.load(tmp_path / "found.npz").exponents, found.exponents)
    assert found.to_xarray().sizes


def test_wrong_arguments():
    ring = ring_of_maps(3, skew_tent)
    for rows, message in (
        ([1.0, -1.0, 0.0], r"`subspace` must have shape \(q, 3\)"),
        (np.eye(3), r"`subspace` must have shape \(q, 3\), its q < 3"),
        (np.ones((2, 3)), "`subspace` must have independent rows, got 2 rows of rank 1"),
        ([[np.nan, 1.0, 0.0]], "`subspace` must be finite"),
        ([[1.0, 0.0, 0.0]], "`subspace` is not invariant at `x0`"),
    ):
        with pytest.raises(fl.InputError, match=message):
            fl.spectrum(ring, subspace=rows)
    with pytest.raises(fl.InputError, match="`subspace` is not invariant"):
        fl.spectrum(rosslers(2), [1.0, 0.0, 0.0, 2.0, 0.0, 0.0], subspace=across(2, 3))
    with pytest.raises(fl.InputError, match="`k` must be at most the dimension of the subspace, 2"):
        fl.spectrum(ring, subspace=across(3), k=3)
    with pytest.raises(fl.InputError, match="`subspace` needs direction"):
        fl.spectrum(ring, subspace=across(3), direction="adjoint")
    with pytest.raises(fl.InputError, match="without delays"):
        fl.spectrum(fl.systems.delayed_rosslers(), subspace=across(2, 3))
