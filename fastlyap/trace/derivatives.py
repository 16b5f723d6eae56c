"""Derivatives of expression graphs: one rule per operation, sparse Jacobian rows by the forward chain rule.

Conventions at kinks: mod 1, floor and sign 0, abs sign with sign(0) = 0, minimum and maximum the first
argument at ties. A derivative of `where` is itself a selection, so that an infinite derivative of the branch not
taken cannot leak in as 0 * inf. Only factors 0 and 1, signs and constants are simplified.
"""

import math
from collections.abc import Callable, Sequence

from fastlyap.trace.graph import Node, constant, make, topological

ZERO, ONE, TWO = constant(0.0), constant(1.0), constant(2.0)
HALF, THREE, TWO_OVER_SQRT_PI = constant(0.5), constant(3.0), constant(2.0 / math.sqrt(math.pi))

Row = dict[int, Node]


def is_zero(node: Node) -> bool:
    """Whether a node is the constant 0 (of either sign)."""
    return node.op == "const" and node.value == 0.0


def negative(a: Node) -> Node:
    """-a without double signs."""
    if a.op == "neg":
        return a.args[0]
    return constant(-a.value) if a.op == "const" else make("neg", a)


def plus(a: Node, b: Node) -> Node:
    """a + b without zeros."""
    if is_zero(a):
        return b
    if is_zero(b):
        return a
    if a.op == b.op == "const":
        return constant(a.value + b.value)
    if b.op == "neg":
        return make("sub", a, b.args[0])
    return make("sub", b, a.args[0]) if a.op == "neg" else make("add", a, b)


def minus(a: Node, b: Node) -> Node:
    """a - b without zeros."""
    return plus(a, negative(b))


def times(a: Node, b: Node) -> Node:
    """a b without factors 0 and 1, the sign in front."""
    if a.op == "neg":
        return negative(times(a.args[0], b))
    if b.op == "neg":
        return negative(times(a, b.args[0]))
    if a.op == b.op == "const":
        return constant(a.value * b.value)
    for one, other in ((a, b), (b, a)):
        if one.op == "const" and one.value in (0.0, 1.0, -1.0):
            return ZERO if one.value == 0.0 else other if one.value == 1.0 else negative(other)
    return make("mul", a, b)


def over(a: Node, b: Node) -> Node:
    """a / b without numerator 0, denominator 1; the sign in front."""
    if a.op == "neg":
        return negative(over(a.args[0], b))
    if is_zero(a) or b is ONE:
        return a
    if a.op == b.op == "const" and b.value != 0.0:
        return constant(a.value / b.value)
    return make("div", a, b)


def choose(condition: Node, a: Node, b: Node) -> Node:
    """where(condition, a, b), or a itself where both are the same."""
    return a if a is b else make("where", condition, a, b)


def power(a: Node, exponent: float) -> Node:
    """a ** exponent for a constant exponent."""
    if exponent == 0.0:
        return ONE
    return a if exponent == 1.0 else make("pow", a, constant(exponent))


def _pow(node: Node) -> tuple[Node, ...]:
    a, b = node.args
    if b.op == "const":
        # 0.5 / sqrt(a) costs a division, a ** -0.5 a logarithm and an exponential
        by_base = over(HALF, node) if b.value == 0.5 else times(b, power(a, b.value - 1.0))
        return (by_base if b.value != 0.0 else ZERO), ZERO
    by_base = times(b, make("pow", a, minus(b, ONE)))
    # at a = 0 the limit is 0, but 0 * log(0) is not
    safe = make("where", make("eq", a, ZERO), ONE, a)
    return by_base, times(node, make("log", safe))


def _square_sum(node: Node) -> Node:
    a, b = node.args
    return make("add", make("mul", a, a), make("mul", b, b))


def _one_minus_square(a: Node) -> Node:
    return minus(ONE, make("mul", a, a))


_NONE = lambda node: (ZERO,) * len(node.args)  # noqa: E731

