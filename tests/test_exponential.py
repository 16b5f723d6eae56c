"""ETDRK4: its factors, its order, both directions against the reference, Kuramoto and Sivashinsky's exponents."""

import pickle

import mpmath
import numpy as np
import pytest
from numba import config

import fastlyap as fl
from fastlyap.machines import exponential
from fastlyap.math import cos, sin
from fastlyap.reference.exponential import coefficients
from tests import tolerances, truth

SMALL = config.DISABLE_JIT


@fl.flow(
    state="x y z", parameters={"c": [-80.0, -1.0, 0.1], "a": 1.3}, linear="c", x0=(0.3, 0.5, 0.2), dt=0.05,
    integrator="etdrk4",
)  # fmt: skip
def stiff(t, x, p):
    return sin(x.y) * 40 + cos(p.a * t), x.x * x.z, -x.x * x.y - x.z**3


def flames(modes=5, **options):
    return fl.systems.kuramoto_sivashinsky(modes=modes, **options)


def starts(system, count, size=0.1, seed=0):
    return system.x0 + size * np.random.default_rng(seed).standard_normal((count, system.dim))


def exact_factors(z, h):
    """By the formulas themselves, in many digits."""
    with mpmath.workdps(60):
        z = mpmath.mpf(z)
        e = mpmath.exp(z)
        if z == 0:
            return [1, 1, h / 2, h / 6, h / 3, h / 6]
        curves = [
            (mpmath.exp(z / 2) - 1) / z, (-4 - z + e * (4 - 3 * z + z**2)) / z**3,
            2 * (2 + z + e * (z - 2)) / z**3, (-4 - 3 * z - z**2 + e * (4 - z)) / z**3,
        ]  # fmt: skip
        return [float(e), float(mpmath.exp(z / 2)), *[float(h * curve) for curve in curves]]


@pytest.mark.parametrize("z", [0.0, -1e-9, 1e-4, -0.03, -1.0, 2.0, -7.7, -50.0, -1300.0])
def test_factors(z):
    """To rounding wherever z lies; the naive formula loses all digits at 1e-4. The reference's too."""
    h = 0.1
    exact = exact_factors(z, h)
    found = exponential.factors(np.array([[z / h]]), h)[0, :6]
    np.testing.assert_allclose(found, exact, rtol=0, atol=2e-15)
    other = [part[0, 0, 0] for part in coefficients(np.array([[z / h]]), h)]
    np.testing.assert_allclose(other, exact, rtol=0, atol=1e-14)


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("system", [stiff, flames()], ids=["tuples", "rows"])
def test_kernels_agree_with_the_reference(system, direction):
    options = dict(steps=12, transient=4, every=2, direction=direction)
    found = fl.spectrum(system, starts(system, 3), **options)
    wanted = fl.spectrum(system, starts(system, 3), backend="reference", **options)
    time = 12 * system.dt
    # what the trailing vectors lose to the conditioning of two steps
    allowed = (tolerances.growth("float64", steps=16, stretch=4.0) + 1e-14 * found.conditioning[:, None]) / time
    assert np.all(np.abs(found.exponents - wanted.exponents) <= allowed)
    np.testing.assert_allclose(found.divergence_error, wanted.divergence_error, atol=allowed.max())


def test_trajectories_agree_with_the_reference():
    for system in (stiff, flames()):
        options = dict(steps=8, every=2, transient=3)
        found = fl.trajectory(system, starts(system, 2), **options).state
        wanted = fl.trajectory(system, starts(system, 2), backend="reference", **options).state
        np.testing.assert_allclose(found, wanted, rtol=0, atol=1e-12)


def test_order():
    """Four, once the step resolves the slow part, though the fast rate times the step is still 1 or 2."""
    exact = fl.trajectory(stiff, steps=4000, every=4000, dt=5e-4, integrator="rk4").state[-1]
    errors = []
    for n in (80, 160):
        state = fl.trajectory(stiff, steps=n, every=n, dt=2.0 / n).state[-1]
        errors.append(np.abs(state - exact).max())
    assert errors[0] < 1e-4
    assert np.log2(errors[0] / errors[1]) > 3.3


