"""Derivatives of graphs, with SymPy and complex steps as witnesses."""

import functools
import operator
import time

import numpy as np
import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlyap import math as fm
from fastlyap.trace.derivatives import divergence, jacobian_rows, local_partials
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.graph import constant, leaf, make, topological
from fastlyap.trace.recorder import record
from fastlyap.trace.reverse import gradient

# name: (ours, SymPy's)
SMOOTH = {
    "sin": (fm.sin, sympy.sin), "cos": (fm.cos, sympy.cos), "tan": (fm.tan, sympy.tan), "exp": (fm.exp, sympy.exp),
    "asin": (lambda a: fm.asin(a / (1 + a * a)), lambda a: sympy.asin(a / (1 + a * a))),
    "acos": (lambda a: fm.acos(a / (1 + a * a)), lambda a: sympy.acos(a / (1 + a * a))),
    "atan": (fm.atan, sympy.atan), "log": (lambda a: fm.log(1 + a * a), lambda a: sympy.log(1 + a * a)),
    "sqrt": (lambda a: fm.sqrt(1 + a * a), lambda a: sympy.sqrt(1 + a * a)),
    "cbrt": (lambda a: fm.cbrt(2 + fm.sin(a)), lambda a: sympy.cbrt(2 + sympy.sin(a))),
    "sinh": (fm.sinh, sympy.sinh), "cosh": (fm.cosh, sympy.cosh), "tanh": (fm.tanh, sympy.tanh),
    "sigmoid": (fm.sigmoid, lambda a: 1 / (1 + sympy.exp(-a))),
    "softplus": (fm.softplus, lambda a: sympy.log(1 + sympy.exp(a))), "erf": (fm.erf, sympy.erf),
    "neg": (operator.neg, operator.neg), "square": (lambda a: a**2, lambda a: a**2),
    "inverse": (lambda a: (1 + a * a) ** -1, lambda a: 1 / (1 + a * a)),
    "fractional": (lambda a: (1 + a * a) ** 1.5, lambda a: (1 + a * a) ** sympy.Rational(3, 2)),
}  # fmt: skip
BINARY = {
    "add": (operator.add,) * 2, "sub": (operator.sub,) * 2, "mul": (operator.mul,) * 2,
    "div": (lambda a, b: a / (2 + fm.sin(b)), lambda a, b: a / (2 + sympy.sin(b))),
    "pow": (lambda a, b: (2 + fm.cos(a)) ** fm.tanh(b), lambda a, b: (2 + sympy.cos(a)) ** sympy.tanh(b)),
    "atan2": (lambda a, b: fm.atan2(a, 3 + b * b), lambda a, b: sympy.atan2(a, 3 + b * b)),
    "sum": (lambda a, b: fm.sum([a, b, a]), lambda a, b: a + b + a),
}  # fmt: skip
LEAVES = st.one_of(st.sampled_from(["u", "v", "q", "t"]), st.floats(-2, 2).map(lambda c: round(c, 3)))
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(sorted(SMOOTH)), inner), st.tuples(st.sampled_from(sorted(BINARY)), inner, inner)
    ),
    max_leaves=6,
)
POINT = {"u": 0.37, "v": -0.81, "q": 1.23, "t": 0.5}


def build(tree, names, which):
    if isinstance(tree, tuple):
        table = SMOOTH if len(tree) == 2 else BINARY
        return table[tree[0]][which](*[build(t, names, which) for t in tree[1:]])
    return names.get(tree, tree) if isinstance(tree, str) else tree


def recorded(rule, n=2, parameters=("q",)):
    return record(rule, state_names=[f"x{i}" for i in range(n)], parameters=dict.fromkeys(parameters, 1.0))


def entries(recording, wrt="x"):
    x, p = np.array([POINT["u"], POINT["v"]]), np.array([POINT["q"]])
    size = 2 if wrt == "x" else 1
    out = np.zeros((len(recording.outputs), size))
    for i, row in enumerate(jacobian_rows(recording.outputs, wrt)):
        out[i, list(row)] = evaluate(list(row.values()), x, p, POINT["t"])
    return out


