"""Where a network can be cut: its layers as stretches of operations, one weighted map each with what follows it.

Between two stretches one slot of the tape holds all there is. A block that its input bypasses is one stretch, whatever
lies within it; what comes before the first weighted map belongs to that.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastlyap import cast
from fastlyap.errors import InputError
from fastlyap.kernel import network as table
from fastlyap.networks.program import INPUT, Program

WEIGHTED = (table.DENSE, table.CONVOLUTION)


class Stretch(NamedTuple):
    """begin, end : operations; source, out : slots before and after; n, m : their widths."""

    begin: int
    end: int
    source: int
    out: int
    n: int
    m: int


def _borders(program: Program) -> list[int]:
    """Operations in front of which a single slot is all that is read later on."""
    operations, last = program.operations, program.last
    reads = [[op.source] + [op.other] * (op.kind == table.ADD) for op in operations]
    made = [{op.z, op.out} for op in operations]
    found = []
    for i in range(1, len(operations)):
        late = set().union(*made[i:])
        needed = {slot for each in reads[i:] for slot in each} - late
        if needed == {operations[i - 1].out} and last in late:
            found.append(i)
    return [0, *found, len(operations)]


def stretches(program: Program) -> list[Stretch]:
    """The layers of a network, its read-out included."""
    operations, borders = program.operations, _borders(program)
    begins: list[int] = []
    for i, j in zip(borders[:-1], borders[1:], strict=True):
        if any(op.kind in WEIGHTED for op in operations[i:j]):
            begins.append(i if begins else 0)
    found = []
    for begin, end in zip(begins, [*begins[1:], len(operations)], strict=False):
        source = operations[begin - 1].out if begin else INPUT
        n = program.sizes[source] if begin else program.n_in
        out = operations[end - 1].out
        found.append(Stretch(begin, end, source, out, n, program.sizes[out]))
    return found


def chosen(program: Program, layers: Any) -> tuple[slice, list[Stretch]]:
    """The layers that `layers` names, by default all but the read-out, and which they are.

    Raises
    ------
    InputError
        For networks without weights, and for what is not a slice of at least one layer.
    """
    found = stretches(program)
    if not found:
        raise InputError("`net` has no layer with weights, so there is nothing to take exponents of.")
    if layers is None:
        layers = slice(0, max(len(found) - 1, 1))
    if not isinstance(layers, slice) or layers.step not in (None, 1):
        raise InputError(f"`layers` must be a slice of layers without a step, such as slice(0, 3), got {layers!r:.60}.")
    for end in (layers.start, layers.stop):
        if end is not None:
            cast.count("layers", end + len(found) if isinstance(end, int) and end < 0 else end, 0)
    begin, end, _ = layers.indices(len(found))
    if not begin < end:
        raise InputError(f"`layers` must hold at least one of the {len(found)} layers of the network, got {layers!r}.")
    return slice(begin, end), found[begin:end]
