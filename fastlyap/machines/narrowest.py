"""Which way to the exponents of a network: exactly, from its narrowest place, or the leading ones by sweeps.

The identity at a cut of p units, carried to the outputs and pulled back to the inputs, leaves factors that hold the
product of all layers. That costs p vectors once; sweeps cost some more vectors than are wanted, there and back, until
nothing changes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from fastlyap.kernel import layerwise
from fastlyap.kernel import network as table

SPARE = 8  # vectors beyond those wanted, at least: subspace iteration converges by the gap behind the last of them
EXACT = 4  # so many times as many vectors, once, are as good as sweeps
NUMBERS = 300_000  # on the tapes of a block, vectors included: what lies well in the cache
MOST = 1024  # samples of a block


class Way(NamedTuple):
    """p : vectors of each sample; cut : layers in front of the cut, -1 for sweeps; block : samples at a time."""

    p: int
    cut: int
    block: int


def way(stretches: Any, widths: Any, k: int, samples: int) -> Way:
    """The way for k exponents of these layers; widths : of all slots up to their end."""
    sizes = [stretches[0].n, *(s.m for s in stretches)]
    p, cut = min(sizes), int(np.argmin(sizes))
    few = k + max(k, SPARE)
    if p > EXACT * few:
        p, cut = few, -1
    most = min(samples, MOST, max(1, NUMBERS // (sum(widths) * (1 + p))))
    return Way(p, cut, -(-samples // -(-samples // most)))


class Prepared(NamedTuple):
    """Tables for a block of samples.

    rows, factors : of all operations from the inputs to the last layer; own, own_factors : of the layers alone, the
    slot `before` them being their input; layers : as `kernel.layerwise` reads them; size, part, aux : numbers of a
    tape, of its widest slot, and of scratch of single operations.
    """

    rows: np.ndarray
    factors: np.ndarray
    own: np.ndarray
    own_factors: np.ndarray
    before: int
    layers: np.ndarray
    size: int
    part: int
    aux: int


def prepare(program: Any, stretches: Any, block: int) -> Prepared:
    """Cut the tables of a program down to these layers."""
    tables = program.tables(block)
    first, end = stretches[0].begin, stretches[-1].end
    layers = np.zeros((len(stretches), layerwise.WIDTH_OUT + 1), dtype=np.int64)
    for row, s in zip(layers, stretches, strict=True):
        row[layerwise.BEGIN], row[layerwise.END] = s.begin - first, s.end - first
        row[layerwise.FROM] = tables.places[s.source] if s.source >= 0 else -1
        row[layerwise.TO] = tables.places[s.out]
        row[layerwise.WIDTH_IN], row[layerwise.WIDTH_OUT] = s.n, s.m
    own, before = tables.rows[first:end].copy(), int(layers[0, layerwise.FROM])
    if before >= 0:
        for column in (table.IN, table.OTHER):
            own[own[:, column] == before, column] = -1
    layers[0, layerwise.FROM] = -1
    return Prepared(
        tables.rows[:end], tables.factors[:end], own, np.ascontiguousarray(tables.factors[first:end]), before, layers,
        tables.size, tables.part, tables.aux,
    )  # fmt: skip