@settings(max_examples=60, deadline=None, derandomize=True)
@given(TREES)
def test_random_expressions_against_sympy(tree):
    agrees_with_sympy(tree)


@pytest.mark.parametrize("name", [*SMOOTH, *BINARY])
def test_every_function_against_sympy(name):
    inner = ("mul", "u", ("add", "v", "q"))
    agrees_with_sympy((name, inner) if name in SMOOTH else (name, inner, ("sub", "v", "t")))


def agrees_with_sympy(tree):
    """Jacobian rows by states and parameters, and the reverse rule, against SymPy's derivatives."""

    def rule(t, x, p):
        return build(tree, {"u": x[0], "v": x[1], "q": p.q, "t": t}, 0), 0.0

    symbols = {name: sympy.Symbol(name, real=True) for name in POINT}
    formula = sympy.sympify(build(tree, symbols, 1))
    values = {symbols[name]: sympy.Float(value, 40) for name, value in POINT.items()}
    expected = [float(sympy.N(sympy.diff(formula, symbols[name]).subs(values), 30)) for name in ("u", "v", "q")]
    if max(map(abs, expected)) > 1e6:
        return  # towers of exponentials: rounding alone decides
    recording = recorded(rule)
    found = np.concatenate([entries(recording)[0], entries(recording, "p")[0]])
    scale = 1.0 + np.max(np.abs(expected)) + abs(float(sympy.N(formula.subs(values))))
    assert np.allclose(found, expected, rtol=1e-9, atol=1e-11 * scale)
    weights = [constant(1.0), constant(-3.0)]
    for wrt, part in (("x", slice(0, 2)), ("p", slice(2, 3))):
        back = np.zeros(part.stop - part.start)
        row = gradient(recording.outputs, weights, wrt)
        back[list(row)] = evaluate(list(row.values()), [POINT["u"], POINT["v"]], [POINT["q"]], POINT["t"])
        assert np.allclose(back, found[part], rtol=1e-9, atol=1e-11 * scale)


def at(function, *points):
    """Derivatives of a function of two states at points (a, b)."""
    recording = recorded(lambda t, x, p: (function(x[0], x[1]), 0))
    row = jacobian_rows(recording.outputs)[0]
    result = []
    for point in points:
        full = np.zeros(2)
        full[list(row)] = evaluate(list(row.values()), point, [1.0])
        result.append(full.tolist())
    return result


