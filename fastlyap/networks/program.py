"""A network as the table that `kernel.network` reads: operations, slots of the tape, numbers of parameters."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from fastlyap.kernel import network as table
from fastlyap.kernel.layer_noise import AT_ONCE

INPUT = -1  # the slot that is not on the tape
NOISE_SIZE = "noise_size"  # the parameter that all noise has for its size
KEPT = 16  # tables, of as many numbers of samples


class Operation(NamedTuple):
    """One row of the table; slots and parameters by number."""

    kind: int
    source: int
    z: int
    out: int
    n: int
    m: int
    code: int = 0
    weight: int = -1
    bias: int = -1
    mean: int = -1
    variance: int = -1
    other: int = INPUT
    factors: tuple[float, float] = (0.0, 0.0)
    coupled: bool = False
    geometry: tuple[int, ...] = ()
    saved: tuple[int, int] = (0, 0)  # numbers kept for each sample, and for all together
    scratch: int = 0
    layer: int = 0


class Tables(NamedTuple):
    """What the kernels read for a number of samples, and the sizes of their work space."""

    rows: np.ndarray
    factors: np.ndarray
    places: tuple[int, ...]  # of the slots
    size: int  # of the tape
    aux: int  # scratch of single operations
    part: int  # numbers of all samples in the widest slot


class Program:
    """Operations of a network in one mode. Built up by the layers, then read only."""

    def __init__(self, size: int) -> None:
        self.operations: list[Operation] = []
        self.sizes: list[int] = []
        self.names: dict[str, int] = {}
        self.n_in = size
        self.last = INPUT
        self.outputs: list[tuple[int, tuple[int, ...]]] = []  # slot and shape of every layer
        self.coupled = False
        self.masks = 0
        self.normals = 0  # that one sample draws
        self._barrier = 0
        self._tables: dict[int, Tables] = {}

    def parameter(self, name: str) -> int:
        """The number of a parameter."""
        return self.names.setdefault(name, len(self.names))

    def slot(self, size: int) -> int:
        """A new slot of so many numbers for each sample."""
        self.sizes.append(size)
        return len(self.sizes) - 1

    def operate(self, kind: int, source: int, n: int, m: int, **more) -> int:
        """One more operation; the slot of its result."""
        out = self.slot(m)
        self.operations.append(Operation(kind, source, out, out, n, m, **more))
        return out

    def apply(self, code: int, source: int, size: int) -> int:
        """An activation: of the operation before, if that is where the slot comes from, or by itself."""
        mine = len(self.operations) > self._barrier and self.operations[-1]
        if not mine or mine.out != source or mine.z != mine.out:
            source = self.operate(table.COPY, source, size, size)
        out = self.slot(size)
        self.operations[-1] = self.operations[-1]._replace(out=out, code=code)
        return out

    def disturb(self, source: int, size: int) -> int:
        """Noise of the size of the parameter `NOISE_SIZE` on a slot, in place where nobody else reads that."""
        shown = any(slot == source for slot, _ in self.outputs)
        out = self.slot(size) if shown else source
        self.operations.append(Operation(table.NOISE, source, out, out, size, size, weight=self.parameter(NOISE_SIZE),
                                         factors=(1.0, 0.0), geometry=(0, self.normals, 0)))  # fmt: skip
        self.normals += size
        return out

    @property
    def random(self) -> bool:
        """Whether members draw random numbers of their own."""
        return self.masks > 0 or self.normals > 0

    def begin_block(self) -> None:
        """What was computed so far has a second reader: no activation may follow it in place."""
        self._barrier = len(self.operations)

    @functools.cached_property
    def work(self) -> float:
        """Floating-point operations of the products for one sample, roughly."""
        return float(sum(2 * op.n * op.m if op.kind == table.DENSE else 10 * op.m + 2 * op.scratch
                         for op in self.operations))  # fmt: skip

    def tables(self, samples: int) -> Tables:
        """The tables for at most so many samples at a time."""
        if samples not in self._tables:
            if len(self._tables) >= KEPT:
                self._tables.clear()
            self._tables[samples] = self._made(samples)
        return self._tables[samples]

    def _made(self, samples: int) -> Tables:
        places, size = [], 0
        for width in self.sizes:
            places.append(size)
            size += _rounded(width * samples)
        rows = np.full((len(self.operations), table.COLUMNS), -1, dtype=np.int64)
        factors = np.zeros((len(self.operations), 2))
        first = self._first_readers()
        for i, op in enumerate(self.operations):
            rows[i, : table.WEIGHT] = (op.kind, op.layer, _at(places, op.source), places[op.z], places[op.out], op.n,
                                       op.m, op.code)  # fmt: skip
            rows[i, table.WEIGHT : table.SAVED] = op.weight, op.bias, op.mean, op.variance
            rows[i, table.SAVED : table.GEOMETRY] = size, first[i][0], _at(places, op.other), first[i][1], op.coupled
            rows[i, table.GEOMETRY : table.GEOMETRY + len(op.geometry)] = op.geometry
            rows[i, table.UNUSED] = 0
            covectors = table.CO_IN, table.CO_Z, table.CO_OUT, table.CO_OTHER
            rows[i, covectors] = [_at(places, slot) for slot in (op.source, op.z, op.out, op.other)]
            factors[i] = op.factors
            size += _rounded(op.saved[0] * samples + op.saved[1])
        size += self._place_noise(rows, size) * samples
        aux = _rounded(max((op.scratch for op in self.operations), default=0))
        return Tables(rows, factors, tuple(places), size, aux, samples * max([self.n_in, *self.sizes]))

    def _place_noise(self, rows: np.ndarray, place: int) -> int:
        """Let all noise read from one sequence of every sample, kept from `place` on; the length of a sequence."""
        noisy = rows[rows[:, table.KIND] == table.NOISE]
        length = -(-self.normals // AT_ONCE) * AT_ONCE
        noisy[:, table.SAVED], noisy[:, table.LENGTH] = place, length
        noisy[:, table.LAST] = np.arange(len(noisy)) == len(noisy) - 1
        rows[rows[:, table.KIND] == table.NOISE] = noisy
        return length

    def _first_readers(self) -> list[tuple[bool, bool]]:
        """For every operation whether it is the first in reverse order to write to its inputs' covectors."""
        seen: set[int] = set()
        found = []
        for op in reversed(self.operations):
            first = op.source not in seen or op.source == op.z  # noise in place
            seen.add(op.source)
            other = op.kind == table.ADD and op.other not in seen
            if op.kind == table.ADD:
                seen.add(op.other)
            found.append((first, other))
        return found[::-1]


def _at(places: Sequence[int], slot: int) -> int:
    return places[slot] if slot >= 0 else INPUT


def _rounded(count: int) -> int:
    """Up to whole cache lines."""
    return -(-count // 8) * 8
