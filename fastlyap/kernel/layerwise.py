"""Singular values of the product of the layers of a network, for a block of samples at once.

The tangents of all samples, p of each, go through a layer as one product of matrices; then the p rows of a sample are
made orthonormal, V = L Q, where their conditioning asks for it. From a cut between layers that is p units wide the
identity is carried to the outputs, and by the adjoint to the inputs: the triangular factors of both ways are all there
is to the product of all layers, and `product.decompose` needs nothing else. Where no cut is that narrow, p rows
go there and back again from the inputs: subspace iteration on J'J.
"""

import math

import numpy as np

from fastlyap.kernel import network
from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import rows_of, slot
from fastlyap.kernel.product import LARGE
from fastlyap.kernel.triangular import complete, orthonormalise, subtract

# columns of the table of layers: operations, place (-1: the inputs) and width of what goes in and of what comes out
BEGIN, END, FROM, WIDTH_IN, TO, WIDTH_OUT = range(6)
# whole numbers kept of every sample
ROWS, COUNT, SINCE, INTERVAL, FAILED, SWEEPS, SURE, RANK, AGAIN = range(9)
PLAIN = 9

one = rows_of(1)  # products with frames are large enough for BLAS
PARALLEL = 1e3  # how far rows are expected to turn towards each other between two orthonormalisations, at most
WORST = 1e6  # a sample whose rows have turned this far is done again, layer by layer
IN_A_ROW = 2  # sweeps that must all say that nothing is left to do


@kernel_call
def _one_more(p, n, V, L, sizes, notes, layer, last, most, Z):
    """V = L Q for the frame of one sample, if it is time to; the loss of digits, 1 where nothing was done."""
    notes[SINCE] += 1
    if notes[FAILED] >= 0 or (not last and notes[SINCE] < notes[INTERVAL]):
        return 1.0
    f = notes[COUNT]
    left, kept = orthonormalise(notes[ROWS], n, V, 0, L, f * p * p, p, Z)
    if left < 0:
        notes[FAILED], notes[ROWS] = layer, 0
        return 1.0
    sizes[2 * f], sizes[2 * f + 1] = notes[ROWS], left
    if notes[SINCE] > 1 and kept * WORST < 1.0:
        notes[AGAIN] = 1
    turned = -math.log(kept) / notes[SINCE]  # per layer
    notes[INTERVAL] = min(most, max(1, int(math.log(PARALLEL) / max(turned, 0.1))))
    notes[ROWS], notes[COUNT], notes[SINCE] = left, f + 1, 0
    return 1.0 / kept


@kernel
def _frames(B, p, n, m, V, place, L, sizes, notes, layer, last, most, lost, Z):
    """One more layer for all samples, whose frames begin at `place` of V."""
    for b in range(B):
        frame, factors = slot(V, place + b * p * n, p * n), slot(L, b * m * p * p, m * p * p)
        pairs, kept = slot(sizes, 2 * m * b, 2 * m), slot(notes, PLAIN * b, PLAIN)
        lost[b] = max(lost[b], _one_more(p, n, frame, factors, pairs, kept, layer, last, most, Z))


@kernel
def there(layers, cut, T, F, P, at, X, W, U, V, S, B, p, m, L, sizes, notes, most, lost, Z):
    """Carry frames from a cut (U at the inputs) to the outputs, leaving the triangular factors in L."""
    for g in range(cut, layers.shape[0]):
        row = layers[g]
        ops = slice(row[BEGIN], row[END])
        network.tangent(T[ops], F[ops], P, at, X, W, U, V, S, B, p)
        last = g == layers.shape[0] - 1
        _frames(B, p, row[WIDTH_OUT], m, V, row[TO] * p, L, sizes, notes, g, last, most, lost, Z)


@kernel
def back(layers, cut, T, F, P, at, X, W, U, V, S, aux, B, p, m, L, sizes, notes, most, lost, Z):
    """Pull frames back from a cut to the inputs, into U, leaving the triangular factors in L."""
    for g in range(cut - 1, -1, -1):
        row = layers[g]
        ops = slice(row[BEGIN], row[END])
        network.reverse(one, 1, T[ops], F[ops], P, at, X, W, V, S, aux, B, p, False, T, V, True, U, Z, 1)
        frames, place = (U, 0) if g == 0 else (V, row[FROM] * p)
        _frames(B, p, row[WIDTH_IN], m, frames, place, L, sizes, notes, g, g == 0, most, lost, Z)


@kernel
def turn(B, p, m, L, sizes, notes):
    """K_1 ... K_n becomes K_n' ... K_1' for the factors of every sample."""
    q = p * p
    for b in range(B):
        count, o = notes[PLAIN * b + COUNT], b * m * q
        for f in range(count // 2):
            for i in range(q):
                x, y = o + f * q + i, o + (count - 1 - f) * q + i
                L[x], L[y] = L[y], L[x]
        pairs = slot(sizes, 2 * m * b, 2 * m)
        for i in range(count):  # pairs of sizes from the other end, each turned round, are all numbers backwards
            x, y = i, 2 * count - 1 - i
            pairs[x], pairs[y] = pairs[y], pairs[x]
        for f in range(count):
            for i in range(p):
                for j in range(i):
                    x, y = o + f * q + i * p + j, o + f * q + j * p + i
                    L[x], L[y] = L[y], L[x]


@kernel
def combine(k, rank, p, n, A, V, v, out):
    """out (k, n) = A (rank, p) V, for the frame V at v; rows beyond `rank` are made up to be orthogonal to the rest."""
    if p >= LARGE:
        X, Y = slot(A, 0, k * p).reshape(k, p), slot(V, v, p * n).reshape(p, n)
        np.dot(X, Y, slot(out, 0, k * n).reshape(k, n))
        rows = 0
    else:
        rows = min(k, rank)
    for i in range(rows):
        row = slot(out, i * n, n)
        for j in range(n):
            row[j] = 0.0
        for m in range(p):
            subtract(n, -A[i * p + m], slot(V, v + m * n, n), row)
    complete(k, n, out, 0, min(k, rank))
