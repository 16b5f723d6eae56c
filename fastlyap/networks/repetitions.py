"""Repetitions of the passes of a network with random numbers of their own: the members of a gradient.

The members of one point share samples and parameters, so that they lie side by side as rows of one product. A *group*
of them goes forward and back before the next one begins, on a tape that stays in the cache; what a member hands to the
noise is the deviation of its loss from the mean of the others of its group.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from fastlyap.kernel import network as table
from fastlyap.networks.compiled import Inputs, Run, Wanted, Workspace
from fastlyap.networks.program import INPUT, Program, Tables
from fastlyap.networks.values import Values
from fastlyap.trace.feedforward import COLUMNS, COUNT, EACH, MEMBER, NUMBER, RESULT, TAPE, VALUE, VECTORS
from fastlyap.trace.feedforward import INPUT as PLACE

ROOM = 1 << 19  # numbers on the tape of a group
FEWEST, MOST = 16, 1024  # members of a group


class Asked(NamedTuple):
    """What to differentiate by, and how.

    keep : (points, noises), share of a covector that stays on the path, for each noise from the first
    names : parameters; by_start : whether the input too
    all : whether the covectors of all slots are to be found in `vectors` afterwards, and not those of some
    """

    keep: np.ndarray
    names: tuple[str, ...]
    by_start: bool
    all: bool = False


@dataclass(frozen=True)
class Group:
    """Members first ... first + count - 1 of a point, and the items they are."""

    point: int
    first: int
    count: int
    lo: int
    hi: int


class Repetitions(Run):
    """`members` repetitions of every point of `inputs`.

    Parameters
    ----------
    net : Values
    inputs : Inputs
        Of the points; its samples are those of one member.
    members : int
    asked : Asked, optional
        None where only losses are wanted.
    """

    def __init__(self, net: Values, inputs: Inputs, members: int, asked: Asked | None = None) -> None:
        program, samples = net.program, inputs.samples
        self.program, self.net, self.asked, self.k = program, net, asked, 1
        self.members, self.n_out, self.threads, self.group = members, net.structure.sizes[1], 1, 1
        one = samples * (sum(program.sizes) + program.normals)
        self.most = min(members, max(FEWEST, min(MOST, ROOM // max(one, 1))))
        rows = samples if program.coupled else samples * self.most
        self.tables = program.tables(rows)
        if asked is not None and not asked.all:
            self.tables = compact(program, self.tables, rows)
        self._marked: dict[bytes, Tables] = {}
        self.last = -1 if program.last < 0 else self.tables.places[program.last]
        self.inputs = self._repeated(inputs)

    def _repeated(self, inputs: Inputs) -> Inputs:
        """The samples of every point as often as a group has members, one copy behind the other."""
        if self.program.coupled:
            return inputs
        size = inputs.samples * self.program.n_in
        x = np.repeat(inputs.x.reshape(-1, 1, size), self.most, axis=1).reshape(-1)
        return Inputs(inputs.samples, x, inputs.x_places * self.most, inputs.parameters, inputs.parameter_places,
                      inputs.seed)  # fmt: skip

    def groups(self, parts: int, points: Iterable[int]) -> list[list[Group]]:
        """The groups of each of `parts` equal parts of the members of some points."""
        found, at = list[list[Group]](), 0
        rows = []
        for point in points:
            for members in np.array_split(np.arange(self.members), parts):
                part = []
                for some in np.array_split(members, -(-len(members) // self.most)):
                    made = self._group_items(point, int(some[0]), len(some))
                    part.append(Group(point, int(some[0]), len(some), at, at + len(made)))
                    rows.append(made)
                    at += len(made)
                found.append(part)
        self.items = np.concatenate(rows)
        return found

    def _group_items(self, point: int, first: int, count: int) -> np.ndarray:
        S, m = self.inputs.samples, self.n_out
        each = 1 if self.program.coupled else count  # members of an item
        items = np.zeros((count // each, COLUMNS), dtype=np.int64)
        done = np.arange(len(items)) * each
        items[:, MEMBER], items[:, COUNT], items[:, EACH] = point, each * S, S
        items[:, PLACE], items[:, NUMBER] = self.inputs.x_places[point], point * self.members + first + done
        items[:, TAPE], items[:, VALUE], items[:, VECTORS] = done * self.tables.size, done * S * m, done * S * m
        items[:, RESULT] = done * S * self.program.n_in
        return items

    def space(self) -> Workspace:
        """Work space for one thread, one group at a time."""
        return Workspace(self.tables, 1, self.most if self.program.coupled else 1)

    def values(self, group: Group, loss: Any, space: Workspace, linear: bool = False) -> tuple[np.ndarray, np.ndarray]:
        """Losses (count,) of the members of a group, and their derivatives by the outputs."""
        S, m = self.inputs.samples, self.n_out
        y = np.empty(group.count * S * m)
        self.forward(space.tapes, y, group.lo, group.hi, space, linear)
        return loss.value_and_cotangent(y.reshape(group.count, S, m))

    def gradients(
        self, group: Group, w: np.ndarray, gain: np.ndarray, together: bool, space: Workspace
    ) -> np.ndarray:  # fmt: skip
        """Adjoints of the members after `values`, (count, numbers), or `together` their sum, (1, numbers)."""
        asked, n = self.asked, self.inputs.samples * self.program.n_in
        assert asked is not None
        many = 1 if together and not self.program.coupled else group.count
        width, starts, spare = self._layout
        places = np.where(starts >= 0, starts + width * np.arange(many)[:, None], many * width)
        total = np.empty(many * width + spare)
        by_start = asked.by_start or self.last < 0
        x = np.empty(group.count * n if by_start else 0)
        wanted = Wanted(self._of_point(group.point), places, total, by_start, gain)
        self.reverse(space.tapes, w.reshape(-1), space.vectors, x, group.lo, group.hi, space, wanted)
        found = total[: many * width].reshape(many, width)
        if asked.by_start:
            found = np.concatenate([found, x.reshape(many, -1, n).sum(axis=1)], axis=1)
        return found.sum(axis=0, keepdims=True) if together else found

    def _of_point(self, point: int) -> Tables:
        """The tables with what noise keeps at a point."""
        assert self.asked is not None
        keep = self.asked.keep[point % len(self.asked.keep)]
        key = keep.tobytes()
        if key not in self._marked:
            self._marked[key] = marked(self.program, self.tables, self.asked, keep, list(self.net.shapes))
        return self._marked[key]

    @functools.cached_property
    def _layout(self) -> tuple[int, np.ndarray, int]:
        """Numbers of the parameters asked for, where each parameter's begin (-1: not asked), room for the others."""
        assert self.asked is not None
        names, shapes = self.asked.names, self.net.shapes
        starts, at = np.full(len(shapes), -1, dtype=np.int64), 0
        for i, name in enumerate(shapes):
            if name in names:
                starts[i] = at
                at += math.prod(shapes[name])
        return at, starts, max(map(math.prod, shapes.values()), default=0)


