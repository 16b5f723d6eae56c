"""Larger systems become loops over templates that compute what the graph says, and do not grow with the system."""

import math
import random
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlyap import math as fm
from fastlyap.kernel import lanes
from fastlyap.trace.cuts import LONG, widen
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.recorder import record
from fastlyap.trace.reroll import roll, roll_segments
from fastlyap.trace.rows_printer import print_rows_functions

NAMES = {name: getattr(lanes, name) for name in "both either like maximum minimum negate select".split()}
ELEMENTARY = types.SimpleNamespace(**{name: getattr(fm, name) for name in fm.__all__}, pow=np.power)
SHAPES = (
    fm.sin, fm.cos, fm.tanh, fm.sigmoid, fm.abs, fm.sign, lambda a: a, lambda a: a * a, lambda a: a**3,
    lambda a: fm.exp(-a * a), lambda a: 1 / (2 + fm.cos(a)), lambda a: (2 + fm.sin(a)) ** 1.7,
    lambda a: fm.sqrt(1 + a * a), lambda a: fm.mod(a, 1.3), lambda a: fm.minimum(a, 0.5 * a + 0.1),
    lambda a: fm.where((a > 0.3) | (a < -1), a, 2 * fm.sin(a)), lambda a: fm.atan2(a, 1.5), lambda a: (a // 0.7) * a,
)  # fmt: skip


def system(rule, n, **parameters):
    """The recording of a rule of n states."""
    return record(rule, state_names=[f"x{i}" for i in range(n)], parameters=parameters)


def lorenz96(n):
    return system(lambda t, x, p: [(x[(i + 1) % n] - x[i - 2]) * x[i - 1] - x[i] + p.F for i in range(n)], n, F=8.0)


def mean_field(n, total=fm.sum):
    """Kuramoto's oscillators coupled through their mean."""

    def rule(t, x, p):
        c, s = total([fm.cos(a) for a in x]) / n, total([fm.sin(a) for a in x]) / n
        return [p.w[i] + p.K * (s * fm.cos(x[i]) - c * fm.sin(x[i])) for i in range(n)]

    return system(rule, n, w=np.ones(n), K=1.5)


def pairs(n):
    """The same, written as a sum over pairs."""
    return system(
        lambda t, x, p: [p.w[i] + p.K / n * sum(fm.sin(x[j] - x[i]) for j in range(n) if j != i) for i in range(n)],
        n, w=np.ones(n), K=1.5,
    )  # fmt: skip


def cascade(n):
    """Each component uses the sum of all before it."""

    def rule(t, x, p):
        total, out = 0.0, []
        for i in range(n):
            total = total + fm.sin(x[i]) * x[(i + 3) % n] * x[i // 2]
            out.append(fm.cos(total) - p.b * x[i])
        return out

    return system(rule, n, b=0.5)


def layers(n):
    """Dense constant weights, twice."""
    W, V = np.random.default_rng(0).standard_normal((2, n, n))
    return system(lambda t, x, p: V @ np.tanh(W @ np.asarray(x)) - p.b * np.asarray(x), n, b=0.5)


@st.composite
def made_up(draw):
    """A random rule: stencils, random networks, fields, time, parameter arrays, constants of all kinds."""
    n, seed = draw(st.integers(9, 40)), draw(st.integers(0, 2**32))
    use = {name: draw(st.booleans()) for name in ("stencil", "network", "field", "driven", "blocks", "builtin")}
    pick = random.Random(seed)
    f = [pick.choice(SHAPES) for _ in range(6)]
    offsets = [pick.randint(-3, 3) for _ in range(pick.randint(1, 4))]
    neighbours = [[pick.randrange(n) for _ in range(pick.randint(0, 2 * LONG))] for _ in range(n)]
    weights = [[pick.choice([1.0, -1.0, 2.0, pick.random()]) for _ in found] for found in neighbours]
    total = sum if use["builtin"] else fm.sum

    def rule(t, x, p):
        field = total([f[0](a) for a in x]) / n
        other = total([p.a[j] * f[1](x[j]) * field for j in range(n)])
        out = []
        for i in range(n):
            e = p.a[i] * f[5](x[i]) if use["blocks"] and i % 3 == 0 else -x[i] * p.b
            if use["stencil"]:
                for m, d in enumerate(offsets):
                    e = e + f[m % 3](x[(i + d) % n]) * p.a[(i + 1) % n] * f[3](x[(i + offsets[0]) % n])
            if use["network"] and neighbours[i]:
                e = e + total([w * f[4](x[j] - x[i]) for w, j in zip(weights[i], neighbours[i], strict=True)])
            if use["field"]:
                e = e + f[2](field * x[i]) * other
            if use["driven"]:
                e = e + fm.cos(2.0 * t) * p.a[0] * x[(i + 1) % n]
            out.append(e)
        return out

    return system(rule, n, a=np.ones(n), b=1.0), seed


def functions(recording):
    """(the printed functions as plain Python, rows of a block, text)."""
    text, m = print_rows_functions(recording)
    names = {"np": np, "kernel": lambda f: f, "f": ELEMENTARY, "inf": math.inf, "nan": math.nan, **NAMES}
    exec(text, names)
    return types.SimpleNamespace(**{name: names[name] for name in (
        "rule", "linearise", "tangent", "adjoint", "divergence", "stage", "add")}), m, text  # fmt: skip


def dense(recording, x, p, t):
    """The Jacobian as an array, from the graph."""
    J = np.zeros((recording.dim, recording.dim))
    for i, row in enumerate(jacobian_rows(recording.outputs)):
        if row:
            J[i, list(row)] = evaluate(list(row.values()), x, p, t)
    return J


def check(recording, seed=0):
    """Compare every printed function with the graph; a block may not be written outside its rows."""
    f, m, _ = functions(recording)
    n, o, t, rng = recording.dim, 3, np.float64(0.7), np.random.default_rng(seed)
    x, v, w, r, p = (rng.standard_normal(size) for size in (n, n, n, n, max(1, recording.n_parameters)))
    p += 1.5
    wanted, A = evaluate(recording.outputs, x, p, t), dense(recording, x, p, t)
    block = np.full(o + m + 4, np.nan)
    out = np.full(n, np.nan)

    def same(found, value):
        scale = 1 + np.abs(A).max() + np.abs(value).max()
        np.testing.assert_allclose(found, value, rtol=1e-10, atol=1e-11 * n * scale)

    with np.errstate(all="ignore"):
        same(f.rule(t, x, p, block, o, out), wanted)
        block[:] = out[:] = np.nan
        same(f.linearise(t, x, p, block, o, out), wanted)
        x[:] = np.nan  # what the tangents need must be in the block by now
        same(f.tangent(block, o, p, v, out), A @ v)
        same(f.adjoint(block, o, p, w, out), A.T @ w)
        assert w @ (A @ v) == pytest.approx(out @ v, rel=1e-9, abs=1e-9 * n * (1 + np.abs(A).max()))
        same(f.divergence(block, o, p), np.trace(A))
        R, Y = np.empty((2, n))
        f.stage(block, o, p, v, w, r, 0.3, 0.7, R, Y, None)
        same(R, r + 0.3 * (A @ v))
        same(Y, w + 0.7 * (A @ v))
        same(f.add(block, o, p, v, r, 0.3, R, None), r + 0.3 * (A @ v))
    assert np.isnan(block[:o]).all() and np.isnan(block[o + m :]).all()


@given(made_up())
def test_made_up_rules(made):
    check(*made)


@pytest.mark.parametrize("made", [lorenz96, mean_field, pairs, cascade, layers])
@pytest.mark.parametrize("n", [9, 13, 30])
def test_known_rules(made, n):
    check(made(n))


def test_components_that_depend_on_nothing_or_on_one_another_only():
    check(system(lambda t, x, p: [1.0, x[0], p.a, t, x[4], x[4], 0.0, fm.exp(x[1]), fm.exp(x[1]), -x[9]], 10, a=2.0))
    check(system(lambda t, x, p: [p.a * fm.cos(t)] * 10, 10, a=2.0))
    check(system(lambda t, x, p: [x[(7 * i) % 31] for i in range(31)], 31))


def test_infinite_constants():
    check(system(lambda t, x, p: [fm.minimum(a, math.inf) + fm.maximum(a, -math.inf) for a in x], 9))


@pytest.mark.parametrize("made", [lorenz96, mean_field, pairs])
def test_text_does_not_grow(made):
    small, large = (functions(made(n))[2].count("\n") for n in (40, 60))
    assert small == large


def test_lorenz96_keeps_its_state_only():
    f, m, text = functions(lorenz96(40))
    assert m == 40 + 1
    body = text[text.index("def stage(") : text.index("def add(")]
    assert body.count("for ") == 2  # the interior, and the borders
    interior = body[: body.index("for r_")]
    loop = interior[interior.index("for g_") :]
    assert loop.count("= J[") == 1 and loop.count("= w[") == 1  # all neighbours stay in registers


@pytest.mark.parametrize("total", [fm.sum, sum])
def test_a_mean_field_is_one_number(total):
    n = 50
    cuts, _ = widen(mean_field(n, total).outputs, n)
    assert len(cuts) == 2
    assert functions(mean_field(n, total))[1] < 4 * n


def test_pairs_are_cut_into_sums():
    cuts, outputs = widen(pairs(20).outputs, 20)
    assert len(cuts) == 20 and all(cut.op == "sum" and len(cut.args) == 19 for cut in cuts)


tables = st.integers(1, 4).flatmap(
    lambda columns: st.lists(st.lists(st.integers(0, 9), min_size=columns, max_size=columns), min_size=1, max_size=60)
)


def walked(loop, runs=None):
    """The rows a loop goes through."""
    return [
        (loop.bases[r] + step * loop.strides).tolist()
        for r in range(*(runs or (len(loop.lengths),)))
        for step in range(loop.lengths[r])
    ]


@given(tables, st.booleans(), st.integers(0, 30))
def test_loops_cover_a_table(rows, ordered, regular):
    rows = rows + [[i + c for c in range(len(rows[0]))] for i in range(regular)]
    loops = roll(np.array(rows), ordered=ordered)
    found = [row for loop in loops for row in walked(loop)]
    assert found == rows if ordered else sorted(found) == sorted(rows)


@given(tables, st.lists(st.integers(0, 60), max_size=5))
def test_loops_cover_segments(rows, cuts):
    starts = [0, *sorted(min(cut, len(rows)) for cut in cuts)]
    loop, first = roll_segments(np.array(rows), starts)
    for s, (start, end) in enumerate(zip(starts, [*starts[1:], len(rows)], strict=True)):
        assert walked(loop, (first[s], first[s + 1])) == rows[start:end]


def test_slopes_of_functions_that_many_rows_read_are_kept_once():
    """A full matrix behind tanh: its entries stay constants, so the block grows like the states, not their square."""
    n = 20
    J = np.random.default_rng(3).standard_normal((n, n))

    def layer(t, x, p):
        return J @ fm.tanh(np.asarray(x))

    _, m = print_rows_functions(record(layer, state_names=[f"x{i}" for i in range(n)], parameters={}))
    assert m <= 6 * n