def test_a_linear_flow_is_exact_at_any_step():
    @fl.flow(state=3, linear=[-400.0, -1.0, 0.25], x0=(1.0, 1.0, 1.0), dt=0.5, integrator="etdrk4")
    def linear(t, x, p):
        return 0.0, 0.0, 0.0

    found = fl.spectrum(linear, steps=20, transient=60, every=1)
    np.testing.assert_allclose(found.exponents[:2], [0.25, -1.0], rtol=0, atol=1e-12)
    assert found.status == fl.Status.DEGENERATE  # one step shrinks the third direction by exp(-200)


@pytest.mark.parametrize("linear", ["c", lambda p: p.c, lambda p: [p.c[i] for i in range(3)]])
def test_ways_to_say_linear(linear):
    @fl.flow(state="x y z", parameters={"c": [-80.0, -1.0, 0.1]}, linear=linear, x0=(0.3, 0.5, 0.2), dt=0.05)
    def same(t, x, p):
        return sin(x.y), x.x * x.z, -x.x * x.y

    @fl.flow(state="x y z", linear=np.array([-80.0, -1.0, 0.1]), x0=(0.3, 0.5, 0.2), dt=0.05)
    def fixed(t, x, p):
        return sin(x.y), x.x * x.z, -x.x * x.y

    at = [[0.1, -0.2, 0.4], [1.0, 2.0, 3.0]]
    np.testing.assert_allclose(same.rule(at), fixed.rule(at), rtol=1e-15)
    assert same.rule([0.1, -0.2, 0.4])[0] == pytest.approx(-8.0 + np.sin(-0.2))
    assert fl.check(same).ok
    orbits = [fl.trajectory(s, steps=10, integrator="etdrk4").state for s in (same, fixed)]
    np.testing.assert_allclose(*orbits, rtol=0, atol=1e-14)


def test_the_whole_flow_is_that_of_other_integrators():
    states = [
        fl.trajectory(stiff, steps=n, every=n, dt=0.5 / n, integrator=i).state[-1]
        for i, n in (("etdrk4", 200), ("rk4", 400), ("dopri5", 50))
    ]
    np.testing.assert_allclose(states[0], states[1], atol=1e-7)
    np.testing.assert_allclose(states[2], states[1], atol=1e-7)


def test_a_pickled_system_keeps_its_parts():
    copy = pickle.loads(pickle.dumps(stiff))
    assert copy == stiff
    a, b = (fl.trajectory(s, steps=5).state for s in (stiff, copy))
    np.testing.assert_array_equal(a, b)
    reference = fl.trajectory(copy, steps=5, backend="reference").state
    np.testing.assert_allclose(reference, a, atol=1e-13)


def test_rates_may_be_swept():
    """Each member has factors of its own: a batch is its members, to the last bit, whatever stands beside them."""
    L = np.linspace(20.0, 24.0, 5)
    system = flames()
    options = dict(steps=20, transient=5, k=3)
    batch = fl.spectrum(system, parameters={"L": L}, **options).exponents
    again = fl.spectrum(system, parameters={"L": L[::-1]}, **options).exponents
    np.testing.assert_array_equal(batch, again[::-1])
    assert np.ptp(batch[:, 0]) > 1e-6


def test_resume():
    system = flames()
    whole = fl.spectrum(system, starts(system, 3), steps=40, transient=6, k=3)
    first = fl.spectrum(system, starts(system, 3), steps=24, transient=6, k=3)
    np.testing.assert_array_equal(fl.spectrum(system, resume=first, steps=16).exponents, whole.exponents)


@pytest.mark.slow
def test_vectors_and_finite_time_exponents():
    """All verbs step the same way; the neutral vector is compared with the whole flow, not with its nonlinear part."""
    system = flames(4)
    x0 = starts(system, 2)
    options = dict(k=3, steps=12, warmup=(40, 20), every=2)
    found, wanted = (fl.vectors(system, x0, backend=b, **options) for b in ("cpu", "reference"))
    np.testing.assert_allclose(found.exponents, wanted.exponents, atol=1e-9)
    np.testing.assert_allclose(found.flow_angle, wanted.flow_angle, atol=1e-7)
    found, wanted = (fl.finite_time(system, x0[:1], k=3, steps=12, backend=b) for b in ("cpu", "reference"))
    np.testing.assert_allclose(found.exponents, wanted.exponents, atol=1e-10)


