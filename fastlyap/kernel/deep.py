"""Exponents of the layers of a network for a block of samples, from the factors that the frames of `layerwise` left.

Where factors are all there is to the product of the layers, exactly; else as the estimate of one more sweep.
"""

import math

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import slot
from fastlyap.kernel.layerwise import (
    COUNT,
    FAILED,
    IN_A_ROW,
    PLAIN,
    RANK,
    SURE,
    SWEEPS,
    TO,
    WIDTH_IN,
    WIDTH_OUT,
    combine,
)
from fastlyap.kernel.product import decompose
from fastlyap.kernel.triangular import PANEL


@kernel
def _still_to_come(number, fresh, before, change):
    """How far a number still is from its limit, from how much its last two sweeps changed it."""
    if number == 0:
        return math.inf, math.inf
    now = 0.0 if fresh == before else abs(fresh - before)
    rate = min(now / change, 0.999) if now < change < math.inf else 0.5 if now == 0.0 else 0.999
    return now, now * max(1.0, rate / (1.0 - rate))


@kernel
def _settled(k, number, fresh, sums, change, tolerance):
    """Take over the sums of a sweep; whether all k are within `tolerance` of their limits."""
    settled = True
    for i in range(k):
        now, error = _still_to_come(number, fresh[i], sums[i], change[i])
        settled = settled and error <= tolerance * max(1.0, abs(fresh[i]))
        sums[i], change[i] = fresh[i], now
    return settled


@kernel
def exponents(layers, lower, sweeping, B, p, k, m, U, V, L, sizes, notes, limit, most, sums, change, right, left, Z):
    """Singular values and directions from the factors (lower triangular?); how many samples need another sweep.

    Unless `sweeping`, factors hold the product of all layers and none does.
    """
    end = layers.shape[0] - 1
    n, w, place = layers[0, WIDTH_IN], layers[end, WIDTH_OUT], layers[end, TO] * p
    q = p * p
    A, A2, fresh, last = slot(Z, 0, q), slot(Z, q, q), slot(Z, 2 * q, p), slot(Z, 2 * q + p, p)
    W = slot(Z, 2 * q + 2 * p, 6 * q + (2 + PANEL) * p)
    waiting = 0
    for b in range(B):
        o = PLAIN * b
        if notes[o + FAILED] < 0 and notes[o + SURE] < IN_A_ROW:
            factors, pairs = slot(L, b * m * q, m * q), slot(sizes, 2 * m * b, 2 * m)
            count = notes[o + COUNT]
            rank, sweeps, kept = decompose(count, p, factors, pairs, lower, limit, most, A, A2, fresh, last, W)
            s, c = slot(sums, b * p, p), slot(change, b * p, p)
            if sweeping:
                good = _settled(k, notes[o + SWEEPS], fresh, s, c, limit) and kept
                notes[o + SWEEPS] += 1
                notes[o + SURE] = notes[o + SURE] + 1 if good else 0
                waiting += notes[o + SURE] < IN_A_ROW
            else:
                for i in range(p):
                    s[i], c[i] = fresh[i], last[i]
                notes[o + SWEEPS] = sweeps + 1
                notes[o + SURE] = IN_A_ROW if kept else 0
            notes[o + RANK] = rank
            combine(k, rank, p, n, A, U, b * p * n, slot(right, b * k * n, k * n))
            combine(k, rank, p, w, A2, V, place + b * p * w, slot(left, b * k * w, k * w))
    return waiting
