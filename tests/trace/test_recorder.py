"""Recording: what a rule may do, and in which words everything else is refused."""

import itertools
import math
import operator
import pickle
import random
import time

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap.errors import InputError
from fastlyap.trace.evaluate import evaluate, replay
from fastlyap.trace.recorder import record

X, P = np.array([0.3, -0.7]), np.array([1.5, 0.25, 2.0])


def recorded(rule, n=2, **parameters):
    parameters = parameters or {"a": 1.5, "w": np.array([0.25, 2.0])}
    return record(rule, state_names=("u", "v")[:n], parameters=parameters)


def value(rule, t=0.0):
    return evaluate(recorded(rule).outputs, X, P, t)


def test_names_indices_slices_loops():
    def rule(t, x, p):
        first, second = x
        assert len(x) == 2 and len(p) == 2 and p.w.shape == (2,)
        total = sum(a * b for a, b in zip(p.w, x[:], strict=True))
        return first + x["v"] + x[-1] + p[0] + p["a"], total + p.w[1] + second + t

    assert value(rule, t=3.0) == pytest.approx([0.3 - 1.4 + 3.0, 0.075 - 1.4 + 2.0 - 0.7 + 3.0])


BINARY = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow, operator.mod, operator.floordiv]


@pytest.mark.parametrize("op", BINARY)
def test_operators_on_both_sides(op):
    found = value(lambda t, x, p: (op(x.u, 2), op(2.5, x.u)))
    assert found == pytest.approx([op(0.3, 2), op(2.5, 0.3)])


def test_unary_operators_and_reflected_zero():
    assert value(lambda t, x, p: (-x.u + abs(x.v), +x.u)) == pytest.approx([0.4, 0.3])
    assert recorded(lambda t, x, p: (0 + x.u, x.v)).outputs[0].op == "x"


CONDITIONS = [operator.lt, operator.le, operator.gt, operator.ge, operator.eq, operator.ne]


@pytest.mark.parametrize("op", CONDITIONS)
def test_comparisons(op):
    assert value(lambda t, x, p: (fm.where(op(x.u, 0.3), 1, 2), fm.where(op(x.v, x.u), 1, 2))).tolist() == [
        1.0 if op(0.3, 0.3) else 2.0,
        1.0 if op(-0.7, 0.3) else 2.0,
    ]


def test_conditions_combine():
    def rule(t, x, p):
        both = (x.u > 0) & (x.v < 0)
        return fm.where(both | (x.u < -5), 1, 0), fm.where(~both & True, 1, 0)

    assert value(rule).tolist() == [1.0, 0.0]


def test_where_of_a_known_condition_picks_now():
    outputs = recorded(lambda t, x, p: (fm.where(True, x.u, x.v), fm.where(np.bool_(False), x.u, x.v))).outputs
    assert [(o.op, o.value) for o in outputs] == [("x", 0), ("x", 1)]


NUMPY_NAMES = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "atan2": "arctan2", "abs": "absolute"}
UNARY = ["sin", "cos", "tan", "asin", "acos", "atan", "exp", "log", "sqrt", "cbrt", "sinh", "cosh", "tanh", "sigmoid",
         "softplus", "erf", "abs", "sign", "floor"]  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_functions_record_and_agree_with_their_value_on_numbers(name):
    function = getattr(fm, name)
    found = value(lambda t, x, p: (function(x.u), function(p.w[0] * x.u)))
    assert found == pytest.approx([function(0.3), function(0.075)], rel=1e-15)
    twin = getattr(np, NUMPY_NAMES.get(name, name), None)
    if twin is not None:
        # NumPy compares to find signs and floors of objects: there only fl.math takes arrays
        many = function if name in ("sign", "floor") else twin
        assert recorded(lambda t, x, p: (twin(x.u), many(np.asarray(x))[1])).outputs == (
            recorded(lambda t, x, p: (function(x.u), function(x.v))).outputs
        )


@pytest.mark.parametrize("name", ["atan2", "minimum", "maximum", "mod"])
def test_functions_of_two(name):
    function, twin = getattr(fm, name), getattr(np, NUMPY_NAMES.get(name, name))
    assert value(lambda t, x, p: (function(x.u, x.v), function(x.u, 0.7))) == pytest.approx(
        [function(0.3, -0.7), function(0.3, 0.7)]
    )
    assert recorded(lambda t, x, p: (twin(x.u, x.v), twin(2.0, x.v))).outputs == (
        recorded(lambda t, x, p: (function(x.u, x.v), function(2.0, x.v))).outputs
    )


