"""Whether an objective of a system on a circle or torus is continuous where coordinates are wrapped.

The derivative of mod is 1, so that a gradient along the path does not see a jump at the wrap: it is right only where
the two ends of the circle are the same point, for the rule and for the objective.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from fastlyap.trace.cuts import rebuild
from fastlyap.trace.derivatives import ZERO
from fastlyap.trace.evaluate import evaluate
from fastlyap.trace.graph import Node, topological
from fastlyap.trace.recorder import Recording

ROUNDING = 1e-9


def _with(outputs: Sequence[Node], old: Node, new: Node) -> list[Node]:
    """The outputs with one node replaced by another."""
    done: dict[Node, Node] = {}
    for node in topological(outputs):
        done[node] = new if node is old else rebuild(node, done)
    return [done[output] for output in outputs]


def _values(outputs: Sequence[Node], x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(M, B) values of the outputs at states (B, n)."""
    found = evaluate(outputs, x.T, p.T)
    return np.broadcast_to(found.reshape(len(outputs), -1), (len(outputs), len(x)))


def _across(outputs: Sequence[Node], at: Node, end: Node, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """(M, B) differences of the outputs between `at` = end and `at` = 0."""
    return _values(_with(outputs, at, end), x, p) - _values(_with(outputs, at, ZERO), x, p)


def differs(objective: Recording, rule: Recording | None, x: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Where objective or rule take different values at the two ends of a wrapped coordinate, (B,) of states (B, n)."""
    own = () if rule is None else rule.outputs
    circle = {i: node.args[1] for i, node in enumerate(own) if node.op == "mod"}
    lifted = [node.args[0] if i in circle else node for i, node in enumerate(own)]
    outputs = [*objective.outputs, *lifted]
    length = np.full((len(outputs), len(x)), np.inf)
    for i, end in circle.items():
        length[1 + i] = np.abs(_values([end], x, p)[0])
    ends = [(node, node.args[1]) for node in topological(outputs) if node.op == "mod"]
    states = [node for node in topological(outputs) if node.op == "x"]
    ends += [(node, circle[int(node.value or 0)]) for node in states if node.value in circle]
    found = np.zeros(len(x), dtype=bool)
    for at, end in ends:
        with np.errstate(all="ignore"):
            gap = _across(outputs, at, end, x, p)
            turns = np.where(np.isfinite(length), np.round(gap / length) * np.where(np.isfinite(length), length, 0), 0)
            found |= np.any(np.abs(gap - turns) > ROUNDING * (1.0 + np.abs(gap)), axis=0)
    return found
