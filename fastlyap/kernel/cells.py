"""Recurrent cells in the dense form: one member, its state and its whole frame moved layer by layer by products.

Conventions are those of `fastlyap.networks.cells`: vectors in rows, weights (inputs, outputs), layer l sees the new
hidden state of layer l - 1. What a step is linear in, slopes and gates, is kept as *coefficients*, `stored` numbers for
each hidden unit; Jacobians are never formed. `P` is (numbers, places): the weights of all members one behind the
other, shared by those who have them in common, and where this member's begin; with noise also size, keys and normals.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlyap.kernel import layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.growth import accumulate
from fastlyap.kernel.lanes import like, slot, wide

INPUT, HIDDEN, BIAS, HIDDEN_BIAS, PLACES = range(5)  # places of a layer, and their number
READOUT, READOUT_BIAS, DETERMINANT, DIRECTIONS, DRIVE, LENGTH, LAST = range(7)  # behind those of all layers


class Sizes(NamedTuple):
    """The numbers of a cell."""

    hidden: int  # units of a layer
    layers: int
    states: int  # vectors a layer keeps: 1, or 2 for (h, c)
    inputs: int
    gates: int  # columns of its weights, in units of `hidden`
    shared: int  # those of the hidden weights that one product with the old state takes
    stored: int  # coefficients of a unit
    code: int  # of its activation
    width: int  # of vector registers
    driven: bool  # reads a drive
    closed: bool  # reads its own read-out


class Kind(NamedTuple):
    """The formulas of a layer; see `kernel.cell_rnn`."""

    lanes: Callable  # `rows_of(width)`
    state: Callable  # (kind, z, P, layer, rows, AX, X, AH, T, old, o, new, a, C)
    push: Callable  # (z, P, layer, k, C, fed, TX, TH, V, o, X)
    pull: Callable  # (z, P, layer, k, C, stride, G, o, DX, DH, X)


@kernel
def numbers(P, place, count):
    """The numbers of a member that begin at a place: a view."""
    return slot(P[0], P[1][place], count)


@kernel
def matrix(P, place, rows, columns):
    """A member's weights."""
    return numbers(P, place, rows * columns).reshape(rows, columns)


@kernel
def product(x, rows, M, out):
    """x M of `rows` rows x."""
    a, b = M.shape
    if rows == 1:
        np.dot(slot(x, 0, a), M, slot(out, 0, b))
    elif rows > 1:
        np.dot(slot(x, 0, rows * a).reshape(rows, a), M, slot(out, 0, rows * b).reshape(rows, b))


@kernel
def product_back(x, rows, M, out):
    """x M' of `rows` rows x."""
    a, b = M.shape
    if rows == 1:
        np.dot(M, slot(x, 0, b), slot(out, 0, a))
    elif rows > 1:
        np.dot(slot(x, 0, rows * b).reshape(rows, b), M.T, slot(out, 0, rows * a).reshape(rows, a))


@kernel
def add(count, x, out):
    """out + x."""
    for i in range(count):
        out[i] = out[i] + x[i]


@kernel
def pack(rows, n, S, o, size, X):
    """`size` numbers of each of `rows` rows of length n, from place o of the first, one behind the other."""
    for r in range(rows):
        for i in range(size):
            X[r * size + i] = S[o + r * n + i]


@kernel
def add_to(rows, n, S, o, size, X):
    """The reverse: add the packed numbers."""
    for r in range(rows):
        for i in range(size):
            S[o + r * n + i] = S[o + r * n + i] + X[r * size + i]


@kernel
def input_width(z, layer):
    """Columns that a layer reads."""
    return z.inputs if layer == 0 else z.hidden


@kernel
def dim(z):
    """Number of states."""
    return z.states * z.hidden * z.layers


@kernel
def _feed(z, t, P, layer, lead, k, X, Y, AX):
    """What a layer's inputs bring in: of the state in row 0 if it is the `lead`, then of k vectors.

    `Y` holds the layer below, or for layer 0 of a closed loop the read-out; returns whether vectors have any.
    """
    G = z.gates * z.hidden
    fed = layer > 0 or z.closed
    if fed:
        product(Y, lead + k, matrix(P, PLACES * layer + INPUT, input_width(z, layer), G), AX)
    elif lead and z.driven:
        last = PLACES * z.layers
        now = np.int64(t) % P[1][last + LENGTH]
        u = slot(P[0], P[1][last + DRIVE] + now * z.inputs, z.inputs)
        product(u, 1, matrix(P, INPUT, z.inputs, G), AX)
    elif lead:
        for i in range(G):
            AX[i] = like(AX[i], 0.0)
    if lead:
        add(G, numbers(P, PLACES * layer + BIAS, G), AX)
    return fed


@kernel
def _read_out(z, P, lead, rows, X, Y):
    """The read-outs Y of packed hidden states."""
    last = PLACES * z.layers
    product(X, rows, matrix(P, last + READOUT, z.hidden, z.inputs), Y)
    if lead:
        add(z.inputs, numbers(P, last + READOUT_BIAS, z.inputs), Y)


@kernel
def _pack_both(n, S, s, V, o, lead, k, size, X):
    """The state's part in row 0 if it leads, then the vectors'."""
    if lead:
        pack(1, n, S, s, size, X)
    pack(k, n, V, o + s, size, slot(X, lead * size, k * size))


