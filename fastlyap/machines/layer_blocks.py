"""Blocks of samples of a network, one after the other through the kernels of `kernel.deep`: one thread's work."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from fastlyap.kernel import network as table
from fastlyap.kernel.layerwise import AGAIN, COUNT, FAILED, INTERVAL, RANK, ROWS, SINCE
from fastlyap.kernel.triangular import PANEL
from fastlyap.machines.narrowest import Way, prepare
from fastlyap.networks import compiled
from fastlyap.request import LayersRequest
from fastlyap.trace import entries, feedforward, layerwise

LONGEST = 64  # layers between two orthonormalisations, at most
PER_DECOMPOSITION = 20  # sweeps over small factors


entry = functools.partial(entries.entry, layerwise.TEXT)


class Blocks:
    """Work space for blocks of samples, and where their numbers go."""

    def __init__(self, request: LayersRequest, here: Way, found: Any) -> None:
        self.request, self.here, self.found = request, here, found
        self.inputs = request.given.inputs
        self.tables = prepare(request.network.program, request.stretches, here.block)
        self.depth, t, p, b = len(request.stretches), self.tables, here.p, here.block
        self.n, self.m = request.stretches[0].n, request.stretches[-1].m
        self.tape, self.vectors = np.zeros(t.size), np.zeros(t.size * p)
        self.scratch = np.zeros(t.aux + t.part * p)
        self.frames = np.zeros(b * p * self.n)
        self.factors, self.pairs = np.zeros(b * self.depth * p * p), np.zeros(2 * b * self.depth, dtype=np.int64)
        self.small = np.zeros(8 * p * p + 2 * (2 + PANEL) * p + p * max(s.m + s.n for s in request.stretches))

    @staticmethod
    def cached() -> bool:
        """Whether machine code is on disk."""
        return entries.is_compiled(layerwise.TEXT)

    def run(self, member: int, first: int, count: int) -> None:
        """Samples first ... first + count - 1 of one member."""
        begin = member * self.inputs.samples + first
        part = slice(begin, begin + count)
        x = self._forward(member, first, count, part)
        self._exponents(member, count, part, x, LONGEST)
        kept = self.found.kept[part]
        again = kept[:, AGAIN] > 0
        if again.any():
            before = [values[part].copy() for values in self._outputs()]
            self._exponents(member, count, part, x, 1)
            for values, old in zip(self._outputs(), before, strict=True):
                values[part][~again] = old[~again]
        short = (kept[:, FAILED] < 0) & (kept[:, RANK] < self.request.k)
        if short.any():
            self._look_for_dead_units(member, part, count, short)

    def _outputs(self) -> list[np.ndarray]:
        f = self.found
        return [f.sums, f.change, f.right, f.left, f.kept, f.lost]

    def _forward(self, member: int, first: int, count: int, part: slice) -> np.ndarray:
        """Fill the linearised tape; the flat numbers that go into the layers."""
        t, given, program = self.tables, self.inputs, self.request.network.program
        item = np.zeros((1, feedforward.COLUMNS), dtype=np.int64)
        start = int(given.x_places[member]) + first * program.n_in
        item[0, [feedforward.MEMBER, feedforward.SAMPLE, feedforward.COUNT]] = member, first, count
        item[0, [feedforward.NUMBER, feedforward.EACH, feedforward.INPUT]] = member, self.inputs.samples, start
        last = int(t.layers[-1, -2])
        compiled.entry("forward")(
            t.rows, t.factors, given.parameters, given.parameter_places, given.key, given.x, self.tape,
            self.found.state[part].reshape(-1), self.scratch, item, 0, 1, last, t.size, program.n_in, self.m, True,
        )  # fmt: skip
        if t.before >= 0:
            return self.tape[t.before : t.before + count * self.n]
        return given.x[start : start + count * program.n_in]

    def _restart(self, part: slice, forget: bool) -> None:
        kept = self.found.kept[part]
        if forget:
            kept[:, COUNT] = 0
        kept[:, ROWS], kept[:, SINCE], kept[:, INTERVAL] = self.here.p, 0, 1

    def _walk(self, name: str, cut: int, member: int, count: int, part: slice, x: np.ndarray, longest: int) -> None:
        """Frames from the cut to the outputs, or `back` to the inputs."""
        t, given, p = self.tables, self.inputs, self.here.p
        aux = (t.aux,) if name == "back" else ()
        entry(name)(
            t.layers, cut, t.own, t.own_factors, given.parameters, given.parameter_places[member], x, self.tape,
            self.frames, self.vectors, self.scratch, *aux, count, p, self.depth, self.factors, self.pairs,
            self.found.kept[part].reshape(-1), longest, self.found.lost[part], self.small,
        )  # fmt: skip

    def _exponents(self, member: int, count: int, part: slice, x: np.ndarray, longest: int) -> None:
        kept = self.found.kept[part]
        kept[:] = 0
        kept[:, FAILED] = -1
        walk = functools.partial(self._walk, member=member, count=count, part=part, x=x, longest=longest)
        if self.here.cut < 0:
            self._by_sweeps(walk, count, part)
            return
        p, cut = self.here.p, self.here.cut
        place = int(self.tables.layers[cut - 1, -2]) * p
        frames = self.vectors[place:] if cut else self.frames
        frames[: count * p * p].reshape(count, p, p)[:] = np.eye(p)
        self._restart(part, True)
        if cut:
            walk("back", cut)
            self._restart(part, False)
        if cut < self.depth:
            walk("there", cut)
        self._decompose(count, part, cut == 0, False)

    def _decompose(self, count: int, part: slice, lower: bool, sweeping: bool) -> int:
        """Singular values from the factors; how many samples need another sweep."""
        f, request = self.found, self.request
        most = PER_DECOMPOSITION if sweeping else min(PER_DECOMPOSITION, request.max_sweeps)
        flat = (values[part].reshape(-1) for values in (f.sums, f.change, f.right, f.left))
        return entry("exponents")(
            self.tables.layers, lower, sweeping, count, self.here.p, request.k, self.depth, self.frames, self.vectors,
            self.factors, self.pairs, f.kept[part].reshape(-1), request.tolerance, most, *flat, self.small,
        )  # fmt: skip

    def _by_sweeps(self, walk: Callable[..., None], count: int, part: slice) -> None:
        """The leading exponents by frames that go there and back until nothing changes."""
        p = self.here.p
        noise = np.random.default_rng([self.request.seed, self.n]).standard_normal((self.n, p))
        self.frames[: count * p * self.n].reshape(count, p, self.n)[:] = np.linalg.qr(noise)[0].T
        for _ in range(self.request.max_sweeps):
            self._restart(part, True)
            walk("there", 0)
            self._restart(part, True)
            walk("back", self.depth)
            if self._decompose(count, part, False, True) == 0:
                break

    def _look_for_dead_units(self, member: int, part: slice, count: int, short: np.ndarray) -> None:
        """The rank that units without slope and weights of zero leave, for the samples in the mask `short`."""
        given = self.inputs
        ways = np.ones((count, self.n), dtype=bool)  # which numbers of a sample anything can have come to
        live = np.full(count, self.request.k)
        for row in self.tables.own:
            if row[table.KIND] == table.ADD:
                return  # what goes round a block does not meet its units
            m = int(row[table.M])
            if row[table.KIND] == table.DENSE:
                o = given.parameter_places[member, row[table.WEIGHT]]
                weight = given.parameters[o : o + int(row[table.N]) * m].reshape(-1, m) != 0.0
                live = np.minimum(live, (ways & weight.any(axis=1)).sum(axis=1))
                ways = ways.astype(float) @ weight > 0.0
            elif row[table.KIND] == table.DROPOUT:
                ways &= self._slot(int(row[table.SAVED]), count, m) != 0.0
            elif row[table.KIND] not in (table.COPY, table.BATCH_NORM):
                ways = np.ones((count, m), dtype=bool)
            if row[table.OUT] != row[table.Z]:
                ways &= self._slot(int(row[table.Z]), count, m) != 0.0
            live = np.minimum(live, ways.sum(axis=1))
        self.found.live[part][short] = live[short]

    def _slot(self, place: int, count: int, m: int) -> np.ndarray:
        return self.tape[place : place + count * m].reshape(count, m)
