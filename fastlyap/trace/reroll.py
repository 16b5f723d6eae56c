"""Re-roll a list of expressions into templates: expressions that are the same up to the places they read.

A *site* computes some values and writes them to targets. A place is a number: i < n is component i of the vector
that is read or written, n + r is row r of the stage's block. Sites with the same template form a group, which
becomes one loop; a sum of many terms is a loop over its terms, themselves grouped by template.
"""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastlyap.trace.cuts import is_long
from fastlyap.trace.graph import Node, leaf, make, topological


class Site(NamedTuple):
    """Values that are computed together, and the places they go to."""

    targets: tuple[int, ...]
    nodes: tuple[Node, ...]


class Template(NamedTuple):
    """Expressions on slots: leaf x[s] of `nodes` is slot s, of kind vector, row, parameter or constant."""

    nodes: tuple[Node, ...]
    kinds: str  # one of "v", "r", "p", "c" for each slot


class Group:
    """Sites of one template, in an order in which they may be computed.

    Attributes
    ----------
    parts : list of Template
        One, or for sums the templates of the terms.
    sites : list of (targets, slots)
        `slots` has for each part the list of slot values of its expressions: one, or one for each term.
    ordered : bool
        Whether later sites use what earlier ones computed.
    """

    def __init__(self, kinds: str, is_sum: bool, parts: list[Template]) -> None:
        self.target_kinds, self.is_sum, self.parts = kinds, is_sum, parts
        self.sites: list[tuple[tuple[int, ...], list[list[tuple]]]] = []
        self.ordered = False

    def keep_regular(self) -> None:
        """Sort the sites by what they read where that makes much longer runs."""
        if self.ordered or "v" in self.target_kinds:
            return
        keys = [tuple(part[0] for part in slots) for _, slots in self.sites]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        table = np.array([[v for part in key for v in part if isinstance(v, int)] for key in keys])
        if 2 * len(_runs(table[order])) < len(_runs(table)):
            self.sites = [self.sites[i] for i in order]

    def renumber(self, new: dict[int, int]) -> None:
        """Put places `new[place]` in the stead of rows."""
        for i, (targets, slots) in enumerate(self.sites):
            for part, found in zip(self.parts, slots, strict=True):
                if "r" in part.kinds:
                    found[:] = [tuple(new[v] if kind == "r" else v for kind, v in zip(part.kinds, values, strict=True))
                                for values in found]  # fmt: skip
            self.sites[i] = tuple(new.get(target, target) for target in targets), slots


@functools.cache
def _slot(s: int) -> Node:
    return leaf("x", s)


def canonical(nodes: Sequence[Node], n: int) -> tuple[Template, tuple]:
    """The template of expressions, and what its slots stand for: places, parameters, constants."""
    new: dict[Node, Node] = {}
    kinds: list[str] = []
    values: list[float | int] = []

    def slot(kind: str, value: float | int) -> Node:
        kinds.append(kind)
        values.append(value)
        return _slot(len(kinds) - 1)

    for node in _order(nodes):
        if node.op == "x":
            new[node] = slot("v", node.value) if node.value < n else slot("r", node.value)
        elif node.op == "p":
            new[node] = slot("p", node.value)
        elif node.args:
            args = []
            for position, a in enumerate(node.args):
                exponent = node.op == "pow" and position == 1
                args.append(new[a] if a.op != "const" else a if exponent else slot("c", a.value))
            new[node] = make(node.op, *args)
        else:
            new[node] = node
    outputs = tuple(slot("c", node.value) if node.op == "const" else new[node] for node in nodes)
    return Template(outputs, "".join(kinds)), tuple(values)


def _order(nodes: Sequence[Node]) -> Sequence[Node]:
    """`topological`, at once for the most frequent case: one operation on leaves."""
    if len(nodes) == 1 and not any(a.args for a in nodes[0].args):
        return [*dict.fromkeys(nodes[0].args), nodes[0]]
    return topological(nodes)


def _canonical_sum(node: Node, n: int) -> tuple[list[Template], list[list[tuple]]]:
    """The templates of a sum's terms, in an order that does not depend on that of the terms."""
    found: dict[Template, list[tuple]] = {}
    for term in node.args:
        template, values = canonical((term,), n)
        found.setdefault(template, []).append(values)
    parts = sorted(found, key=lambda t: (t.nodes[0].digest, t.kinds))
    return parts, [found[part] for part in parts]


