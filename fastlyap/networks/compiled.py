"""Run a network's program: the compiled module, work space, items of work, threads.

An item is some samples of one member. Members never meet in arithmetic and, but for batch norm in train mode, neither
do samples, so that nothing depends on how items are shared out between threads.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from fastlyap import hardware
from fastlyap.networks.program import Program, Tables
from fastlyap.trace import entries, feedforward
from fastlyap.trace.feedforward import (
    COLUMNS,
    COUNT,
    EACH,
    INPUT,
    MEMBER,
    NUMBER,
    SAMPLE,
    TAPE,
    VALUE,
)

BLOCK = 1 << 15  # numbers on a tape that lie well in the cache
FEWEST = 64  # samples in a block: products of fewer rows are slow
GROUP = 1 << 20  # numbers on the tapes of the items that are done together
WORTH_A_THREAD = 4e6  # floating-point operations: some tenths of a millisecond
LIMB = 24  # bits of a seed in one number


@functools.cache
def entry(name: str) -> Callable[..., None]:
    """An entry point of the module of all networks."""
    return entries.entry(feedforward.assemble(hardware.lanes("float64")), name)


@dataclass(frozen=True)
class Inputs:
    """Samples and parameters of all members of a call.

    x : flat input numbers; x_places (members,) where each member's begin
    parameters : flat parameters; parameter_places (members, count) where each begins
    """

    samples: int
    x: np.ndarray
    x_places: np.ndarray
    parameters: np.ndarray
    parameter_places: np.ndarray
    seed: int

    @property
    def members(self) -> int:
        return len(self.x_places)

    @property
    def key(self) -> np.ndarray:
        """The limbs of the seed."""
        return _limbs(self.seed)


@functools.lru_cache(maxsize=256)
def _limbs(seed: int) -> np.ndarray:
    return np.array([float(seed >> i * LIMB & (1 << LIMB) - 1) for i in range(3)])


class Run:
    """One call: a program on its inputs.

    Parameters
    ----------
    program : Program
    inputs : Inputs
    n_out : int
        Numbers of the output of a sample.
    threads : int
    whole : bool
        Whether all samples of a member are one item: where they are coupled, or parameters' adjoints are summed.
    k : int
        Vectors of each sample that will be moved.
    """

    def __init__(
        self, program: Program, inputs: Inputs, n_out: int, threads: int, *, whole: bool = False, k: int = 1
    ) -> None:
        self.program, self.inputs, self.n_out, self.k = program, inputs, n_out, k
        block = inputs.samples if whole or program.coupled else _block(program, inputs.samples, k)
        self.tables: Tables = program.tables(block)
        self.last = -1 if program.last < 0 else self.tables.places[program.last]
        self.items = self._items(block)
        work = program.work * inputs.samples * inputs.members * (k + 1)
        most = max(1, min(threads, len(self.items), int(work / WORTH_A_THREAD)))
        self.group = max(1, min(GROUP // max(self.tables.size, 1), -(-len(self.items) // most)))
        self.threads = most

    def _items(self, block: int) -> np.ndarray:
        inputs = self.inputs
        starts = np.arange(0, inputs.samples, block)
        items = np.zeros((inputs.members * len(starts), COLUMNS), dtype=np.int64)
        items[:, EACH] = inputs.samples
        if len(items) == 1:
            items[0, COUNT], items[0, INPUT] = inputs.samples, inputs.x_places[0]
            return items
        member = np.repeat(np.arange(inputs.members), len(starts))
        first = np.tile(starts, inputs.members)
        items[:, MEMBER], items[:, NUMBER], items[:, SAMPLE] = member, member, first
        items[:, COUNT] = np.minimum(block, inputs.samples - first)
        items[:, INPUT] = inputs.x_places[member] + first * self.program.n_in
        items[:, VALUE] = (member * inputs.samples + first) * self.n_out
        return items

    def keep_tapes(self) -> np.ndarray:
        """Let every item have a tape of its own: (items, numbers)."""
        self.items[:, TAPE] = np.arange(len(self.items)) * self.tables.size
        return np.empty((len(self.items), self.tables.size))

    def share_tapes(self) -> None:
        """Let the items of one group after the other use the same tapes."""
        self.items[:, TAPE] = np.arange(len(self.items)) % self.group * self.tables.size

    def discard_values(self) -> None:
        """Let all items write their outputs to the same place."""
        self.items[:, VALUE] = 0

    def place(self, column: int, places: np.ndarray, width: int) -> None:
        """Where the numbers of a column lie: those of a member from `places` on, `width` for each sample."""
        self.items[:, column] = places[self.items[:, MEMBER]] + self.items[:, SAMPLE] * width

    def in_groups(self, work: Callable[[int, int, Workspace], None]) -> None:
        """`work(lo, hi, workspace)` on all groups of items, shared out between threads."""
        count = len(self.items)
        groups = [(lo, min(lo + self.group, count)) for lo in range(0, count, self.group)]
        with hardware.one_blas_thread():
            if self.threads == 1:
                self._part(work, groups)
                return
            parts = np.array_split(np.arange(len(groups)), self.threads)
            with ThreadPoolExecutor(self.threads) as pool:
                for done in [pool.submit(self._part, work, [groups[i] for i in part]) for part in parts]:
                    done.result()

    def _part(self, work: Callable[[int, int, Workspace], None], groups: list[tuple[int, int]]) -> None:
        space = Workspace(self.tables, self.k, self.group)
        with np.errstate(all="ignore"):
            for lo, hi in groups:
                work(lo, hi, space)

    def forward(self, tapes: np.ndarray, y: np.ndarray, lo: int, hi: int, space: Workspace, linear: bool) -> None:
        """Fill tapes and outputs; linearise the tapes."""
        t, given = self.tables, self.inputs
        entry("forward")(
            t.rows, t.factors, given.parameters, given.parameter_places, given.key, given.x, tapes, y, space.scratch,
            self.items, lo, hi, self.last, t.size, self.program.n_in, self.n_out, linear,
        )  # fmt: skip

    def tangent(self, tapes: np.ndarray, v: np.ndarray, out: np.ndarray, lo: int, hi: int, space: Workspace) -> None:
        """Move tangents through linearised tapes."""
        t, given = self.tables, self.inputs
        entry("tangent")(
            t.rows, t.factors, given.parameters, given.parameter_places, given.x, tapes, v, space.vectors, out,
            space.scratch, self.items, lo, hi, self.last, t.size, self.program.n_in, self.n_out, self.k,
        )  # fmt: skip

    def reverse(
        self, tapes: np.ndarray, w: np.ndarray, cotapes: np.ndarray, out: np.ndarray, lo: int, hi: int,
        space: Workspace, wanted: Wanted | None = None,
    ) -> None:  # fmt: skip
        """Pull covectors back through linearised tapes to the input; and what else is `wanted` of parameters."""
        given = self.inputs
        more = wanted or Wanted(self.tables, given.parameter_places, NOTHING, True, NOTHING)
        t = more.tables
        entry("reverse")(
            t.rows, t.factors, given.parameters, given.parameter_places, given.x, tapes, w, cotapes, out,
            space.scratch, t.aux, self.items, lo, hi, self.last, t.size, self.program.n_in, self.n_out, self.k,
            wanted is not None, more.places, more.total, more.input, more.gain,
        )  # fmt: skip

    def gradient(
        self, begin: Begin, y: np.ndarray, at_input: np.ndarray, value: np.ndarray, layout: np.ndarray,
        total: np.ndarray, lo: int, hi: int, space: Workspace, step: Step | None = None,
    ) -> None:  # fmt: skip
        """Forward and backward pass: outputs y and loss `value`, adjoints of parameters at their places in `total`.

        With a `step`, `total` is room for the adjoints of one member, and `layout` holds their places and sizes.
        """
        t, given = self.tables, self.inputs
        labelled = begin.numbers.dtype == np.int64
        entry("gradient")(
            t.rows, t.factors, given.parameters, given.parameter_places, given.key, given.x, space.tape,
            NOTHING if labelled else begin.numbers, begin.numbers if labelled else NO_LABELS, space.vectors, y,
            at_input, value, space.scratch, t.aux, self.items, lo, hi, self.last, t.size, self.program.n_in,
            self.n_out, begin.code, begin.temperature, layout, total, at_input.size > 0,
            NOTHING if step is None else step.parameters, 0.0 if step is None else step.rate,
            0 if step is None else step.count,
        )  # fmt: skip


@dataclass(frozen=True)
class Begin:
    """Where a backward pass begins: a code of `trace.feedforward` and covectors, labels or targets."""

    code: int
    numbers: np.ndarray
    temperature: float = 1.0


@dataclass(frozen=True)
class Wanted:
    """Adjoints of parameters, of as many parts of the samples as `places` has rows for them: where they go in `total`.

    tables : with marks on what is not wanted; input : whether the adjoint of the input is wanted
    gain : what each member hands to the noise
    """

    tables: Tables
    places: np.ndarray
    total: np.ndarray
    input: bool
    gain: np.ndarray


@dataclass(frozen=True)
class Step:
    """A step of descent: where the first `count` parameters, each less `rate` times its adjoint, are written."""

    parameters: np.ndarray
    rate: float
    count: int


NOTHING, NO_LABELS = np.empty(0), np.empty(0, dtype=np.int64)


class Workspace:
    """Scratch of one thread; tapes and vectors only where they are asked for."""

    def __init__(self, tables: Tables, k: int, group: int) -> None:
        self._tables, self._k, self._group = tables, k, group
        self.scratch = np.empty(tables.aux + tables.part * k)

    @functools.cached_property
    def vectors(self) -> np.ndarray:
        """A tape for the vectors of one item."""
        return np.empty(self._tables.size * self._k)

    @functools.cached_property
    def tape(self) -> np.ndarray:
        """One tape that all items use in turn."""
        return np.empty(self._tables.size)

    @functools.cached_property
    def tapes(self) -> np.ndarray:
        """Tapes of the items of a group."""
        return np.empty(self._tables.size * self._group)

    @functools.cached_property
    def outputs(self) -> np.ndarray:
        """Where outputs may go that nobody asked for."""
        return np.empty(self._tables.part)


def _block(program: Program, samples: int, k: int) -> int:
    """Samples whose tapes, vectors included, lie well in the cache."""
    one = max(sum(program.sizes) * (1 + k), 1)
    return min(samples, max(FEWEST // math.isqrt(k), BLOCK // one, 1))