def test_kinks_follow_the_conventions():
    assert at(lambda a, b: fm.mod(a, 1.0), (0.25, 0), (2.0, 0), (-0.25, 0)) == [[1, 0]] * 3
    assert at(lambda a, b: a % b, (7.5, 2.0)) == [[1, -3]]
    assert at(lambda a, b: fm.floor(a) + fm.sign(b) + a // b, (0.5, 1.0), (0.0, 1.0)) == [[0, 0]] * 2
    assert at(lambda a, b: abs(a), (-2.0, 0), (0.0, 0), (3.0, 0)) == [[-1, 0], [0, 0], [1, 0]]
    assert at(fm.minimum, (1.0, 2.0), (2.0, 1.0), (1.0, 1.0)) == [[1, 0], [0, 1], [1, 0]]
    assert at(fm.maximum, (1.0, 2.0), (2.0, 1.0), (1.0, 1.0)) == [[0, 1], [1, 0], [1, 0]]
    assert at(lambda a, b: fm.where(a < b, 2 * a, 3 * b), (1.0, 2.0), (2.0, 1.0)) == [[2, 0], [0, 3]]


def test_second_derivatives_at_kinks_are_zero():
    for function in (fm.abs, fm.floor, fm.sign, lambda a: fm.minimum(a, 1.0), lambda a: a % 1.0):
        first = jacobian_rows(recorded(lambda t, x, p, f=function: (f(x[0]), 0)).outputs)[0]
        assert jacobian_rows(list(first.values())) == ({},) * len(first)


def test_an_infinite_derivative_of_the_branch_not_taken_does_not_leak():
    assert at(lambda a, b: fm.where(a > 0, fm.sqrt(a), 0.0), (0.0, 0), (4.0, 0)) == [[0, 0], [0.25, 0]]
    assert at(lambda a, b: fm.where(a > 0, a * fm.log(a), b), (0.0, 5.0)) == [[0, 1]]


def test_powers():
    assert at(lambda a, b: a**2, (3.0, 0), (0.0, 0)) == [[6, 0], [0, 0]]
    assert at(lambda a, b: a**1 + a**0, (0.0, 0)) == [[1, 0]]
    assert at(lambda a, b: a**-2, (2.0, 0)) == [[-0.25, 0]]
    assert at(lambda a, b: a**0.5, (4.0, 0)) == [[0.25, 0]]
    assert at(lambda a, b: a**b, (0.0, 2.0)) == [[0, 0]]


def test_only_structural_nonzeros_and_no_needless_work():
    recording = recorded(lambda t, x, p: (3 * x[0] + p.q, fm.floor(x[0]) + x[1] * 0.0 - (-x[1])))
    rows = jacobian_rows(recording.outputs)
    assert rows[0] == {0: constant(3.0)} and rows[1] == {1: constant(1.0)}
    assert jacobian_rows(recording.outputs, "p") == ({0: constant(1.0)}, {})
    assert local_partials(make("floor", leaf("x", 0))) == (constant(0.0),)


def test_divergence_is_the_trace():
    recording = recorded(lambda t, x, p: (x[0] ** 2 * x[1], fm.sin(x[1]) * p.q))
    expected = 2 * POINT["u"] * POINT["v"] + np.cos(POINT["v"]) * POINT["q"]
    found = evaluate([divergence(recording.outputs)], [POINT["u"], POINT["v"]], [POINT["q"]])
    assert found == pytest.approx([expected], rel=1e-15)
    assert divergence(recorded(lambda t, x, p: (x[1], x[0])).outputs) is constant(0.0)


def test_sums_stay_reductions():
    def kuramoto(t, x, p):
        return [p.q * fm.sum(fm.sin(other - each) for other in x) for each in x]

    rows = jacobian_rows(recorded(kuramoto, n=6).outputs)
    assert [len(row) for row in rows] == [6] * 6
    assert any(node.op == "sum" for node in topological(list(rows[0].values())))
    x = np.linspace(0.0, 2.0, 6)
    found = np.array([evaluate([row[j] for j in range(6)], x, [0.7]) for row in rows])
    expected = 0.7 * np.cos(x[None] - x[:, None])
    np.fill_diagonal(expected, expected.diagonal() - expected.sum(1))
    assert np.allclose(found, expected, rtol=0, atol=1e-14)


def test_large_sparse_jacobians_are_quick():
    n = 1000
    recording = record(
        lambda t, x, p: [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F for i in range(n)],
        state_names=[f"x{i}" for i in range(n)],
        parameters={"F": 8.0},
    )
    times = []
    for _ in range(3):
        start = time.perf_counter()
        rows = jacobian_rows(recording.outputs)
        times.append(time.perf_counter() - start)
    assert sum(map(len, rows)) == 4 * n
    assert min(times) < 0.3  # 0.02 s on a quiet machine


def test_deep_chains_differentiate():
    recording = recorded(lambda t, x, p: (functools.reduce(lambda a, _: fm.sin(a), range(5_000), x[0]), 0))
    row = jacobian_rows(recording.outputs)[0]
    assert np.isfinite(evaluate([row[0]], [0.5, 0.0], [1.0])[0])
    back = gradient(recording.outputs, [constant(1.0), constant(0.0)])
    assert evaluate([back[0]], [0.5, 0.0], [1.0]) == pytest.approx(evaluate([row[0]], [0.5, 0.0], [1.0]), rel=1e-10)