@kernel
def move(kind, z, t, S, V, o, P, W, lead, k):
    """Move the state in `S`, if it is to `lead`, leaving the coefficients in `W`, and the k vectors at row o of `V`.

    State and vectors share the products with the weights. Without the state its coefficients are those in `W`.
    """
    H, n = z.hidden, dim(z)
    G, rows, block = z.gates * H, lead + k, z.states * H
    X = slot(W, z.stored * H * z.layers, rows * H)
    Y = slot(W, z.stored * H * z.layers + rows * H, rows * max(H, z.inputs))
    at = z.stored * H * z.layers + rows * (H + max(H, z.inputs))
    AX = slot(W, at, rows * G)
    AH = slot(W, at + rows * G, rows * G)
    T = slot(W, at + 2 * rows * G, 2 * H)
    if z.closed:
        _pack_both(n, S, (z.layers - 1) * block, V, o, lead, k, H, X)
        _read_out(z, P, lead, rows, X, Y)
    for layer in range(z.layers):
        s = layer * block
        C = slot(W, z.stored * H * layer, z.stored * H)
        fed = _feed(z, t, P, layer, lead, k, X, Y, AX)
        _pack_both(n, S, s, V, o, lead, k, H, X)
        product(X, rows, matrix(P, PLACES * layer + HIDDEN, H, z.shared * H), AH)
        if lead:
            kind.state(kind, z, P, layer, 1, AX, X, AH, T, S, s, S, s, C)
        TX, TH = slot(AX, lead * G, k * G), slot(AH, lead * z.shared * H, k * G)
        kind.push(z, P, layer, k, C, fed, TX, TH, V, o + s, slot(X, lead * H, k * H))
        if layer < z.layers - 1:
            _pack_both(n, S, s, V, o, lead, k, H, Y)


@kernel
def arguments_of(z, W, layer, k):
    """What `pull` leaves of a layer: the k covectors of its inputs' part and of its product with the old state."""
    H, G = z.hidden, z.gates * z.hidden
    at = z.stored * H * z.layers + k * (2 * H + max(H, z.inputs)) + layer * 2 * k * G
    return slot(W, at, k * G), slot(W, at + k * G, k * G)


@kernel
def fed_back(z, W, k):
    """What `pull` leaves of a closed loop: the k covectors of its read-out."""
    H = z.hidden
    return slot(W, z.stored * H * z.layers + 2 * k * H, k * max(H, z.inputs))


@kernel
def pull(kind, z, V, o, P, W, k):
    """Pull the k covectors at row o of `V` back through the step whose coefficients are in `W`."""
    H, n = z.hidden, dim(z)
    G, block, last = z.gates * H, z.states * H, PLACES * z.layers
    X = slot(W, z.stored * H * z.layers, 2 * k * H)
    Y = fed_back(z, W, k)
    for turn in range(z.layers):
        layer = z.layers - 1 - turn
        s = o + layer * block
        DX, DH = arguments_of(z, W, layer, k)
        kind.pull(z, P, layer, k, slot(W, z.stored * H * layer, z.stored * H), 0, V, s, DX, DH, X)
        if layer > 0:
            product_back(DX, k, matrix(P, PLACES * layer + INPUT, H, G), Y)
            add_to(k, n, V, s - block, H, Y)
    if z.closed:
        DX, DH = arguments_of(z, W, 0, k)
        product_back(DX, k, matrix(P, INPUT, z.inputs, G), Y)
        product_back(Y, k, matrix(P, last + READOUT, H, z.inputs), X)
        add_to(k, n, V, o + (z.layers - 1) * block, H, X)


@kernel
def multiply(A, C, count):
    """Multiply the volume of the steps by `count` numbers |C|.

    Exponents are summed as whole numbers: those of `lanes.split` lose their last bit if the compiler adds two of them.
    """
    alive = A[layout.STATUS] == 0.0
    size = like(C[0], 1.0)
    total = 0
    for i in range(count):
        size, exponent = math.frexp(size * abs(C[i]))
        total += exponent
    accumulate(A, layout.VOLUME_MANTISSA, layout.VOLUME_EXPONENT, like(C[0], size), alive)
    if alive:
        A[layout.VOLUME_EXPONENT] = A[layout.VOLUME_EXPONENT] + like(A[0], total)


@kernel
def multiply_by_weights(A, P, place):
    """Multiply the volume of the steps by |det| of the weights, kept as mantissa and exponent."""
    alive = A[layout.STATUS] == 0.0
    det = numbers(P, place, 2)
    accumulate(A, layout.VOLUME_MANTISSA, layout.VOLUME_EXPONENT, det[0], alive)
    if alive:
        A[layout.VOLUME_EXPONENT] = A[layout.VOLUME_EXPONENT] + wide(det[1])


@kernel
def kick(n, q, sizes, mixed, S, P, place):
    """Add noise to the state: its size, one number or n, times the normals behind it, or a mixture of q of them."""
    noise = P[2]
    w = slot(noise, sizes + layout.KEYS, q)
    for i in range(n):
        total = w[min(i, q - 1)]
        if mixed:
            V = matrix(P, place, n, q)
            total = V[i, 0] * w[0]
            for j in range(1, q):
                total = total + V[i, j] * w[j]
        S[i] = S[i] + noise[min(i, sizes - 1)] * total


@kernel
def unit_volume(n, S, Z):
    """(1, 0): where the volume is taken from the steps themselves, nothing is measured on the frame."""
    return like(S[0], 1.0), like(S[0], 0.0)