def group(sites: Sequence[Site], n: int) -> list[Group]:
    """Groups in an order in which they may be computed; the sites must come in such an order."""
    groups: list[Group] = []
    same: dict[tuple, list[int]] = {}
    written: dict[int, int] = {}
    for site in sites:
        is_sum = is_long(site.nodes[0])
        if is_sum:
            parts, slots = _canonical_sum(site.nodes[0], n)
        else:
            template, values = canonical(site.nodes, n)
            parts, slots = [template], [[values]]
        kinds = "".join("v" if target < n else "r" for target in site.targets)
        read = {v for part, found in zip(parts, slots, strict=True) for values in found
                for kind, v in zip(part.kinds, values, strict=True) if kind == "r"}  # fmt: skip
        earliest = max((written[place] for place in read if place in written), default=0)
        key = (kinds, is_sum, *parts)
        candidates = same.setdefault(key, [])
        number = next((g for g in candidates if g >= earliest), len(groups))
        if number == len(groups):
            groups.append(Group(kinds, is_sum, parts))
            candidates.append(number)
        chosen = groups[number]
        chosen.ordered |= any(written.get(place) == number for place in read)
        chosen.sites.append((site.targets, slots))
        for target in site.targets:
            if target >= n:
                written[target] = number
    return groups


class Loop(NamedTuple):
    """Numbers base + stride * step for step < length, for each of several runs; one column for each place."""

    bases: np.ndarray  # (runs, columns)
    lengths: np.ndarray  # (runs,)
    strides: np.ndarray  # (columns,)


SHORTEST = 6  # a run of fewer sites is not worth a loop of its own


def _stride(table: np.ndarray, within: np.ndarray | None = None) -> np.ndarray:
    """The most frequent difference of consecutive rows."""
    steps = np.diff(table, axis=0)
    if within is not None:
        steps = steps[within]
    if not steps.size:
        return np.zeros(table.shape[1], dtype=np.int64)
    found, counts = np.unique(steps, axis=0, return_counts=True)
    return found[np.argmax(counts)]


def _runs(table: np.ndarray, stride: np.ndarray | None = None, starts: Sequence[int] = ()) -> list[tuple[int, int]]:
    """(first row, length) of the maximal runs of rows with constant differences; no run crosses `starts`."""
    if stride is None:
        stride = _stride(table)
    fresh = np.ones(len(table), dtype=bool)
    fresh[1:] = np.any(np.diff(table, axis=0) != stride, axis=1)
    fresh[list(starts)] = True
    first = np.flatnonzero(fresh)
    return list(zip(first.tolist(), np.diff(np.append(first, len(table))).tolist(), strict=True))


def roll(table: np.ndarray, *, ordered: bool = False) -> list[Loop]:
    """Loops that go through the rows of a table of places (rows, columns).

    Long runs with constant differences become affine loops, what is left (borders, irregular places) goes through
    the table itself. `ordered` keeps the order of the rows.
    """
    stride = _stride(table)
    runs = _runs(table, stride)
    if ordered:
        regular = len(table) >= 3 * len(runs)
        long, rest = (runs, []) if regular else ([], runs)
    else:
        long = [run for run in runs if run[1] >= SHORTEST]
        rest = [run for run in runs if run[1] < SHORTEST]
    loops = []
    if long:
        first, lengths = np.array(long).T
        loops.append(Loop(table[first], lengths, stride))
    if rest:
        rows = np.concatenate([np.arange(first, first + length) for first, length in rest])
        loops.append(Loop(table[rows], np.ones(len(rows), dtype=np.int64), np.zeros_like(stride)))
    return loops


def roll_segments(table: np.ndarray, starts: Sequence[int]) -> tuple[Loop, np.ndarray]:
    """One loop through all rows in order, and for each segment the number of its first run (and the end)."""
    inner = np.ones(max(len(table) - 1, 0), dtype=bool)
    inner[[s - 1 for s in starts if 0 < s < len(table)]] = False
    stride = _stride(table, inner)
    runs = _runs(table, stride, [s for s in starts if s < len(table)])
    if len(table) < 3 * len(runs):
        runs = [(row, 1) for row in range(len(table))]
        stride = np.zeros_like(stride)
    first, lengths = np.array(runs, dtype=np.int64).reshape(-1, 2).T
    return Loop(table[first], lengths, stride), np.searchsorted(first, [*starts, len(table)])