def test_numpy_arithmetic_of_arrays():
    matrix = np.array([[1.0, 2.0], [3.0, 4.0]])
    expected = -X + matrix @ np.tanh(X) + 2.0 * P[1:]

    def rule(t, x, p):
        return -np.asarray(x) + matrix @ np.tanh(x) + np.float64(2.0) * p.w

    assert value(rule) == pytest.approx(expected)
    assert value(lambda t, x, p: np.array([1.0, 2.0]) * x.u + fm.sin(x.v)) == pytest.approx(
        np.array([1.0, 2.0]) * 0.3 + np.sin(-0.7)
    )
    assert value(lambda t, x, p: fm.sigmoid(np.asarray(x))) == pytest.approx(fm.sigmoid(X))


def test_constants_may_be_numpy_scalars_and_flags():
    outputs = recorded(lambda t, x, p: (x.u * np.float32(0.5) + np.array(2), x.v + np.int64(3) + True)).outputs
    assert evaluate(outputs, X, P) == pytest.approx([2.15, 3.3])


def test_sum_is_one_node_and_mean_divides_it():
    outputs = recorded(lambda t, x, p: (fm.sum(a * a for a in x), fm.mean(p.w))).outputs
    assert outputs[0].op == "sum" and len(outputs[0].args) == 2
    assert evaluate(outputs, X, P) == pytest.approx([0.58, 1.125])
    assert fm.sum([]) == 0.0 and fm.sum(np.array([1.0, 2.0])) == 3.0


RETURNS = [
    lambda t, x, p: [x.u, x.v],
    lambda t, x, p: (each for each in x),
    lambda t, x, p: np.array([x.u, x.v]),
    lambda t, x, p: x,
    lambda t, x, p: x[:],
    lambda t, x, p: map(fm.abs, x),
]


@pytest.mark.parametrize("rule", RETURNS)
def test_kinds_of_returned_sequences(rule):
    assert len(recorded(rule).outputs) == 2


def test_one_dimension_needs_no_tuple():
    assert record(lambda t, x, p: 2 * x.u, state_names=("u",), parameters={}).outputs[0].op == "mul"


def test_matrix_parameters_are_read_by_two_indices():
    recording = recorded(lambda t, x, p: (p.J[0, 1] * x.u + p.c, p.J[1][0]), J=np.eye(2), c=1.0)
    assert recording.parameter_shapes == ((2, 2), ()) and recording.n_parameters == 5
    assert evaluate(recording.outputs, X, np.arange(5.0)).tolist() == [4.3, 2.0]


