"""The module of a noisy system for kernel differentiation: the score of a step is one more output of its rule.

A step x' = step(x, theta) + s(x, theta) V w, w the normals with variance v, has the score
B' (V+' w / s) / v + s_theta (w^2 / v - 1) / s by theta, B = d step / d theta. Both are expressions like any other, so
that the state (x, score) is advanced by one function, which shares what rule and derivative have in common; nothing
is linearised, no covector is carried. Steps of flows are composed from their rule for that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastlyap.kernel import layout
from fastlyap.trace.cuts import rebuild
from fastlyap.trace.derivatives import HALF, ONE, TWO, ZERO, jacobian_rows, minus, over, plus, times
from fastlyap.trace.foreign_objective import ForeignObjective, expected
from fastlyap.trace.graph import Node, constant, leaf, make, topological
from fastlyap.trace.module import PRINTERS, Module, head
from fastlyap.trace.noise import increments, lowered
from fastlyap.trace.printer import function, print_rule
from fastlyap.trace.recorder import Recording
from fastlyap.trace.reverse import gradient
from fastlyap.trace.rows_printer import print_rows_rule
from fastlyap.trace.score import SCALES, tables
from fastlyap.trace.sensitivity import form_of, renamed

_ENTRIES = '''import math

from fastlyap.kernel import layout, likelihood, sensitivity, stochastic
from fastlyap.kernel.lanes import slot, wide


@kernel
def stepper(model, t, dt, S, A, P, W, k, full, rtol, atol):
    stochastic.draw({n}, {q}, {at}, S, P, like(S[0], {scale}))
    put(S, 0, step_rule(like(S[0], t), get(S, 0), P, W, 0, slot(W, {m}, {n})))


@entry
def observe_orbit(S, A, P, W, F, lo, hi, own, count, t0, dt, first, n_steps, radius, rtol, atol):
    for b in range(lo, hi):
        sensitivity.observe_orbit(None, stepper, observe, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(F[b]),
                                  own, count, t0, dt, first, n_steps, radius, rtol, atol)


@entry
def wander(S, A, P, W, X, lo, hi, own, t0, dt, first, n_steps, stride, radius, rtol, atol):
    for b in range(lo, hi):
        sensitivity.wander(None, stepper, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(X[b]), own, t0, dt, first,
                           n_steps, stride, radius, rtol, atol)


@entry
def feed_end(S, P, W, lo, hi, k, t, weight):
    for b in range(lo, hi):
        feed(t, weight, rows(S[b]), k, rows(P[b]), rows(W))


@entry
def score_orbit(S, A, P, W, F, lo, hi, count, columns, each, feeds, t0, dt, first, n_steps, radius):
    for b in range(lo, hi):
        likelihood.score_orbit(stepper, observe, feed, rows(S[b]), rows(A[b]), rows(P[b]), rows(W), rows(F[b]), {own},
                               {n}, count, columns, each, feeds, t0, dt, first, n_steps, radius)
'''


def step_rows(system: Any) -> tuple[int, int]:
    """The rows of P, behind the normals of a step, that hold the length of a step and 1 / variance of the normals."""
    first = system.flat_parameters.size + layout.KEYS + system.noise_count
    return first, first + 1


def _moved(outputs: Sequence[Node], state: Sequence[Node], t: Node) -> list[Node]:
    """The outputs at another state and time."""
    new: dict[Node, Node] = {}
    for node in topological(outputs):
        new[node] = state[node.value] if node.op == "x" else t if node.op == "t" else rebuild(node, new)
    return [new[output] for output in outputs]


def _stepped(outputs: Sequence[Node], n: int, integrator: str, h: Node) -> list[Node]:
    """The state after a step of length h, without noise."""
    x = [leaf("x", i) for i in range(n)]
    if integrator == "map":
        return list(outputs)

    def ahead(a: Node, k: Sequence[Node]) -> list[Node]:
        return [plus(xi, times(a, ki)) for xi, ki in zip(x, k, strict=True)]

    if integrator == "euler":
        return ahead(h, outputs)
    t, half = leaf("t"), times(HALF, h)
    a = list(outputs)
    b = _moved(outputs, ahead(half, a), plus(t, half))
    c = _moved(outputs, ahead(half, b), plus(t, half))
    d = _moved(outputs, ahead(h, c), plus(t, h))
    sums = [plus(plus(a[i], d[i]), times(TWO, plus(b[i], c[i]))) for i in range(n)]
    return ahead(over(h, constant(6.0)), sums)


def _ratio(a: Node, s: Node) -> Node:
    """a / s, and 0 where the noise has no size."""
    if s.op == "const":
        return ZERO if s.value == 0.0 else over(a, s)
    none = make("eq", s, ZERO)
    return make("where", none, ZERO, make("div", a, make("where", none, ONE, s)))


def _by_parameters(outputs: Sequence[Node], weights: Sequence[Node]) -> dict[int, Node]:
    """sum_i weights[i] d outputs[i] / d p[j]; branches that are not taken may have infinite derivatives."""
    if not any(node.op in ("where", "minimum", "maximum") for node in topological(outputs)):
        return gradient(outputs, weights, "p")
    total: dict[int, Node] = {}
    for weight, row in zip(weights, jacobian_rows(outputs, "p"), strict=True):
        for j, entry in row.items():
            total[j] = plus(total.get(j, ZERO), times(weight, entry))
    return total


def scored(system: Any, columns: Sequence[int], integrator: str) -> Recording:
    """The state after a step, noise included, and the scores by flat parameters `columns`; normals are parameters."""
    n, q = system.dim, system.noise_count
    h, precision = (leaf("p", row) for row in step_rows(system))
    if integrator == "map":
        precision = ONE
    plain = _stepped(system.recording.outputs, n, integrator, h)
    directions = system.noise_directions
    found = system.noise_recording.outputs
    sizes = tuple(found) * n if len(found) == 1 else tuple(found)
    normals = [leaf("w", i) for i in range(q)]
    given = Recording(n, sizes, system.recording.parameter_names, system.recording.parameter_shapes)
    pushes = increments(None, given, None if directions is None else tuple(map(tuple, directions)))
    excess = [minus(times(times(w, w), precision), ONE) for w in normals]
    if directions is None:
        weights, own = normals, [_ratio(e, s) for e, s in zip(excess, sizes, strict=True)]
    else:
        weights, total = [], ZERO
        for row in tables(directions, n)[0]:
            weights.append(_combined([times(constant(float(v)), w) for v, w in zip(row, normals, strict=True)]))
        total = _combined(excess)
        own = [_ratio(total, sizes[0]), *[ZERO] * (n - 1)]
    weights = [times(_ratio(w, s), precision) for w, s in zip(weights, sizes, strict=True)]
    drift, spread = _by_parameters(plain, weights), _by_parameters(sizes, own)
    after = [plus(x, push) for x, push in zip(plain, pushes, strict=True)]
    scores = [plus(drift.get(j, ZERO), spread.get(j, ZERO)) for j in columns]
    first = system.flat_parameters.size + layout.KEYS
    outputs = lowered([*after, *scores], first)
    return Recording(n + len(columns), outputs, given.parameter_names, given.parameter_shapes)


def _combined(terms: Sequence[Node]) -> Node:
    total = ZERO
    for term in terms:
        total = plus(total, term)
    return total


def sloped(objective: Recording, columns: Sequence[int]) -> Recording:
    """An objective, and its derivatives by the parameters alone in the places of the scores."""
    n = objective.dim
    slopes = jacobian_rows(objective.outputs, "p")[0]
    outputs = (objective.outputs[0], *[ZERO] * (n - 1), *[slopes.get(j, ZERO) for j in columns])
    return Recording(n + len(columns), outputs, objective.parameter_names, objective.parameter_shapes)


def has_slope(objective: Recording | ForeignObjective, columns: Sequence[int]) -> bool:
    """Whether an objective depends on these parameters by itself."""
    if isinstance(objective, ForeignObjective):
        return objective.explicit
    return any(column in jacobian_rows(objective.outputs, "p")[0] for column in columns)


def _print(prefix: str, recording: Recording, form: str) -> tuple[str, int]:
    """The rule of a recording as `prefix`_rule, and the rows of scratch it takes."""
    text, m = (print_rule(recording), 0) if form == "tuples" else print_rows_rule(recording)
    return renamed(text, prefix), m


def _added(objective: Recording, call: str, own: int, o: int) -> list[str]:
    """The lines that add an objective's own slopes to the vector at row `o`."""
    there = [i for i in range(own, objective.dim) if objective.outputs[i] is not ZERO]
    lines = [f"S[{o + i}] = S[{o + i}] + like(S[0], weight) * f[{i}]" for i in there]
    return [f"f = {call}", *lines] if lines else []


