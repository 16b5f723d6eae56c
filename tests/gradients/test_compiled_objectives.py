"""Objectives that are compiled functions: the numbers of their recorded twins, whatever the method, and refusals."""

import numba
import numpy as np
import pytest
from noisy import two_maps

import fastlyap as fl

HENON, NOISY = fl.systems.henon(), two_maps("s")


@numba.njit
def size(x, p):
    """p_0 |x|^2, with a branch that no recording takes."""
    total = 0.0
    for i in range(len(x)):
        if x[i] > -1e9:
            total += p[0] * x[i] * x[i]
    return total


@numba.njit
def slope(x, p, out):
    n = len(x)
    for i in range(n):
        out[i] = 2.0 * p[0] * x[i]
        out[n] += x[i] * x[i]


@numba.njit
def first(x, p):
    return x[0] if x[0] > -1e9 else 0.0


def recorded(x, p):
    return p.a * (x[0] ** 2 + x[1] ** 2)


def same(system, kind, wrt, *, gradient=slope, **how):
    """Assert equal members of the compiled objective, in front of another one, and of the recorded one."""
    def both(one):
        return fl.gradient(system, (one, kind(lambda x, p: x[1])), wrt, keep_members=True, **how)

    (found, other), (wanted, more) = both(kind(size, gradient)), both(kind(recorded))
    for a, b in ((found, wanted), (other, more)):
        np.testing.assert_allclose(a.value, b.value, rtol=1e-12)
        np.testing.assert_array_equal(a.status, b.status)
        for name, members in b.members.items():
            largest = np.abs(members).max()
            np.testing.assert_allclose(a.members[name], members, rtol=0, atol=1e-11 * largest)


@pytest.mark.parametrize("kind", [fl.average, fl.terminal])
def test_backprop(kind):
    same(HENON, kind, ("a", "b", "x0"), steps=12, transient=0, method=fl.Backprop())


@pytest.mark.parametrize("kind", [fl.average, fl.terminal])
@pytest.mark.parametrize(
    "method", [fl.KernelDifferentiation(3), pytest.param(fl.PathKernel(0.5, 3), marks=pytest.mark.slow)]
)
def test_noisy(method, kind):
    same(NOISY, kind, ("a", "s"), steps=60, transient=5, members=4, method=method)


@pytest.mark.slow
@pytest.mark.parametrize("method", [fl.Shadowing(2, 1), fl.FastResponse(1, 1, 2)])
def test_shadowing(method):
    same(HENON, fl.average, ("a", "b"), steps=30, transient=10, members=3, method=method)


@pytest.mark.compiled
def test_differences_need_no_gradient_nor_does_noise():
    same(HENON, fl.average, ("a", "b"), gradient=None, steps=12, transient=0, method=fl.FiniteDifference(1e-3))
    how = dict(steps=60, transient=5, members=4, method=fl.KernelDifferentiation(3))
    found, wanted = (fl.gradient(NOISY, fl.average(fn), ("a", "s"), **how) for fn in (first, lambda x, p: x[0]))
    np.testing.assert_allclose(found.gradient["a"], wanted.gradient["a"], rtol=1e-10)


def wrong(x, p, out):
    out[0] = 2.0 * p[0] * x[0]


def outside(x, p, out):
    out[len(x) + len(p)] = 1.0


@pytest.mark.parametrize(
    "objective,how,words",
    [
        (fl.average(size, wrong), {}, r"`gradient` disagrees with differences .* near x0: out\[1\] is 0, the diff"),
        (fl.average(size, outside), {}, "`outside` .*test point|`outside` writes outside of `out`"),
        pytest.param(fl.average(size), {}, "`objective` needs `gradient=` for Backprop.*may not branch",
                     marks=pytest.mark.compiled),
        pytest.param(fl.average(size), dict(system=NOISY, method=fl.KernelDifferentiation(3)),
                     "needs `gradient=` for KernelDiff", marks=pytest.mark.compiled),
        (fl.average(lambda x, p: x.y, slope), {}, "`fn` raised AttributeError at a test point"),
        (fl.average(size, slope), dict(backend="reference"), 'needs objectives that can be recorded'),
    ],
)  # fmt: skip
def test_refusals(objective, how, words):
    given = dict(system=HENON, method=fl.Backprop(), steps=300, transient=5, members=4) | how
    with pytest.raises(fl.InputError, match=words):
        fl.gradient(given.pop("system"), objective, **given)


def test_what_is_no_function():
    with pytest.raises(fl.InputError, match="`gradient` must be a function, got float"):
        fl.average(size, 3.0)


def test_a_sweep_refuses_them(tmp_path):
    pytest.importorskip("zarr")
    with pytest.raises(fl.InputError, match="`objective` must be recorded in a sweep"):
        fl.sweep("gradient", HENON, fl.grid(a=[1.3, 1.4]), store=tmp_path / "s.zarr", objective=fl.average(size, slope))