def marked(program: Program, tables: Tables, asked: Asked, keep: np.ndarray, parameters: list[str]) -> Tables:
    """The tables with what noise keeps of covectors, and with marks on what nobody asks for."""
    rows, factors = tables.rows.copy(), tables.factors.copy()
    needed = {INPUT: asked.by_start}  # slots whose covectors are read
    noises = 0
    for i, op in enumerate(program.operations):
        own = any(number >= 0 and parameters[number] in asked.names for number in (op.weight, op.bias))
        passes = needed[op.source] or (op.kind == table.ADD and needed[op.other])
        rows[i, table.UNUSED] = (not needed[op.source]) | (not own) << 1
        if op.kind == table.NOISE:
            factors[i, table.FACTOR] = keep[noises]
            passes = passes and keep[noises] > 0.0
            noises += 1
        needed[op.z] = needed[op.out] = own or passes
        rows[i, table.UNUSED] |= (not needed[op.out]) << 2
    return tables._replace(rows=rows, factors=factors)


def compact(program: Program, tables: Tables, samples: int) -> Tables:
    """The tables with covectors in as few places as they can share, so that these stay in the cache.

    From the last operation to the first: a covector lives from its first reader in that order to the operation that
    it belongs to, whose slope is applied in place.
    """
    rows, size = tables.rows.copy(), -(-max(program.sizes, default=0) * samples // 8) * 8
    at: dict[int, int] = {INPUT: INPUT}
    free: list[int] = []
    count = 0

    def place(slot: int) -> int:
        nonlocal count
        if slot not in at:
            if not free:
                free.append(count * size)
                count += 1
            at[slot] = free.pop()
        return at[slot]

    for i in range(len(program.operations) - 1, -1, -1):
        op = program.operations[i]
        own = place(op.out)
        rows[i, table.CO_OUT], rows[i, table.CO_Z] = own, own
        del at[op.out]  # noise that is in place for states is not for covectors
        rows[i, table.CO_IN] = place(op.source)
        if op.kind == table.ADD:
            rows[i, table.CO_OTHER] = place(op.other)
        free.append(own)
    return tables._replace(rows=rows, size=max(tables.size, count * size))
