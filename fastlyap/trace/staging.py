"""What a large system does at each stage of a step: which values are computed once, which are stored, how tangent
and adjoint vectors use them.

The stage's block of rows holds shared values, the cuts among them (see `cuts`), the varying entries of the Jacobian,
then one row for the derivative of each cut and one for the trace. An entry that is cheaply had from the state is not
stored: the state is, where such entries occur.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from fastlyap.trace.cuts import LONG, kept, rebuild, widen
from fastlyap.trace.derivatives import ONE, ZERO, jacobian_rows, negative, plus, times
from fastlyap.trace.graph import Node, constant, leaf, make, topological
from fastlyap.trace.reroll import Group, Site, group

Term = tuple[int, bool, Node]  # variable, whether to subtract, coefficient
NEAR = 3  # state components so close to each other count as one load


class Stage(NamedTuple):
    """The functions of a system as groups of sites."""

    n: int
    m: int  # rows of the block
    rule: list[Group]
    linearise: list[Group]
    tangent: list[Group]
    adjoint: list[Group]
    divergence: list[Group]  # leaves the trace in the block's last row


def _terms(row: dict[int, Node]) -> list[Term]:
    terms = []
    for j, node in row.items():
        minus = False
        while node.op == "neg":
            minus, node = not minus, node.args[0]
        if node.op == "const" and node.value < 0.0:
            minus, node = not minus, constant(-node.value)
        terms.append((j, minus, node))
    return terms


def _cheap(node: Node) -> bool:
    """Whether an entry is a variable, or one operation on variables, parameters and constants."""
    args = node.args if node.op in ("add", "sub", "mul") else (node,)
    return all(a.op in ("x", "p", "const") for a in args) and any(a.op == "x" for a in args)


def _loads(nodes: Iterable[Node], n: int) -> int:
    """How many loads it takes to read the state components in the expressions, if neighbours stay in registers."""
    places = sorted({a.value for node in nodes for a in (node, *node.args) if a.op == "x" and a.value < n})
    if not places:
        return 0
    gaps = [b - a for a, b in zip(places, [*places[1:], places[0] + n], strict=True)]
    return max(1, sum(gap > NEAR for gap in gaps))


def _stored(terms: Sequence[Term], n: int) -> list[Node]:
    """The entries of a row of the Jacobian that are worth a row of the block."""
    entries = list(dict.fromkeys(node for _, _, node in terms if node.op not in ("const", "p")))
    if all(map(_cheap, entries)):
        loads = _loads(entries, n)
        if loads < len(entries) or all(node.op == "x" for node in entries):
            return []
    return entries


class _Values:
    """The sites that compute values, with provisional numbers of rows."""

    def __init__(self, n: int, cuts: list[Node], outputs: list[Node]) -> None:
        self.n, self.cuts, self.outputs = n, cuts, outputs
        self.rows = [_terms(row) for row in jacobian_rows((*cuts, *outputs))]
        self.new: dict[Node, Node] = {}
        self.shared: list[Site] = []
        self.entries: list[Site] = []
        self.results: list[Site] = []
        self.free = n
        stored = [_stored(terms, n) for terms in self.rows]
        self._share(stored)
        self._store(stored)

    def _place(self) -> int:
        self.free += 1
        return self.free - 1

    def _share(self, stored: Sequence[Sequence[Node]]) -> None:
        """Sites of the cuts and of all else that several sites need; `new` says how nodes are read afterwards."""
        units: list[Sequence[Node]] = [(cut,) for cut in self.cuts]
        for r, entries in enumerate(stored):
            first = self.outputs[r - len(self.cuts) :][:1] if r >= len(self.cuts) else []
            units += [first, *[(e,) for e in entries]] if len(self.rows[r]) > LONG else [(*first, *entries)]
        keep = {*self.cuts, *kept(units)}
        for node in topological([root for roots in units for root in roots]):
            if node.op == "x" and node.value >= self.n:
                self.new[node] = self.new[self.cuts[node.value - self.n]]
                continue
            self.new[node] = rebuild(node, self.new)
            if node in keep and node.args:
                place = self._place()
                self.shared.append(Site((place,), (self.new[node],)))
                self.new[node] = leaf("x", place)

    def _store(self, stored: Sequence[Sequence[Node]]) -> None:
        """Sites of the outputs and of the stored entries; `coefficients` says where an entry is read."""
        self.coefficients: list[dict[Node, Node]] = []
        copies: dict[Node, Node] = {}
        for r, entries in enumerate(stored):
            read = {e: self.new[e] for e in entries if _is_row(self.new[e], self.n)}
            fresh = {e: self._place() for e in entries if e not in read}
            read |= {e: leaf("x", place) for e, place in fresh.items()}
            for _, _, node in self.rows[r]:
                if node not in read:
                    read[node] = self._recomputed(node, copies)
            self.coefficients.append(read)
            output = r - len(self.cuts)
            if output >= 0 and len(self.rows[r]) <= LONG:
                nodes = (self.outputs[output], *fresh)
                self.results.append(Site((output, *fresh.values()), tuple(self.new[e] for e in nodes)))
                continue
            if output >= 0:
                self.results.append(Site((output,), (self.new[self.outputs[output]],)))
            self.entries += [Site((place,), (self.new[e],)) for e, place in fresh.items()]
        self.copies = [Site((row.value,), (x,)) for x, row in sorted(copies.items(), key=lambda item: item[0].value)]

    def _recomputed(self, node: Node, copies: dict[Node, Node]) -> Node:
        """An entry in terms of parameters, constants, and rows that hold cuts or copies of the state."""
        if node.op == "x" and node.value >= self.n:
            return self.new[self.cuts[node.value - self.n]]
        if node.op == "x":
            return copies.setdefault(node, leaf("x", self._place())) if node not in copies else copies[node]
        return make(node.op, *[self._recomputed(a, copies) for a in node.args]) if node.args else node

    def rule(self) -> list[Site]:
        """The sites that the outputs alone need."""
        sites = [Site((i,), (self.new[node],)) for i, node in enumerate(self.outputs)]
        needed = _rows_read([site.nodes[0] for site in sites], self.n)
        before = []
        for site in reversed(self.shared):
            if site.targets[0] in needed:
                before.append(site)
                needed |= _rows_read(site.nodes, self.n)
        return [*reversed(before), *sites]


def _is_row(node: Node, n: int) -> bool:
    return node.op == "x" and node.value >= n


def _rows_read(nodes: Sequence[Node], n: int) -> set[int]:
    return {node.value for node in topological(nodes) if _is_row(node, n)}


def _numbers(groups: Sequence[Group], n: int) -> dict[int, int]:
    """Final numbers for rows: those that a loop writes lie one behind the other."""
    new: dict[int, int] = {}
    for found in groups:
        for position, kind in enumerate(found.target_kinds):
            if kind == "r":
                new.update({targets[position]: n + len(new) + i for i, (targets, _) in enumerate(found.sites)})
    return new


def combination(terms: Sequence[tuple[bool, Node, Node]]) -> Node:
    """The sum of products (subtracted, coefficient, factor), long ones term by term, else by coefficients."""
    if len(terms) > LONG:
        products = [(minus, times(c, a)) for minus, c, a in terms]
        return make("sum", *[negative(product) if minus else product for minus, product in products])
    factors: dict[Node, list[tuple[bool, Node]]] = {}
    for minus, c, a in terms:
        factors.setdefault(c, []).append((minus, a))
    whole = []
    for c, found in factors.items():
        minus = all(minus for minus, _ in found)
        whole.append((minus, times(c, _total([(m != minus, a) for m, a in found]))))
    return _total(whole)


def _total(terms: Sequence[tuple[bool, Node]]) -> Node:
    """What is added comes first, so that no negation is left over."""
    total = ZERO
    for minus, a in sorted(terms, key=lambda term: term[0]):
        total = plus(total, negative(a) if minus else a)
    return total


def divide(recording) -> Stage:
    """The functions of a recorded rule as groups of sites."""
    n = recording.dim
    values = _Values(n, *widen(recording.outputs, n))
    linearise = group([*values.shared, *values.copies, *values.results, *values.entries], n)
    for found in linearise:
        found.keep_regular()
    new = _numbers(linearise, n)
    rule = group(values.rule(), n)
    for found in rule:
        found.keep_regular()
    for found in (*linearise, *rule):
        found.renumber(new)
    linear = _Linear(values, new)
    tangent = group(linear.tangent(), n)
    return Stage(n, linear.trace_place + 1 - n, rule, linearise, tangent, group(linear.adjoint(tangent), n),
                 group([linear.trace()], n))  # fmt: skip


class _Linear:
    """The linear part: rows of the Jacobian on variables and cuts, coefficients read from the block."""

    def __init__(self, values: _Values, new: dict[int, int]) -> None:
        self.n, self.n_cuts = values.n, len(values.cuts)
        renamed: dict[Node, Node] = {}
        for node in topological([c for read in values.coefficients for c in read.values()]):
            renamed[node] = leaf("x", new[node.value]) if _is_row(node, self.n) else rebuild(node, renamed)
        self.rows = [
            [(j, minus, renamed[read[node]]) for j, minus, node in terms]
            for terms, read in zip(values.rows, values.coefficients, strict=True)
        ]
        places = [new[values.new[cut].value] for cut in values.cuts]
        rank = {place: i for i, place in enumerate(sorted(places))}
        first = self.n + len(new)
        self.derivative = [first + rank[place] for place in places]
        self.trace_place = first + self.n_cuts

    def _place(self, j: int) -> int:
        """Where the derivative of variable j, a state or a cut, is found."""
        return j if j < self.n else self.derivative[j - self.n]

    def _result(self, r: int) -> int:
        return self.derivative[r] if r < self.n_cuts else r - self.n_cuts

    def tangent(self) -> list[Site]:
        """Derivatives of the cuts, then of the outputs, along a vector."""
        sites = []
        for r, terms in enumerate(self.rows):
            node = combination([(minus, c, leaf("x", self._place(j))) for j, minus, c in terms])
            sites.append(Site((self._result(r),), (node,)))
        return sites

    def adjoint(self, tangent: Sequence[Group]) -> list[Site]:
        """The transpose: each column gathers what the rows scatter, in an order fixed by the templates."""
        template = {targets[0]: number for number, found in enumerate(tangent) for targets, _ in found.sites}
        columns: dict[int, list[tuple]] = {j: [] for j in range(self.n + self.n_cuts)}
        for r, terms in enumerate(self.rows):
            place = self._result(r)
            for position, (j, minus, c) in enumerate(terms):
                columns[j].append((template[place], position, r, (minus, c, leaf("x", place))))
        sites = []
        for j in [*reversed(range(self.n, self.n + self.n_cuts)), *range(self.n)]:
            terms = [entry[-1] for entry in sorted(columns[j], key=lambda entry: entry[:3])]
            sites.append(Site((self._place(j),), (combination(terms),)))
        return sites

    def trace(self) -> Site:
        """The trace of the Jacobian, through the cuts."""
        masks: list[int] = []
        for terms in self.rows[: self.n_cuts]:
            mask = 0
            for j, _, _ in terms:
                mask |= 1 << j if j < self.n else masks[j - self.n]
            masks.append(mask)
        found = [self._diagonal(i, masks) for i in range(self.n)]
        fixed = constant(sum(node.value for node in found if node.op == "const"))
        terms = [(node.op == "neg", ONE, negative(node) if node.op == "neg" else node) for node in found if node.op != "const"]
        return Site((self.trace_place,), (combination([(False, ONE, fixed), *terms] if fixed.value else terms),))

    def _diagonal(self, i: int, masks: Sequence[int]) -> Node:
        """d f_i / d x_i: its own entry, and what comes back through cuts that depend on x_i."""
        own = self.rows[self.n_cuts + i]
        needed: set[int] = set()
        stack = [own]
        while stack:
            through = {j - self.n for j, _, _ in stack.pop() if j >= self.n and masks[j - self.n] >> i & 1} - needed
            needed |= through
            stack += [self.rows[c] for c in through]
        along = {i: constant(1.0)}
        for c in sorted(needed):
            along[self.n + c] = _dot(self.rows[c], along)
        return _dot(own, along)


def _dot(terms: Sequence[Term], along: dict[int, Node]) -> Node:
    return combination([(minus, c, along[j]) for j, minus, c in terms if j in along])