def assemble_likelihood(
    system: Any, objectives: Sequence[Any], columns: Sequence[int], integrator: str, width: int
) -> Module:  # fmt: skip
    """The module; the objectives are on the states and parameters of the system as it is."""
    own, n = system.dim, system.dim + len(columns)
    form = form_of(n)
    step, m = _print("step", scored(system, columns, integrator), form)
    text = step + PRINTERS[form][1](n)
    found = {j: sloped(one, columns) for j, one in enumerate(objectives) if isinstance(one, Recording)}
    printed = [_print(f"phi{j}", one, form) for j, one in found.items()]
    m = max([m, *(rows for _, rows in printed)])
    text += "".join(more for more, _ in printed)
    values, slopes, more = [], list[str](), 0
    for j, one in enumerate(objectives):
        if isinstance(one, ForeignObjective):
            values.append(f"F[at + {j}] = {one.value(j)}")
            slopes += one.on(columns).slopes(j, m + n, n + 1 + j * n)
            more = n + one.n + one.size
            continue
        call = f"phi{j}_rule(like(S[0], t), get(S, 0), P, W, 0, slot(W, {m}, {n}))"
        values.append(f"F[at + {j}] = wide({call}[0])")
        slopes += _added(found[j], call, own, n + 1 + j * n)
    text += function("observe", "t, S, P, W, F, at", values, None)
    text += function("feed", "t, weight, S, k, P, W", slopes or ["pass"], None)
    title = f"{own} states, {n - own} scores, {form}, {integrator}, {width} lanes"
    entries = _ENTRIES.format(
        own=own, n=n, q=system.noise_count, at=system.flat_parameters.size, m=m, scale=SCALES[integrator]
    )
    return Module(head(title, width) + text + entries, m + more, 1, functions=expected(objectives))
