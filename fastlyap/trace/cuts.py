"""What a large system computes once and reuses: long sums, and subexpressions that many components share.

Such a *cut* is treated as one more variable, x[n + c]: its value is computed once, its derivative is one number
per tangent vector. So a mean field costs n operations, not n^2, and rows of the Jacobian stay short. Chains of
additions (Python's `sum`) are read as sums.
"""

from collections.abc import Callable, Sequence

from fastlyap.trace.graph import COMPARISONS, FUNCTIONS, LOGIC, Node, leaf, make, topological

LONG = 8  # sums of more terms become loops, and cuts
MANY = -1  # a node that several units need
WORTH = 6  # the cost, in additions, from which a shared subexpression is kept
COUNTED = 32  # variables of a subexpression are counted up to here

FAN = 6  # users of a function of one or two variables that make it a variable: its slope is then kept once for all

_BENT = frozenset(FUNCTIONS) - {"minimum", "maximum", "sign", "floor", "abs"}
_COSTS = {"neg": 0, "add": 1, "sub": 1, "mul": 1, "where": 1, "abs": 1, "minimum": 2, "maximum": 2, "pow": 2,
          "sign": 2, "floor": 1, "floordiv": 5, "mod": 6, "div": 4, "sqrt": 5, "sum": 1}  # fmt: skip
_TRUTHS = frozenset((*COMPARISONS, *LOGIC))


def rebuild(node: Node, new: dict[Node, Node]) -> Node:
    """The node on new arguments."""
    args = [new[a] for a in node.args]
    return node if all(a is b for a, b in zip(args, node.args, strict=True)) else make(node.op, *args)


def is_long(node: Node) -> bool:
    """Whether a node is a sum that becomes a loop."""
    return node.op == "sum" and len(node.args) > LONG


def _links(order: Sequence[Node], outputs: Sequence[Node]) -> set[Node]:
    """The additions and subtractions that only continue a chain: needed once, by another of them."""
    uses: dict[Node, int] = {}
    within: set[Node] = set()
    for node in order:
        for a in node.args:
            uses[a] = uses.get(a, 0) + 1
            if a.op in ("add", "sub") and node.op in ("add", "sub"):
                within.add(a)
    return {node for node in within if uses[node] == 1} - set(outputs)


def _terms(top: Node, links: set[Node]) -> list[tuple[bool, Node]]:
    """The terms of a chain from left to right: (subtracted, term)."""
    stack, found = [(False, top)], []
    while stack:
        minus, node = stack.pop()
        if node is top or node in links:
            stack.append((minus != (node.op == "sub"), node.args[1]))
            stack.append((minus, node.args[0]))
        else:
            found.append((minus, node))
    return found


def long_sums(outputs: Sequence[Node]) -> list[Node]:
    """The outputs with long chains of additions and subtractions as sums."""
    order = topological(outputs)
    links = _links(order, outputs)
    new: dict[Node, Node] = {}
    for node in order:
        if node.op in ("add", "sub") and node not in links:
            terms = _terms(node, links)
            if len(terms) > LONG:
                new[node] = make("sum", *[make("neg", new[a]) if minus else new[a] for minus, a in terms])
                continue
        new[node] = rebuild(node, new)
    return [new[o] for o in outputs]


def _shared(outputs: Sequence[Node], order: Sequence[Node]) -> set[Node]:
    """The nodes that more than one output needs."""
    owner: dict[Node, int] = {}
    for i, output in enumerate(outputs):
        owner[output] = i if owner.get(output, i) == i else MANY
    for node in reversed(order):
        for a in node.args:
            owner[a] = owner[node] if owner.get(a, owner[node]) == owner[node] else MANY
    return {node for node in order if owner[node] == MANY}


def _variables(node: Node, known: dict[Node, frozenset]) -> frozenset:
    """The variables a node depends on; of many, COUNTED or somewhat more."""
    found: set = set()
    for a in node.args:
        if len(found) < COUNTED:
            found |= known[a]
    return frozenset(found)


def widen(outputs: Sequence[Node], n: int) -> tuple[list[Node], list[Node]]:
    """(cuts, outputs) with cut c written as the variable x[n + c] wherever it is used; a cut may use earlier ones."""
    outputs = long_sums(outputs)
    order = topological(outputs)
    several = _shared(outputs, order)
    users: dict[Node, int] = dict.fromkeys(order, 0)
    for node in order:
        for a in set(node.args):
            users[a] += 1
    cuts: list[Node] = []
    new: dict[Node, Node] = {}
    variables: dict[Node, frozenset] = {}
    for node in order:
        new[node] = rebuild(node, new)
        variables[node] = frozenset((node.value,)) if node.op == "x" else _variables(node, variables)
        size, fan = len(variables[node]), users[node]
        shared = size > 2 and node in several and size * fan > 2 * (size + fan) and node.op not in _TRUTHS
        bent = 0 < size <= 2 and fan >= FAN and node in several and node.op in _BENT
        if (is_long(node) and size) or shared or bent:
            cuts.append(new[node])
            new[node] = leaf("x", n + len(cuts) - 1)
            variables[node] = frozenset((n + len(cuts) - 1,))
    return cuts, [new[o] for o in outputs]


def _cost(node: Node) -> int:
    """Roughly how many additions an operation is worth."""
    if node.op == "pow" and node.args[1].op != "const":
        return 20
    return _COSTS.get(node.op, int(node.op in _TRUTHS) if node.op in _TRUTHS or not node.args else 10)


def kept(units: Sequence[Sequence[Node]]) -> list[Node]:
    """The nodes worth computing once for several units (groups of nodes computed together), arguments first.

    All long sums are among them, and their terms count as units of their own.
    """
    order = topological([root for roots in units for root in roots])
    costs: dict[Node, int] = {}
    moving: dict[Node, bool] = {}
    for node in order:
        costs[node] = min(1000, _cost(node) + sum(costs[a] for a in node.args))
        moving[node] = node.op == "x" or any(moving[a] for a in node.args)

    def worth(node: Node, cost: int) -> bool:
        return is_long(node) or (node.op not in _TRUTHS and cost >= (WORTH if moving[node] else 1))

    chosen = _candidates(units, order, lambda node: worth(node, costs[node]))
    found = []
    for node in order:
        costs[node] = min(1000, _cost(node) + sum(costs[a] for a in node.args))
        if node in chosen and worth(node, costs[node]):
            found.append(node)
            costs[node] = 0
    return found


def _candidates(units: Sequence[Sequence[Node]], order: Sequence[Node], worth: Callable[[Node], bool]) -> set[Node]:
    """Nodes that are worth keeping and needed by several units, where a node that is kept is a unit itself."""
    owner: dict[Node, int] = {}
    chosen = set()
    fresh = 0

    def need(node: Node, unit: int) -> None:
        owner[node] = unit if owner.get(node, unit) == unit else MANY

    for fresh, roots in enumerate(units, 1):
        for root in roots:
            need(root, fresh)
    for node in reversed(order):
        own = owner[node]
        if (own == MANY or is_long(node)) and worth(node):
            chosen.add(node)
            fresh += 1
            own = fresh
        for a in node.args:
            fresh += is_long(node)
            need(a, fresh if is_long(node) else own)
    return chosen