@pytest.mark.slow
def test_volume_of_the_flames():
    """The product does not change the volume: the sum is that of the linear rates, up to the discretisation."""
    system = flames(4)
    rates = exponential.rates(system, system.flat_parameters[None])[0]
    sums = []
    for n in (20, 40):
        found = fl.spectrum(system, starts(system, 2), steps=n, transient=0, dt=2.0 / n, every=1)
        np.testing.assert_allclose(found.sum_rule, 0.0, atol=1e-11)
        sums.append(np.abs(found.exponents.sum(axis=1) - rates.sum()).max())
        np.testing.assert_allclose(found.divergence_error, found.exponents.sum(axis=1) - rates.sum(), atol=1e-10)
    assert sums[1] < sums[0] / 8


@pytest.mark.slow
def test_product_of_the_flames():
    """-u u_x by the recorded convolution and on a fine grid."""
    system = flames(6)
    x = np.random.default_rng(3).standard_normal(system.dim)
    q, k, grid = 2 * np.pi / 22.0, np.arange(7), np.arange(64) * 22.0 / 64
    wave = np.concatenate([np.cos(np.outer(q * k, grid)), np.sin(np.outer(q * k[1:], grid))])
    slope = np.concatenate([-(q * k)[:, None] * np.sin(np.outer(q * k, grid)), (q * k[1:])[:, None] * wave[:7][1:]])
    flux = -(x @ wave) * (x @ slope)
    weights = np.concatenate([[1 / 64], np.full(12, 2 / 64)])
    square = np.concatenate([(q * k) ** 2, (q * k[1:]) ** 2])
    wanted = wave @ flux * weights + (square - square**2) * x
    wanted[0] = 0.0
    np.testing.assert_allclose(system.rule(x), wanted, rtol=0, atol=1e-12)


@pytest.mark.slow
@pytest.mark.compiled
@pytest.mark.slow
def test_exponents_of_the_flames():
    """L = 22: twelve exponents within the errors of independent starts and of the table; three zeros."""
    system, row = fl.systems.kuramoto_sivashinsky(), truth.BY_NAME["Kuramoto-Sivashinsky L=22"]
    found = fl.spectrum(system, starts(system, 32, 0.05), steps=20_000, transient=4_000, k=12)
    assert np.all(found.status == fl.Status.OK)
    time = 20_000 * system.dt
    errors = found.exponents.std(axis=0, ddof=1) / np.sqrt(32)
    for index, (value, _) in row.exponents.items():
        bias = 12.0 / time if value == 0.0 else 1e-3 * abs(value)
        off = abs(found.exponents[:, index].mean() - value)
        assert off <= truth.allowed(row, index, errors[index], bias), (index, off, errors[index])
    assert found.kaplan_yorke.mean() == pytest.approx(row.kaplan_yorke, abs=0.05)


def test_wrong_arguments():
    with pytest.raises(fl.InputError, match='`integrator` "etdrk4" needs the rates.*`linear=`'):
        fl.spectrum(fl.systems.lorenz63(), integrator="etdrk4")
    define = dict(state="x y", x0=(0.1, 0.1), dt=0.1, parameters={"c": 1.0, "b": [1.0, 2.0, 3.0]})

    def rule(t, x, p):
        return x.y, -x.x

    for linear, message in (
        ([1.0, 2.0, 3.0], r"`linear` must have shape \(2,\)"),
        ("d", "`linear` must name a parameter"),
        ("b", "`linear` must name a parameter"),
        (lambda p: [1.0], "`linear` must return 2 rates"),
        ([1.0, np.nan], "`linear` must be finite"),
    ):
        with pytest.raises(fl.InputError, match=message):
            fl.flow(**define, linear=linear)(rule)
    with pytest.raises(fl.InputError, match="`modes`"):
        fl.systems.kuramoto_sivashinsky(modes=1)
    with pytest.raises(fl.InputError, match="`L`"):
        fl.systems.kuramoto_sivashinsky(L=-1.0)


@pytest.mark.slow
@pytest.mark.skipif(SMALL, reason="one lane at a time is float64")
def test_float32():
    found = fl.spectrum(flames(), steps=10, k=2, dtype="float32", transient=2)
    np.testing.assert_allclose(found.exponents, fl.spectrum(flames(), steps=10, k=2, transient=2).exponents, atol=1e-3)