_RULES: dict[str, Callable[[Node], tuple[Node, ...]]] = {
    "add": lambda n: (ONE, ONE),
    "sub": lambda n: (ONE, constant(-1.0)),
    "mul": lambda n: (n.args[1], n.args[0]),
    "div": lambda n: (over(ONE, n.args[1]), negative(over(n, n.args[1]))),
    "neg": lambda n: (constant(-1.0),),
    "pow": _pow,
    "mod": lambda n: (ONE, negative(make("floordiv", *n.args))),
    "sin": lambda n: (make("cos", *n.args),),
    "cos": lambda n: (negative(make("sin", *n.args)),),
    "tan": lambda n: (plus(ONE, make("mul", n, n)),),
    "asin": lambda n: (over(ONE, make("sqrt", _one_minus_square(n.args[0]))),),
    "acos": lambda n: (negative(over(ONE, make("sqrt", _one_minus_square(n.args[0])))),),
    "atan": lambda n: (over(ONE, plus(ONE, make("mul", n.args[0], n.args[0]))),),
    "atan2": lambda n: (over(n.args[1], _square_sum(n)), negative(over(n.args[0], _square_sum(n)))),
    "exp": lambda n: (n,),
    "log": lambda n: (over(ONE, n.args[0]),),
    "sqrt": lambda n: (over(HALF, n),),
    "cbrt": lambda n: (over(ONE, times(THREE, make("mul", n, n))),),
    "sinh": lambda n: (make("cosh", *n.args),),
    "cosh": lambda n: (make("sinh", *n.args),),
    "tanh": lambda n: (_one_minus_square(n),),
    "sigmoid": lambda n: (make("mul", n, minus(ONE, n)),),
    "softplus": lambda n: (make("sigmoid", *n.args),),
    "erf": lambda n: (times(TWO_OVER_SQRT_PI, make("exp", make("neg", make("mul", n.args[0], n.args[0])))),),
    "abs": lambda n: (make("sign", *n.args),),
    "minimum": lambda n: (make("where", _first(n), ONE, ZERO), make("where", _first(n), ZERO, ONE)),
    "maximum": lambda n: (make("where", _first(n), ONE, ZERO), make("where", _first(n), ZERO, ONE)),
    "where": lambda n: (ZERO, make("where", n.args[0], ONE, ZERO), make("where", n.args[0], ZERO, ONE)),
    "sum": lambda n: (ONE,) * len(n.args),
}


def _first(node: Node) -> Node:
    """The condition under which minimum and maximum take their first argument."""
    return make("le" if node.op == "minimum" else "ge", *node.args)


def local_partials(node: Node) -> tuple[Node, ...]:
    """d node / d argument, one node per argument; conditions and steps (floor, sign ...) count as constant."""
    return _RULES.get(node.op, _NONE)(node)


def jacobian_rows(outputs: Sequence[Node], wrt: str = "x") -> tuple[Row, ...]:
    """Derivatives of each output by the states "x" or the flat parameters "p": {index: node}, nonzeros only."""
    order = topological(outputs)
    users = {node: 0 for node in order}
    for node in order:
        for argument in node.args:
            users[argument] += 1
    for node in outputs:
        users[node] += 1
    rows: dict[Node, Row] = {}
    for node in order:
        rows[node] = {node.value: ONE} if node.op == wrt else _row(node, rows)
        for argument in node.args:
            # a row is dropped after its last use: long sums would keep quadratically many entries
            users[argument] -= 1
            if not users[argument]:
                del rows[argument]
    return tuple(rows[node] for node in outputs)


def _row(node: Node, rows: dict[Node, Row]) -> Row:
    """The chain rule for one node."""
    if not any(rows[a] for a in node.args):
        return {}
    if node.op in ("where", "minimum", "maximum"):
        return _selected(node, rows)
    if node.op == "sum":
        return _summed(node, rows)
    total: Row = {}
    for argument, partial in zip(node.args, local_partials(node), strict=True):
        row = rows[argument]
        if not row or is_zero(partial):
            continue
        if not total and partial is ONE:
            total = row.copy()
            continue
        for j, inner in row.items():
            term = times(partial, inner)
            total[j] = plus(total[j], term) if j in total else term
    return {j: term for j, term in total.items() if not is_zero(term)}


def _summed(node: Node, rows: dict[Node, Row]) -> Row:
    """The derivative of a reduction is a reduction."""
    terms: dict[int, list[Node]] = {}
    for argument in node.args:
        for j, term in rows[argument].items():
            terms.setdefault(j, []).append(term)
    return {j: _total(found) for j, found in terms.items()}


def _total(terms: list[Node]) -> Node:
    if len(terms) == 1:
        return terms[0]
    if all(term.op == "neg" for term in terms):
        return negative(make("sum", *[term.args[0] for term in terms]))
    return make("sum", *terms)


def _selected(node: Node, rows: dict[Node, Row]) -> Row:
    condition = node.args[0] if node.op == "where" else _first(node)
    a, b = (rows[argument] for argument in node.args[-2:])
    return {j: choose(condition, a.get(j, ZERO), b.get(j, ZERO)) for j in sorted(a.keys() | b.keys())}


def divergence(outputs: Sequence[Node]) -> Node:
    """Sum over i of d outputs[i] / d x[i]."""
    diagonal = [row[i] for i, row in enumerate(jacobian_rows(outputs)) if i in row]
    return _total(diagonal) if diagonal else ZERO
