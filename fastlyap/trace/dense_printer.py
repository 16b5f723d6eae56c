"""Print a recorded rule for the dense form: its functions fill a whole Jacobian, which products then use.

A system is *dense* when its Jacobian has few structural zeros even after what many components share has been split
off (a mean field, say, which costs the rows form n operations and not n^2).
"""

import functools

from fastlyap.trace.cuts import kept, long_sums, rebuild, widen
from fastlyap.trace.derivatives import ZERO, jacobian_rows
from fastlyap.trace.graph import Node, leaf, topological
from fastlyap.trace.printer import function
from fastlyap.trace.reroll import Site, group
from fastlyap.trace.rows_printer import print_groups
from fastlyap.trace.values import with_needed
from fastlyap.trace.walk import Tables

DENSE = 0.5  # share of entries that may differ from zero


@functools.lru_cache(maxsize=64)
def is_dense(recording) -> bool:
    """Whether the products with the Jacobian are those of a full matrix."""
    n = recording.dim
    cuts, outputs = widen(recording.outputs, n)
    seen: dict[Node, int] = {}
    for node in topological([*cuts, *outputs]):
        mask = 1 << node.value if node.op == "x" else 0
        for a in node.args:
            mask |= seen[a]
        seen[node] = mask
    return sum(seen[node].bit_count() for node in (*cuts, *outputs)) >= DENSE * n * n


class _Stage:
    """The sites of a stage: the n * n entries of the Jacobian come first in its block, shared values after them."""

    def __init__(self, recording) -> None:
        self.n = n = recording.dim
        outputs = long_sums(recording.outputs)
        entries = [row.get(j, ZERO) for row in jacobian_rows(outputs) for j in range(n)]
        keep = set(kept([(node,) for node in (*outputs, *dict.fromkeys(entries))]))
        new: dict[Node, Node] = {}
        self.shared: list[Site] = []
        for node in topological([*outputs, *entries]):
            new[node] = rebuild(node, new)
            if node in keep:
                row = leaf("x", n + n * n + len(self.shared))
                self.shared.append(Site((row.value,), (new[node],)))
                new[node] = row
        self.results = [Site((i,), (new[node],)) for i, node in enumerate(outputs)]
        self.entries = [Site((n + place,), (new[node],)) for place, node in enumerate(entries)]

    def rule(self) -> list[Site]:
        """The sites that the outputs alone need."""
        return with_needed(self.shared, self.results, self.n)


def print_dense_functions(recording) -> tuple[str, int]:
    """The text of the functions of a dense rule, and the number of rows of a stage's block."""
    stage, tables, n = _Stage(recording), Tables(), recording.dim
    text = print_groups("rule", group(stage.rule(), n), tables, n)
    text += print_groups("linearise", group([*stage.shared, *stage.results, *stage.entries], n), tables, n)
    return tables.text + "\n\n" + text, n * n + len(stage.shared)


_DENSE = {"span": "k", "bundle": "S, o, span", "put": "S, o, x", "axpy": "h, a, x, out", "scale": "s, a, out",
          "choose": "mask, a, b, out", "zero": "x, out", "project": "S, first, j, k, Z",
          "tangent": "J, o, P, v, out", "adjoint": "J, o, P, w, out", "divergence": "J, o, P",
          "stage": "J, o, P, w, v, r, weight, ahead, R, Y, K", "add": "J, o, P, w, r, weight, R, K"}  # fmt: skip
_VECTORS = {"get": "S, o", "dot": "a, b", "mean_square": "e, x, y, rtol, atol"}


def print_dense_algebra(n: int) -> str:
    """The operations on vectors and bundles of this dimension."""
    text = f"N = np.int64({n})\n\n\n"
    for room, functions in (("dense", _DENSE), ("vectors", _VECTORS)):
        for name, arguments in functions.items():
            text += function(name, arguments, [], f"{room}.{name}(N, {arguments})")
    return text + function("volume", "n, S, Z", [], "dense.volume(N, S, Z)")
