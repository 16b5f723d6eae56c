"""Wrong arguments of `fl.gradient`: refused in words before anything is compiled; doubts and failures by status."""

import numpy as np
import pytest

import fastlyap as fl

HENON = fl.systems.henon()
NOISY = HENON.with_noise(1e-3)
AVERAGE = fl.average(lambda x, p: x[0])
FINAL = fl.terminal(lambda x, p: x[0])
KERNEL = fl.KernelDifferentiation()


@pytest.mark.parametrize(
    "match, call",
    [
        ("`objective`.*fl.average", lambda: fl.gradient(HENON, lambda x, p: x[0])),
        ("`objective`.*one kind", lambda: fl.gradient(HENON, (AVERAGE, FINAL))),
        ("`fn`", lambda: fl.average(3)),
        ("no state `z`", lambda: fl.gradient(HENON, fl.average(lambda x, p: x.z), method=fl.Backprop())),
        ("derivative zero", lambda: fl.gradient(HENON, fl.average(lambda x, p: fl.math.floor(x[0])),
                                                method=fl.Backprop())),  # fmt: skip
        ("`wrt` has no `rho`", lambda: fl.gradient(HENON, AVERAGE, wrt="rho", method=fl.Backprop())),
        ("with_noise", lambda: fl.gradient(HENON, AVERAGE, wrt="noise_size", method=fl.Backprop())),
        ("`transient` must be 0", lambda: fl.gradient(HENON, AVERAGE, wrt="x0", method=fl.Backprop())),
        ("no noise; add some", lambda: fl.gradient(HENON, AVERAGE, method=KERNEL)),
        ("no noise; add some", lambda: fl.gradient(HENON, AVERAGE, method=fl.PathKernel())),
        ("draws random numbers itself", lambda: fl.gradient(fl.systems.random_matrix_product(3), AVERAGE, wrt="x0",
                                                            transient=0, method=KERNEL)),  # fmt: skip
        ("euler", lambda: fl.gradient(fl.systems.lorenz63().with_noise(1.0), AVERAGE, method=KERNEL)),
        ("`window`", lambda: fl.gradient(NOISY, AVERAGE, steps=100, method=fl.KernelDifferentiation(100))),
        ("`window`", lambda: fl.gradient(NOISY, AVERAGE, steps=100, method=KERNEL)),
        ("`window`", lambda: fl.Backprop(window=0)),
        ("`window`", lambda: fl.KernelDifferentiation("long")),
        ("`members`", lambda: fl.gradient(NOISY, AVERAGE, members=2, method=KERNEL)),
        ("`members`", lambda: fl.gradient(NOISY, FINAL, members=1, method=KERNEL)),
        ("`wrt` \"x0\"", lambda: fl.gradient(NOISY, FINAL, wrt="x0", transient=0, method=KERNEL)),
        ("`beta`", lambda: fl.PathKernel(1.5)),
        ("`beta`", lambda: fl.gradient(NOISY, FINAL, steps=3, transient=0, method=fl.PathKernel([0.1, 0.2]))),
        ("`clip`", lambda: fl.Backprop(clip=-1.0)),
        ("`clip_by`", lambda: fl.Backprop(clip=1.0, clip_by="sum")),
        ("`step`", lambda: fl.FiniteDifference(0.0)),
        ("`step` has no `b`", lambda: fl.gradient(HENON, AVERAGE, method=fl.FiniteDifference({"a": 1e-3}))),
        ("`method`.*class", lambda: fl.gradient(HENON, AVERAGE, method=fl.Backprop)),
        ("`method`", lambda: fl.gradient(HENON, AVERAGE, method="backprop")),
        ("delay", lambda: fl.gradient(fl.systems.mackey_glass(), AVERAGE, method=fl.Backprop())),
        ("`dt`", lambda: fl.gradient(HENON, AVERAGE, dt=0.1, method=fl.Backprop())),
        ("`backend`", lambda: fl.gradient(HENON, AVERAGE, method=fl.Backprop(), backend="cuda")),
    ],
)
def test_it_says_what_is_wrong(match, call):
    with pytest.raises(fl.InputError, match=match):
        call()


