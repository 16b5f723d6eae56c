"""`backend="reference"` of `fl.gradient`: the same members, statuses and reasons as the kernels', method by method."""

import numpy as np
import pytest
import responses
from noisy import MIXED, two_maps

import fastlyap as fl

HENON, NOISY = fl.systems.henon(), two_maps("s")
CAT = fl.iterated_map(state="x y", parameters={"eps": 0.0, "kappa": 0.0}, x0=(0.3, 0.4))(responses.cat)
SEEN = fl.iterated_map(state="x y", parameters={"kappa": 0.1}, x0=(0.3, 0.4))(responses.cat_seen)
MEAN, END = (kind(lambda x, p: x[0] ** 2 * p.a + x[1]) for kind in (fl.average, fl.terminal))
MATRIX = [[0.9, 0.2], [-0.1, 0.8]]
CLOSE = 1e-11  # rounding, grown over the few steps of these runs


def both(system, objective, wrt=None, **how):
    """The gradient by the kernels and by the reference."""
    names = ("cpu", "reference")
    return (fl.gradient(system, objective, wrt, keep_members=True, backend=name, **how) for name in names)


def same(found, wanted, close=CLOSE):
    np.testing.assert_array_equal(found.status, wanted.status)
    np.testing.assert_array_equal(found.failed_step, wanted.failed_step)
    assert found.stats["reasons"].keys() == wanted.stats["reasons"].keys()
    np.testing.assert_allclose(found.value, wanted.value, rtol=close, atol=close)
    for name, members in wanted.members.items():
        size = np.nanmax(np.abs(members))
        np.testing.assert_allclose(found.members[name], members, rtol=0, atol=close * size)
    for name, value in wanted.stats.items():
        if isinstance(value, np.ndarray) and value.dtype.kind == "f" and name not in ("kurtosis", "effective_samples"):
            np.testing.assert_allclose(found.stats[name], value, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    "objective,how",
    [
        (MEAN, dict(wrt=("a", "x0"), transient=0, parameters={"a": np.array([1.3, 5.0])}, method=fl.Backprop())),
        (MEAN, dict(wrt="a", transient=6, members=3, method=fl.Backprop(window=5, clip=2.0))),
        (END, dict(wrt=("a", "x0"), transient=0, method=fl.Backprop())),
        (END, dict(wrt=("a", "b"), transient=0, method=fl.FiniteDifference(1e-3))),
    ],
)
def test_without_noise(objective, how):
    same(*both(HENON, objective, steps=12, **how))


@pytest.mark.parametrize(
    "method",
    [
        fl.Backprop(), fl.KernelDifferentiation(3), fl.PathKernel(0.5, 3),
        fl.FiniteDifference(1e-3, noise="independent"), pytest.param(fl.PathKernel(MATRIX, 3), marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_with_noise(method):
    same(*both(NOISY, MEAN, ("a", "s"), steps=60, transient=5, members=4, method=method))
    same(*both(NOISY, END, ("a", "s"), parameters={"a": [1.1, 1.2]}, steps=9, transient=5, members=4,
               method=method))  # fmt: skip


@pytest.mark.parametrize("beta", [np.linspace(0.0, 1.0, 9), MATRIX], ids=["numbers", "matrix"])
def test_a_schedule_and_the_start(beta):
    method = fl.PathKernel(beta)
    same(*both(NOISY, END, ("a", "s", "x0"), steps=9, transient=0, members=4, method=method))


@pytest.mark.slow
def test_noise_in_some_directions_and_all_windows():
    method = fl.PathKernel(0.3, "auto")
    same(*both(two_maps("s", MIXED), MEAN, ("a", "s"), steps=1700, transient=5, members=4, method=method), close=1e-8)


@pytest.mark.parametrize(
    "method", [fl.Shadowing(3, 2), fl.Shadowing(3, 0), fl.Shadowing(3, 1, solver="march")], ids=lambda m: repr(m)[9:]
)
def test_shadowing_of_a_map(method):
    same(*both(CAT, fl.average(responses.difference), steps=100, transient=20, members=3, method=method))


@pytest.mark.slow
def test_shadowing_of_flows():
    system, height = fl.systems.lorenz63(), fl.average(lambda x, p: x.z)
    how = dict(steps=410, transient=300, dt=0.01, members=3)
    for method in (fl.Shadowing(20, 2), fl.Shadowing()):
        same(*both(system, height, ("rho", "beta"), method=method, **how), close=1e-9)


@pytest.mark.slow
def test_fast_response_agrees_once_frames_have_turned():
    method, objective = fl.FastResponse(1, 1, 2), fl.average(responses.difference_seen)
    found, wanted = both(SEEN, objective, steps=30, transient=0, spread=0.05, members=3, seed=4, method=method)
    np.testing.assert_array_equal(found.status, wanted.status)
    size = np.abs(wanted.members["kappa"]).max()
    np.testing.assert_allclose(found.members["kappa"], wanted.members["kappa"], rtol=0, atol=5e-3 * size)


@pytest.mark.parametrize(
    "how,words",
    [
        (dict(backend="cuda", method=fl.Backprop()), '`backend` must be "auto", "cpu" or, for systems, "reference"'),
        (dict(method=fl.PathKernel(window=2)), '`backend` "reference" needs a `beta` in numbers'),
        (dict(system=fl.systems.lorenz63(), integrator="dopri5"), 'gradients of maps, "euler" and "rk4"'),
        (dict(system=fl.systems.random_matrix_product(2), method=fl.Backprop()), "whose rule reads its noise itself"),
    ],
)
def test_what_the_reference_refuses(how, words):
    given = dict(system=NOISY, backend="reference", steps=300, transient=5, members=4) | how
    with pytest.raises(fl.InputError, match=words):
        fl.gradient(given.pop("system"), fl.average(lambda x, p: x[0]), **given)
