"""Floating-point operations of a member-step, counted from the recorded rule; RK4 with k tangent vectors."""

from collections import Counter
from typing import NamedTuple

import fastlyap as fl
from fastlyap.trace.derivatives import jacobian_rows
from fastlyap.trace.graph import topological

FREE = {"x", "p", "t", "const", "neg"}
DIVISIONS = {"div", "sqrt"}
PLAIN = {"add", "sub", "mul"}
COMBINATIONS = 13  # of RK4, for each component of the state and of each vector: y + h k three times, and the sum


class Operations(NamedTuple):
    """Of one member-step: additions and multiplications; divisions and roots; calls of library functions."""

    plain: float
    divisions: float
    calls: dict[str, float]


def rk4(system: fl.System, k: int, every: int) -> Operations:
    """A step and its share of one reorthonormalisation."""
    rows = jacobian_rows(system.recording.outputs)
    entries = [node for row in rows for node in row.values()]
    found = Counter()
    for node in topological([*system.recording.outputs, *entries]):
        if node.op == "pow":
            found["mul"] += max(1, int(abs(node.args[1].value)).bit_length() - 1)
        elif node.op not in FREE:
            found[node.op] += 1
    product = sum(2 * len(row) - 1 for row in rows) - sum(_is_one(node) for node in entries)
    plain = 4 * (sum(found[op] for op in PLAIN) + k * product) + COMBINATIONS * system.dim * (1 + k)
    plain += _gram_schmidt(system.dim, k) / every
    divisions = 4 * sum(found[op] for op in DIVISIONS)
    calls = {op: 4 * n for op, n in found.items() if op not in PLAIN | DIVISIONS}
    return Operations(plain, divisions, calls)


def _is_one(node) -> bool:
    while node.op == "neg":
        node = node.args[0]
    return node.op == "const" and abs(node.value) == 1.0


def _gram_schmidt(n: int, k: int) -> float:
    return 2 * n * k * (k - 1) + 3 * n * k
