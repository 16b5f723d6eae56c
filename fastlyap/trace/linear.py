"""The linear part of a stage as sites: products with the Jacobian and its transpose, and its trace.

Rows of the Jacobian are sums over states and cuts, whose own derivatives come first; coefficients are read from the
stage's block.
"""

from collections.abc import Sequence

from fastlyap.trace.cuts import LONG, rebuild
from fastlyap.trace.derivatives import ONE, ZERO, negative, plus, times
from fastlyap.trace.graph import Node, constant, leaf, make, topological
from fastlyap.trace.reroll import Group, Site
from fastlyap.trace.values import Values, is_row

Row = dict[int, tuple[bool, Node]]  # variable: whether to subtract, coefficient


def _product(coefficient: Node, a: Node) -> Node:
    """coefficient * a; of a product the second factor, which may be the same in a whole loop, goes with a."""
    if coefficient.op == "mul":
        return times(coefficient.args[0], times(coefficient.args[1], a))
    return times(coefficient, a)


def _total(terms: Sequence[tuple[bool, Node]]) -> Node:
    """The sum of terms (subtracted, term); what is added comes first, so that no negation is left over."""
    total = ZERO
    for minus, a in sorted(terms, key=lambda term: term[0]):
        total = plus(total, negative(a) if minus else a)
    return total


def combination(terms: Sequence[tuple[bool, Node, Node]]) -> Node:
    """The sum of products (subtracted, coefficient, factor), long ones term by term, else by coefficients."""
    if len(terms) > LONG:
        products = [(minus, _product(c, a)) for minus, c, a in terms]
        return make("sum", *[negative(product) if minus else product for minus, product in products])
    factors: dict[Node, list[tuple[bool, Node]]] = {}
    for minus, c, a in terms:
        factors.setdefault(c, []).append((minus, a))
    whole = []
    for c, found in factors.items():
        minus = all(minus for minus, _ in found)
        whole.append((minus, _product(c, _total([(m != minus, a) for m, a in found]))))
    return _total(whole)


class Linear:
    """The linear part of `values`, whose rows have got the final numbers `new`.

    Behind the rows of the values there is one for the derivative of each cut, then `trace_place`.
    """

    def __init__(self, values: Values, new: dict[int, int]) -> None:
        self.n, self.n_cuts = values.n, len(values.cuts)
        read: dict[Node, Node] = {}
        for node in topological([c for found in values.coefficients for c in found.values()]):
            read[node] = leaf("x", new[node.value]) if is_row(node, self.n) else rebuild(node, read)
        self.rows: list[Row] = [
            {j: (minus, read[found[node]]) for j, minus, node in terms}
            for terms, found in zip(values.rows, values.coefficients, strict=True)
        ]
        places = [new[values.new[cut].value] for cut in values.cuts]
        rank = {place: i for i, place in enumerate(sorted(places))}
        first = self.n + len(new)
        self.derivatives = [first + rank[place] for place in places]
        self.trace_place = first + self.n_cuts

    def _place(self, j: int) -> int:
        """Where the derivative of variable j, a state or a cut, is found."""
        return j if j < self.n else self.derivatives[j - self.n]

    def _result(self, r: int) -> int:
        return self.derivatives[r] if r < self.n_cuts else r - self.n_cuts

    def tangent(self) -> list[Site]:
        """Derivatives of the cuts, then of the outputs, along a vector."""
        return [
            Site((self._result(r),), (combination([(*c, leaf("x", self._place(j))) for j, c in row.items()]),))
            for r, row in enumerate(self.rows)
        ]

    def adjoint(self, tangent: Sequence[Group]) -> list[Site]:
        """The transpose: each column gathers what the rows scatter, in an order fixed by the templates."""
        template = {targets[0]: number for number, found in enumerate(tangent) for targets, _ in found.sites}
        columns: dict[int, list[tuple]] = {j: [] for j in range(self.n + self.n_cuts)}
        for r, row in enumerate(self.rows):
            place = self._result(r)
            for position, (j, c) in enumerate(row.items()):
                columns[j].append((template[place], position, r, (*c, leaf("x", place))))
        sites = []
        for j in [*reversed(range(self.n, self.n + self.n_cuts)), *range(self.n)]:
            terms = [entry[-1] for entry in sorted(columns[j], key=lambda entry: entry[:3])]
            sites.append(Site((self._place(j),), (combination(terms),)))
        return sites

    def trace(self) -> Site:
        """The trace of the Jacobian, through the cuts."""
        masks: list[int] = []
        for row in self.rows[: self.n_cuts]:
            mask = 0
            for j in row:
                mask |= 1 << j if j < self.n else masks[j - self.n]
            masks.append(mask)
        cuts = [[j - self.n for j in row if j >= self.n] for row in self.rows]
        found = [self._diagonal(i, masks, cuts) for i in range(len(self.rows) - self.n_cuts)]
        fixed = constant(sum(node.value for node in found if node.op == "const"))
        signed = [(node.op == "neg", node) for node in found if node.op != "const"]
        terms = [(minus, ONE, node.args[0] if minus else node) for minus, node in signed]
        return Site((self.trace_place,), (combination([(False, ONE, fixed), *terms] if fixed.value else terms),))

    def _diagonal(self, i: int, masks: Sequence[int], cuts: Sequence[Sequence[int]]) -> Node:
        """d f_i / d x_i: its own entry, and what comes back through the cuts that depend on x_i."""
        needed: set[int] = set()
        stack = [self.n_cuts + i]
        while stack:
            through = {c for c in cuts[stack.pop()] if masks[c] >> i & 1} - needed
            needed |= through
            stack += through
        along = {i: ONE}
        for c in sorted(needed):
            along[self.n + c] = self._dot(c, along)
        return self._dot(self.n_cuts + i, along)

    def _dot(self, r: int, along: dict[int, Node]) -> Node:
        row = self.rows[r]
        return combination([(*row[j], factor) for j, factor in along.items() if j in row])
