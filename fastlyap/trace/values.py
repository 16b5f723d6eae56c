"""What a larger system computes at a stage, as sites: shared values, outputs, and the entries of its Jacobian.

Shared values (the cuts of `cuts` among them) are computed once and kept in rows of the stage's block. An entry of the
Jacobian is kept in a row too, unless it is cheaply had from rows that are there anyway, or from a copy of the state.
"""

from collections.abc import Iterable, Sequence

from fastlyap.trace.cuts import LONG, kept, rebuild
from fastlyap.trace.derivatives import ONE, jacobian_rows, times
from fastlyap.trace.graph import Node, constant, leaf, make, topological
from fastlyap.trace.reroll import Site

NEAR = 3  # state components so close to each other count as one load

Term = tuple[int, bool, Node]  # variable, whether to subtract, entry


def is_row(node: Node, n: int) -> bool:
    """Whether a node stands for a row of the block."""
    return node.op == "x" and node.value >= n


def _terms(row: dict[int, Node]) -> list[Term]:
    """A row of the Jacobian with the signs taken out of its entries, but of constants that a loop reads in turn."""
    terms = []
    for j, node in row.items():
        minus = False
        while node.op == "neg":
            minus, node = not minus, node.args[0]
        if node.op == "const" and node.value < 0.0 and len(row) <= LONG:
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


def _worth_a_row(terms: Sequence[Term], n: int) -> list[Node]:
    """The entries of a row of the Jacobian that are not cheaply had from a copy of the state."""
    entries = list(dict.fromkeys(node for _, _, node in terms if node.op not in ("const", "p")))
    if all(map(_cheap, entries)):
        loads = _loads(entries, n)
        if loads < len(entries) or all(node.op == "x" for node in entries):
            return []
    return entries


def _factors(node: Node) -> list[Node]:
    stack, found = [node], []
    while stack:
        node = stack.pop()
        stack += node.args if node.op == "mul" else ()
        found += () if node.op == "mul" else (node,)
    return found


class Values:
    """The sites that compute values, with provisional numbers of rows.

    Attributes
    ----------
    rows : for each cut, then each output: the terms of its row of the Jacobian
    coefficients : for each of them {entry: expression that reads it}
    shared, copies, results, entries : lists of Site, in an order in which they may be computed
    new : {node: how it is read}
    """

    def __init__(self, n: int, cuts: list[Node], outputs: list[Node], *, derivatives: bool = True) -> None:
        self.n, self.cuts, self.outputs = n, cuts, outputs
        every = (*cuts, *outputs)
        self.rows = [_terms(row) for row in (jacobian_rows(every) if derivatives else [{} for _ in every])]
        self.new: dict[Node, Node] = {}
        self.shared: list[Site] = []
        self.results: list[Site] = []
        self.entries: list[Site] = []
        self.coefficients: list[dict[Node, Node]] = []
        self._free = n
        self._copies: dict[Node, Node] = {}
        stored = [_worth_a_row(terms, n) for terms in self.rows]
        self._share(stored)
        for r, entries in enumerate(stored):
            self._store(r, entries)
        self.copies = [Site((row.value,), (x,)) for x, row in sorted(self._copies.items(), key=lambda c: c[0].value)]

    def _row(self) -> Node:
        self._free += 1
        return leaf("x", self._free - 1)

    def _share(self, stored: Sequence[Sequence[Node]]) -> None:
        """Make the sites of the cuts and of all else that several sites need."""
        units: list[Sequence[Node]] = [(cut,) for cut in self.cuts]
        for r, entries in enumerate(stored):
            output = self.outputs[r - len(self.cuts) :][:1] if r >= len(self.cuts) else []
            units += [output, *[(e,) for e in entries]] if len(self.rows[r]) > LONG else [(*output, *entries)]
        keep = {*self.cuts, *kept(units)}
        self._moving: set[Node] = set()
        for node in topological([root for roots in units for root in roots]):
            if node.op == "x" or not self._moving.isdisjoint(node.args):
                self._moving.add(node)
            if is_row(node, self.n):
                self.new[node] = self.new[self.cuts[node.value - self.n]]
                continue
            self.new[node] = rebuild(node, self.new)
            if node in keep and node.args:
                self._keep(node)

    def _keep(self, node: Node) -> Node:
        row = self._row()
        self.shared.append(Site((row.value,), (self.new[node],)))
        self.new[node] = row
        return row

    def _store(self, r: int, entries: Sequence[Node]) -> None:
        """Make the site of a row's entries and of its output, if it is one."""
        through_cuts = {node for j, _, node in self.rows[r] if j >= self.n}
        read: dict[Node, Node] = {}
        fresh: dict[Node, Node] = {}
        for e in entries:
            scaled = self._scaled(e) if e in through_cuts else None
            if is_row(self.new[e], self.n) or scaled:
                read[e] = scaled or self.new[e]
            else:
                read[e] = fresh[e] = self._row()
        for _, _, node in self.rows[r]:
            if node not in read:
                read[node] = self._recomputed(node)
        self.coefficients.append(read)
        targets, output = tuple(row.value for row in fresh.values()), r - len(self.cuts)
        short = output >= 0 and len(self.rows[r]) <= LONG
        if short:
            self.results.append(Site((output, *targets), tuple(self.new[e] for e in (self.outputs[output], *fresh))))
        elif output >= 0:
            self.results.append(Site((output,), (self.new[self.outputs[output]],)))
        if not short:
            self.entries += [Site((row.value,), (self.new[e],)) for e, row in fresh.items()]

    def _scaled(self, entry: Node) -> Node | None:
        """A shared value times a factor that does not depend on the state and is the same for many, or None.

        Next to the derivative of a cut the product needs no row: the factor is taken together with the derivative.
        """
        factors = _factors(entry)
        moving = [a for a in factors if a in self._moving]
        if len(moving) != 1 or not is_row(self.new[moving[0]], self.n) or moving[0] is entry:
            return None
        scale = ONE
        for a in factors:
            scale = scale if a in self._moving else times(scale, a)
        if scale not in self.new:
            for node in topological([scale]):
                self.new.setdefault(node, rebuild(node, self.new))
        if scale.args and not is_row(self.new[scale], self.n):
            self._keep(scale)
        return make("mul", self.new[moving[0]], self.new[scale])

    def _recomputed(self, node: Node) -> Node:
        """An entry in terms of parameters, constants, and rows that hold cuts or copies of the state."""
        if is_row(node, self.n):
            return self.new[self.cuts[node.value - self.n]]
        if node.op == "x":
            if node not in self._copies:
                self._copies[node] = self._row()
            return self._copies[node]
        return make(node.op, *[self._recomputed(a) for a in node.args]) if node.args else node

    def rule(self) -> list[Site]:
        """The sites that the outputs alone need."""
        sites = [Site((i,), (self.new[node],)) for i, node in enumerate(self.outputs)]
        return with_needed(self.shared, sites, self.n)


def with_needed(shared: Sequence[Site], results: Sequence[Site], n: int) -> list[Site]:
    """The results, and before them those of the shared values that they need."""
    needed = _rows_read([site.nodes[0] for site in results], n)
    before = []
    for site in reversed(shared):
        if site.targets[0] in needed:
            before.append(site)
            needed |= _rows_read(site.nodes, n)
    return [*reversed(before), *results]


def _rows_read(nodes: Sequence[Node], n: int) -> set[int]:
    return {node.value for node in topological(nodes) if is_row(node, n)}