def test_points_that_fail_do_not_touch_the_others():
    x0 = np.array([[0.1, 0.1], [50.0, 0.0], [0.2, 0.0]])
    how = dict(steps=12, transient=0, method=fl.Backprop())
    g = fl.gradient(HENON, FINAL, x0=x0, **how)
    assert g.status.tolist() == [0, fl.Status.ESCAPED, 0]
    assert np.isnan(g.gradient["a"][1]) and np.isnan(g.value[1]) and g.failed_step[1] > 0
    alone = fl.gradient(HENON, FINAL, x0=x0[[0, 2]], **how)
    np.testing.assert_array_equal(g.gradient["a"][[0, 2]], alone.gradient["a"])
    with pytest.raises(fl.MemberError):
        fl.gradient(HENON, FINAL, x0=x0, throw=True, **how)


@pytest.mark.compiled
def test_chaos_is_refused_by_backprop():
    g = fl.gradient(HENON, AVERAGE, steps=400, method=fl.Backprop())
    assert g.status == fl.Status.UNTRUSTED and g.stats["parted"] and g.stats["exponent"] > 0.2
    assert "chaos" in g.message()
    clipped = fl.gradient(HENON, AVERAGE, steps=400, method=fl.Backprop(clip=1.0))
    assert np.all(np.abs([*clipped.gradient.values()]) <= 1.0) and clipped.status == fl.Status.UNTRUSTED


@pytest.mark.compiled
def test_members_on_a_fixed_point_have_not_parted():
    g = fl.gradient(HENON, AVERAGE, parameters={"a": 0.2}, steps=400, transient=50, members=8, spread=0.01,
                    method=fl.Backprop())  # fmt: skip
    assert not g.stats["parted"] and g.status == fl.Status.UNTRUSTED and g.stats["transient"] == 64 * 50
    fixed = (-0.7 + np.sqrt(0.7**2 + 4 * 0.2)) / (2 * 0.2)
    np.testing.assert_allclose(g.value, fixed, rtol=1e-10)
    h = 1e-6
    slope = [((-0.7 + np.sqrt(0.49 + 4 * a)) / (2 * a)) for a in (0.2 - h, 0.2 + h)]
    np.testing.assert_allclose(g.gradient["a"], (slope[1] - slope[0]) / (2 * h), rtol=2e-2)


@pytest.mark.compiled
def test_several_attractors_are_reported():
    @fl.iterated_map(state=1, parameters={"a": 1.5}, x0=(0.0,), noise=0.02)
    def double_well(t, x, p):
        return x[0] + 0.2 * (p.a * x[0] - x[0] ** 3)

    g = fl.gradient(double_well, AVERAGE, steps=2000, transient=200, members=16, method=fl.Backprop())
    assert g.stats["multistable"] and g.status == fl.Status.UNTRUSTED and g.stats["value_spread"] > 0.5


def test_results_are_kept(tmp_path):
    g = fl.gradient(HENON, FINAL, steps=6, transient=0, method=fl.Backprop())
    fl.save(g, tmp_path / "g.npz")
    again = fl.load(tmp_path / "g.npz")
    np.testing.assert_array_equal(again.gradient["a"], g.gradient["a"])
    with pytest.raises(fl.InputError, match="loaded"):
        again.compare(fl.FiniteDifference(1e-3))
    assert "Backprop" in repr(g) and "d/da" in repr(g)


@pytest.mark.slow
def test_methods_are_compared():
    g = fl.gradient(NOISY, FINAL, steps=6, transient=0, members=16, method=fl.Backprop())
    z = g.compare(fl.FiniteDifference(1e-4), seed=0)
    assert set(z) == set(g.gradient) and all(abs(v) < 0.1 for v in z.values())


def test_results_are_labelled():
    pytest.importorskip("xarray")
    g = fl.gradient(HENON, FINAL, parameters=fl.grid(a=[1.1, 1.2]), steps=6, transient=0, method=fl.Backprop())
    data = g.to_xarray()
    assert data["gradient_b"].dims == ("a",) and data.attrs["kind"] == "map" and "OK 2" in repr(g)
    np.testing.assert_array_equal(data["gradient_a"], g.gradient["a"])
