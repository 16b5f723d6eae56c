"""Dual numbers against the complex step, at kinks, and against the derivatives of recorded rules."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from fastlyap import math as fm
from fastlyap.reference.dual import Dual, apply
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.functions import FUNCTIONS, UFUNCS
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.recorder import record

TINY = 1e-30
WIDE = st.floats(-3, 3)
INSIDE = st.floats(-0.95, 0.95)
POSITIVE = st.floats(0.05, 5)
ANALYTIC = {
    "sin": (np.sin, WIDE),
    "cos": (np.cos, WIDE),
    "tan": (np.tan, st.floats(-1.4, 1.4)),
    "asin": (np.arcsin, INSIDE),
    "acos": (np.arccos, INSIDE),
    "atan": (np.arctan, WIDE),
    "exp": (np.exp, WIDE),
    "log": (np.log, POSITIVE),
    "sqrt": (np.sqrt, POSITIVE),
    "cbrt": (lambda z: z ** (1 / 3), POSITIVE),
    "sinh": (np.sinh, WIDE),
    "cosh": (np.cosh, WIDE),
    "tanh": (np.tanh, WIDE),
    "sigmoid": (lambda z: 1 / (1 + np.exp(-z)), WIDE),
    "softplus": (lambda z: np.log(1 + np.exp(z)), WIDE),
    "erf": (special.erf, WIDE),
    "neg": (np.negative, WIDE),
}


def variable(*values: float) -> Dual:
    values = np.array(values, dtype=float)
    return Dual(values, np.ones((1, *values.shape)))


def slope(a: Dual) -> float:
    return 0.0 if a.tangent is None else a.tangent[0, 0]


@pytest.mark.parametrize("name", ANALYTIC)
def test_derivative_is_that_of_the_complex_step(name):
    function, domain = ANALYTIC[name]

    @settings(max_examples=40, deadline=None)
    @given(domain)
    def check(a):
        found = apply(name, variable(a))
        exact = function(complex(a, TINY))
        assert found.value[0] == pytest.approx(exact.real, rel=1e-14, abs=1e-15)
        assert slope(found) == pytest.approx(exact.imag / TINY, rel=1e-12, abs=1e-14)

    check()


def messy(x, y, sin, exp, log):
    """A composition of everything analytic that operators offer."""
    u = x * y - x / (2.0 + y * y) + 3.0 - y
    v = (1.5 + sin(u)) ** 2.5 - 2.0 ** (0.1 * x) + (-y) ** 3 + +x
    return exp(-0.1 * v) / (4.0 + v * v) - 7.0 / (9.0 + log(1.0 + x * x))


@settings(max_examples=60, deadline=None)
@given(st.floats(-2, 2), st.floats(-2, 2))
def test_composition_is_that_of_the_complex_step(a, b):
    x = Dual(np.array([a]), np.array([[1.0], [0.0]]))
    y = Dual(np.array([b]), np.array([[0.0], [1.0]]))
    found = messy(x, y, fm.sin, fm.exp, fm.log)
    exact = [messy(complex(a, d), complex(b, e), np.sin, np.exp, np.log) for d, e in ((TINY, 0), (0, TINY))]
    assert found.value[0] == pytest.approx(exact[0].real, rel=1e-12)
    np.testing.assert_allclose(found.tangent[:, 0], [z.imag / TINY for z in exact], rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "pow", "mod", "atan2", "minimum", "maximum"])
def test_partials_of_two_arguments_are_those_of_small_differences(name):
    h = 1e-6
    for a, b in ((1.3, 0.7), (0.4, 2.9), (5.2, 1.1)):
        x = Dual(np.array([a]), np.array([[1.0], [0.0]]))
        y = Dual(np.array([b]), np.array([[0.0], [1.0]]))
        value = lambda u, v: float(apply(name, Dual(u), Dual(v)).value)  # noqa: E731
        by_a = (value(a + h, b) - value(a - h, b)) / (2 * h)
        by_b = (value(a, b + h) - value(a, b - h)) / (2 * h)
        np.testing.assert_allclose(apply(name, x, y).tangent[:, 0], [by_a, by_b], rtol=1e-7, atol=1e-8)


def test_kinks_follow_the_conventions():
    two, zero = variable(2.0), variable(0.0)
    assert slope(fm.abs(zero)) == 0 and slope(fm.abs(variable(-3.0))) == -1
    assert slope(fm.floor(variable(1.5))) == slope(fm.sign(zero)) == slope(two // 1.5) == 0
    assert slope(fm.mod(variable(5.5), 2.0)) == 1 and slope(2.0 % variable(0.75)) == -2
    other = 3.0 * two - 4.0  # the same value, slope 3
    assert slope(fm.minimum(two, other)) == slope(fm.maximum(two, other)) == 1
    assert slope(fm.minimum(other, two)) == slope(fm.maximum(other, two)) == 3
    assert slope(zero**0.0) == 0 and slope(zero**2) == 0
    assert fm.mod(variable(-1e-20), 1.0).value[0] == 0.0


def test_branch_not_taken_cannot_leak():
    x = variable(-1.0, 0.0, 4.0)
    chosen = fm.where(x > 0, fm.sqrt(x), 2.0 * x)
    np.testing.assert_array_equal(chosen.value, [-2.0, 0.0, 2.0])
    np.testing.assert_array_equal(chosen.tangent[0], [2.0, 2.0, 0.25])
    both = fm.where((x >= 0) & ~(x > 3) | (x < -5), 1.0, x)
    np.testing.assert_array_equal(both.tangent[0], [1.0, 0.0, 1.0])
    assert np.isnan(fm.minimum(x, np.nan).value).all()


def test_nan_and_infinity_travel_quietly():
    x = variable(np.nan, np.inf, -1.0, 0.0)
    for name, (function, *partials) in FUNCTIONS.items():
        if len(partials) == 1 and name != "not":
            assert np.isnan(apply(name, x).value[0]), name
        assert callable(function)
    assert np.isnan((x - x).value[1]) and np.isinf((1.0 / x).value[3])


def test_numpy_functions_mean_the_same():
    x = variable(0.3, 0.6)
    for ufunc in (np.sin, np.arctan, np.absolute, np.sqrt, np.sign, special.expit, special.erf):
        name = UFUNCS[ufunc.__name__]
        assert np.array_equal(ufunc(x).value, apply(name, x).value)
    assert np.array_equal((np.float64(2.0) * x).tangent, 2.0 * x.tangent)
    each = np.sin(np.array([1.0, 2.0]) * x)
    assert each.shape == (2,) and np.array_equal(each[1].value, np.sin(2.0 * x.value))
    with pytest.raises(TypeError):
        np.gcd(x, x)
    with pytest.raises(TypeError, match="where"):
        bool(x > 0)


def many_ways(t, x, p):
    """A rule that reads its arguments in every way there is."""
    v = np.asarray(x)
    first = fm.sum(p.w[i] * x[i] for i in range(3)) + p["a"] * t
    second = (np.array([[1.0, -2.0, 0.5]]) @ v)[0] * fm.tanh(x.b) + sum(x[1:]) - p.m[1, 0] * p.m[1][1]
    return [first, second / (2.0 + x["c"] ** 2), fm.mean(np.sin(p.w * x.a)) + fm.mod(x.c, p.a)]


def test_views_and_jacobian_agree_with_the_recorded_rule():
    rng = np.random.default_rng(3)
    defaults = {"a": 1.3, "w": np.zeros(3), "m": np.zeros((2, 2))}
    recording = record(many_ways, state_names=("a", "b", "c"), parameters=defaults)
    x, p, t = rng.normal(size=(5, 3)), rng.uniform(0.5, 2, size=(5, 8)), 0.7
    dynamics = Dynamics(many_ways, p, ("a", "w", "m"), ((), (3,), (2, 2)), ("a", "b", "c"), "rk4")
    value = dynamics.field(t, x[:, None])[:, 0]
    np.testing.assert_allclose(value, evaluate(recording.outputs, x.T, p.T, t).T, rtol=1e-13)
    J = dynamics.jacobian(t, x)
    for i, row in enumerate(jacobian_rows(recording.outputs)):
        exact = evaluate(list(row.values()), x.T, p.T, t)
        np.testing.assert_allclose(J[:, i, list(row)], exact.T, rtol=1e-12, atol=1e-14)


def test_views_name_what_is_missing():
    dynamics = Dynamics(lambda t, x, p: x.nothing, np.zeros((1, 0)), state_names=("u",))
    with pytest.raises(AttributeError, match="'nothing'; there are: u"):
        dynamics.field(0.0, np.zeros((1, 1, 1)))


def test_rule_of_one_state_may_return_a_number():
    dynamics = Dynamics(lambda t, x, p: 4.0 * x[0] * (1.0 - x[0]), np.zeros((2, 0)))
    J = dynamics.jacobian(0.0, np.array([[0.1], [0.7]]))
    np.testing.assert_allclose(J[:, 0, 0], [3.2, -1.6], rtol=1e-14)
    assert math.isclose(dynamics.field(0.0, np.array([[[0.5]]]))[0, 0, 0], 1.0)
