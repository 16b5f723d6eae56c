"""What a core can do at most: a loop of fused multiply-adds, and a library function or a division on lanes.

The loops are lane kernels of our own, so no C compiler is needed; that they hold what they should is read from
their machine code.
"""

import re
from collections.abc import Callable

import numpy as np
from numba import njit

from bench.timing import Contender
from fastlyap.backend.cpu import aligned
from fastlyap.kernel._compile import options
from fastlyap.kernel.lanes import rows_of

ACCUMULATORS = 12  # latency of 4 cycles, two units, and some to spare; 12 and two constants fit 16 registers


def fused(bits: int, turns: int = 2_000_000) -> Contender:
    """A loop of fused multiply-adds on registers of `bits` bits; the work is in floating-point operations."""
    width = bits // 64
    rows = rows_of(width)

    @njit(**options())
    def run(X, turns):
        x = rows(X)
        a, b, c, d, e, f = x[0], x[1], x[2], x[3], x[4], x[5]
        g, h, i, j, k, m = x[6], x[7], x[8], x[9], x[10], x[11]
        s, o = x[12], x[13]
        for _ in range(turns):
            a, b, c, d, e, f = a * s + o, b * s + o, c * s + o, d * s + o, e * s + o, f * s + o
            g, h, i, j, k, m = g * s + o, h * s + o, i * s + o, j * s + o, k * s + o, m * s + o
        x[0] = a + b + c + d + e + f + g + h + i + j + k + m

    X = aligned((ACCUMULATORS + 2, width), "float64")
    X[:ACCUMULATORS], X[-2], X[-1] = np.arange(ACCUMULATORS)[:, None], 0.999999, 1e-6
    run(X.copy(), 1)
    register = {512: "zmm", 256: "ymm", 128: "xmm"}[bits]
    count = len(re.findall(rf"vfmadd\d+pd\s.*{register}", _assembly(run)))
    if count < ACCUMULATORS or count % ACCUMULATORS:
        raise RuntimeError(f"the FMA loop of {bits} bits holds {count} packed FMAs")
    return Contender(f"FMA loop, {bits} bits", lambda: run(X, turns), 2.0 * width * ACCUMULATORS * turns)


def calls(name: str, function: Callable, width: int, turns: int = 5_000) -> Contender:
    """`function` of lanes on rows that stay in the nearest cache; the work is in calls, each for `width` members."""
    rows = rows_of(width)
    count = 64

    @njit(**options())
    def run(X, Y, turns):
        x, y = rows(X), rows(Y)
        for _ in range(turns):
            for i in range(count):
                y[i] = function(x[i])

    X, Y = aligned((count, width), "float64"), aligned((count, width), "float64")
    X[:] = np.linspace(-6.0, 6.0, count * width).reshape(count, width) + 0.05
    return Contender(name, lambda: run(X, Y, turns), float(count * turns))


def _assembly(dispatcher) -> str:
    return next(iter(dispatcher.overloads.values())).library.get_asm_str()