REFUSED = {
    "if": (lambda t, x, p: (x.u if x.u > 0 else x.v, 0), "fl.math.where"),
    "min": (lambda t, x, p: (min(x.u, x.v), 0), "fl.math.minimum"),
    "and": (lambda t, x, p: (fm.where(x.u > 0 and x.v > 0, 1, 0), 0), "&"),
    "in": (lambda t, x, p: (1 if x.u in (0.0, 1.0) else 0, 0), "branch"),
    "math": (lambda t, x, p: (math.sin(x.u), 0), "fl.math.sin"),
    "float": (lambda t, x, p: (float(x.u), 0), r"float\(\)"),
    "int": (lambda t, x, p: (int(x.u), 0), "fl.math.floor"),
    "range": (lambda t, x, p: (sum(range(x.u)), 0), "index or a loop bound"),
    "complex": (lambda t, x, p: (complex(x.u), 0), "real and imaginary"),
    "complex constant": (lambda t, x, p: (x.u * 1j, 0), "complex"),
    "iterate": (lambda t, x, p: tuple(x.u), "taken apart"),
    "np.where": (lambda t, x, p: (np.where(x.u > 0, 1, 2), 0), "fl.math.where"),
    "hypot": (lambda t, x, p: (np.hypot(x.u, x.v), 0), "np.hypot"),
    "out": (lambda t, x, p: (np.add(x.u, 1.0, dtype=float), 0), "without `out`"),
    "state": (lambda t, x, p: (x.z, 0), "no state `z`; there are: u, v"),
    "parameter": (lambda t, x, p: (p.b, 0), "no parameter `b`; there are: a, w"),
    "index": (lambda t, x, p: (x[2], 0), "state 2 does not exist"),
    "key": (lambda t, x, p: (x[1.5], 0), "name or whole number"),
    "assign": (lambda t, x, p: setattr(x, "u", 1.0), "read only"),
    "assign item": (lambda t, x, p: operator.setitem(x, 0, 1.0), "read only"),
    "string": (lambda t, x, p: (x.u + "1", 0), "real numbers"),
    "array constant": (lambda t, x, p: (np.ones(2), 0), "real numbers"),
    "huge": (lambda t, x, p: (x.u + 10**400, 0), "fit a float64"),
    "condition as number": (lambda t, x, p: ((x.u > 0) * 1.0, 0), "TypeError"),
    "condition returned": (lambda t, x, p: (x.u > 0, 0), "not a number"),
    "number as condition": (lambda t, x, p: (fm.where(x.u, 1, 0), 0), "must be a comparison"),
    "number in logic": (lambda t, x, p: (fm.where((x.u > 0) & x.v, 1, 0), 0), "combine conditions"),
    "modular power": (lambda t, x, p: (pow(x.u, 2, 3), 0), "fl.math.mod"),
    "none": (lambda t, x, p: None, "returned None"),
    "dict": (lambda t, x, p: {"u": 1, "v": 2}, "got dict"),
    "matrix": (lambda t, x, p: np.ones((2, 1)), r"shape \(2, 1\)"),
    "too few": (lambda t, x, p: (x.u,), r"2 value\(s\), one per state, got 1"),
    "arity": (lambda x, t: (0, 0), r"rule\(t, x, p\)"),
    "raises": (lambda t, x, p: (1 / 0, 0), "ZeroDivisionError"),
    "random": (lambda t, x, p: (random.random() * x.u, 0), "second time"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refusals_say_what_to_use(case):
    rule, words = REFUSED[case]
    with pytest.raises(InputError, match=words):
        recorded(rule)


def test_errors_quote_file_and_line_of_the_user():
    def helper(a):
        return a.nothing

    def rule(t, x, p):
        return helper(x), 0

    line = helper.__code__.co_firstlineno + 1
    with pytest.raises(InputError, match=rf"test_recorder.py, line {line}\)"):
        recorded(rule)


def test_endless_recursion_is_told():
    def rule(t, x, p):
        return rule(t, x, p)

    with pytest.raises(InputError, match="without end"):
        recorded(rule)


def test_changing_state_outside_is_found():
    calls = itertools.count()
    with pytest.raises(InputError, match="second time"):
        recorded(lambda t, x, p: (x.u * next(calls), x.v))


def test_digest_sees_one_bit_helpers_and_closures():
    factor = 3.9

    def helper(a):
        return factor * a

    def rule(t, x, p):
        return helper(x.u), x.v

    first = recorded(rule).digest
    assert recorded(rule).digest == first
    factor += 1e-15
    assert recorded(rule).digest != first


def test_recordings_pickle_to_the_same_nodes():
    recording = recorded(lambda t, x, p: (fm.sin(x.u) * p.w[1], x.v - t))
    again = pickle.loads(pickle.dumps(recording))
    assert again == recording and again.outputs[0] is recording.outputs[0]


def test_long_python_sums_are_refused_with_advice(monkeypatch):
    monkeypatch.setattr("fastlyap.trace.recorder.LONGEST_SUM", 1_000)
    with pytest.raises(InputError, match="fl.math.sum"):
        recorded(lambda t, x, p: (sum(x.u * i for i in range(1, 1_500)), x.v))
    assert recorded(lambda t, x, p: (fm.sum(x.u * i for i in range(1, 1_500)), x.v))


def test_recording_takes_time_proportional_to_the_rule():
    """Sixteen times the states, sixteen times the work; quadratic algorithms would take 256 times as long."""

    def seconds(n):
        def lorenz96(t, x, p):
            return [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F for i in range(n)]

        times = []
        for _ in range(5):
            start = time.process_time()
            record(lorenz96, state_names=[f"x{i}" for i in range(n)], parameters={"F": 8.0})
            times.append(time.process_time() - start)
        return min(times)

    assert seconds(1600) < 64 * seconds(100)


def test_replay_runs_a_recording_on_other_kinds_of_numbers():
    recording = recorded(lambda t, x, p: (fm.where(x.u > 0, x.u, 0) % 0.2, fm.sum(x) ** 2))
    assert replay(recording.outputs, X.tolist(), P.tolist()) == pytest.approx([0.1, 0.16])
    many = evaluate(recording.outputs, np.ones((2, 5, 3)), P)
    assert many.shape == (2, 5, 3)
    complex_found = evaluate(recorded(lambda t, x, p: (fm.sin(x.u), x.v**3)).outputs, X + 1e-30j, P)
    assert complex_found.imag / 1e-30 == pytest.approx([np.cos(0.3), 3 * 0.49])


def test_numbers_of_fl_math_agree_with_numpy():
    assert fm.mod(-1e-20, 1.0) == 0.0 and fm.mod(-0.25, 1.0) == 0.75
    assert fm.softplus(1e4) == 1e4 and fm.sigmoid(-1e4) == 0.0 and fm.sigmoid(1e4) == 1.0
    assert fm.minimum(np.nan, 1.0) is not None and np.isnan(fm.minimum(np.nan, 1.0))
    assert fm.pi == math.pi and fm.log(0.0) == -np.inf and np.isnan(fm.sqrt(-1.0))
