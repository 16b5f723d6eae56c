"""Reverse chain rule: the gradient of a weighted sum of outputs in one pass, whatever the number of inputs.

Where a branch of `where` that is not taken has an infinite derivative, this gives NaN; `jacobian_rows` does not.
"""

from collections.abc import Sequence

from fastlyap.trace.derivatives import ZERO, is_zero, local_partials, plus, times
from fastlyap.trace.graph import Node, topological


def gradient(outputs: Sequence[Node], weights: Sequence[Node], wrt: str = "x") -> dict[int, Node]:
    """sum_i weights[i] d outputs[i] / d wrt[j] as {j: node}, nonzeros only; wrt "x" or "p".

    The weights may be any nodes; they are held fixed.
    """
    cotangents: dict[Node, Node] = {}
    for output, weight in zip(outputs, weights, strict=True):
        cotangents[output] = plus(cotangents.get(output, ZERO), weight)
    found = {}
    for node in reversed(topological(outputs)):
        cotangent = cotangents.pop(node, ZERO)
        if is_zero(cotangent):
            continue
        if node.op == wrt:
            found[node.value] = cotangent
        if not node.args:
            continue
        for argument, partial in zip(node.args, local_partials(node), strict=True):
            if not is_zero(partial):
                cotangents[argument] = plus(cotangents.get(argument, ZERO), times(cotangent, partial))
    return dict(sorted(found.items()))
