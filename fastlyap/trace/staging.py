"""The functions of a larger system as groups of sites, and the rows of the block that each stage of a step fills."""

from collections.abc import Sequence
from typing import NamedTuple

from fastlyap.trace.cuts import widen
from fastlyap.trace.linear import Linear
from fastlyap.trace.reroll import Group, group
from fastlyap.trace.values import Values


class Stage(NamedTuple):
    """The functions of a system. The block's last row is for the trace."""

    n: int  # states that are read
    m: int  # rows of the block
    rule: list[Group]
    linearise: list[Group]
    tangent: list[Group]
    adjoint: list[Group]
    divergence: list[Group]


def divide(recording) -> Stage:
    """The functions of a recorded rule."""
    n = recording.inputs
    values = Values(n, *widen(recording.outputs, n))
    linearise = group([*values.shared, *values.copies, *values.results, *values.entries], n)
    rule = group(values.rule(), n)
    for found in (*linearise, *rule):
        found.keep_regular()
    new = _numbers(linearise, n)
    for found in (*linearise, *rule):
        found.renumber(new)
    linear = Linear(values, new)
    tangent = group(linear.tangent(), n)
    adjoint = group(linear.adjoint(tangent), n)
    return Stage(n, linear.trace_place + 1 - n, rule, linearise, tangent, adjoint, group([linear.trace()], n))


def values_alone(recording) -> tuple[list[Group], int]:
    """The rule of a recording that nobody differentiates, and the rows of its block."""
    n = recording.inputs
    values = Values(n, *widen(recording.outputs, n), derivatives=False)
    rule = group(values.rule(), n)
    for found in rule:
        found.keep_regular()
    new = _numbers(rule, n)
    for found in rule:
        found.renumber(new)
    return rule, len(new)


def _numbers(groups: Sequence[Group], n: int) -> dict[int, int]:
    """Final numbers for rows: those that a loop writes lie one behind the other."""
    new: dict[int, int] = {}
    for found in groups:
        for position, kind in enumerate(found.target_kinds):
            if kind == "r":
                new.update({targets[position]: n + len(new) + i for i, (targets, _) in enumerate(found.sites)})
    return new
