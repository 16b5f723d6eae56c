"""The parameters of a recurrent cell: their share of the covectors that are pulled back through its steps.

A step x' = f(x, W) adds B' nu to the gradient: of weights the outer product of what they multiply, (u, h), and of the
covector of the product. The factors of up to ROWS steps are kept side by side, in the seats of a room, so that each
array of weights takes one product of matrices for all of them. `P` goes on behind the parameters of `kernel.cells` with
what the names below say. Source: back-propagation through time, Werbos, Proc. IEEE 78 (1990) 1550.
"""

import numpy as np

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cells import (
    BIAS,
    DRIVE,
    HIDDEN,
    HIDDEN_BIAS,
    INPUT,
    LENGTH,
    PLACES,
    READOUT,
    READOUT_BIAS,
    add,
    arguments_of,
    fed_back,
    input_width,
    matrix,
    numbers,
    product,
)
from fastlyap.kernel.lanes import slot

# of P: k gradients of a member one behind the other; where each array begins in a gradient (-1: not wanted), then the
# noise's size and the length of a gradient; the room; where its seats begin; how many rows of it are taken; V+
GRADIENT, WHERE, ROOM, SEATS, TAKEN, INVERSE = range(3, 9)
ROWS = 32  # steps
# seats of a layer: what weights multiply, then covectors of k vectors; behind those of all layers: two more
OLD, READ, RESET, ARGUMENT, PRODUCT, CANDIDATE, OF_LAYER = range(7)
FED, TOTAL, MIXED, OTHERS = range(4)


@kernel
def seat(P, place, count):
    """The numbers of a seat of the room."""
    return slot(P[ROOM], P[SEATS][place], count)


@kernel
def length(P):
    """How many numbers a gradient has."""
    return P[WHERE][len(P[WHERE]) - 1]


@kernel
def part(P, c, place, count):
    """An array's numbers in the gradient of covector c."""
    return slot(P[GRADIENT], c * length(P) + P[WHERE][place], count)


@kernel
def keep(X, o, count, P, place, row):
    """Copy `count` numbers from row o of X to a row of a seat."""
    to = slot(P[ROOM], P[SEATS][place] + row * count, count)
    for i in range(count):
        to[i] = X[o + i]


@kernel
def keep_all(X, k, count, P, place, row):
    """The same of k vectors, whose seats hold ROWS rows each."""
    for c in range(k):
        keep(X, c * count, count, P, place, c * ROWS + row)


@kernel
def outer(P, c, place, offset, rows, x, a, y, b):
    """Add x' y of rows x (rows, a) and y (rows, b) to a wanted array of weights, `offset` numbers behind its begin."""
    if P[WHERE][place] < 0:
        return
    total = slot(P[ROOM], P[SEATS][len(P[SEATS]) - OTHERS + TOTAL], a * b)
    np.dot(slot(x, 0, rows * a).reshape(rows, a).T, slot(y, 0, rows * b).reshape(rows, b), total.reshape(a, b))
    add(a * b, total, slot(P[GRADIENT], c * length(P) + P[WHERE][place] + offset, a * b))


@kernel
def sums(P, c, place, rows, y, b):
    """Add the sum of rows y (rows, b) to a wanted bias."""
    if P[WHERE][place] < 0:
        return
    to = part(P, c, place, b)
    for r in range(rows):
        add(b, slot(y, r * b, b), to)


@kernel
def before(kind, z, t, S, P):
    """Keep what the step from the state in `S` multiplies by weights."""
    row, block = P[TAKEN][0], z.states * z.hidden
    for layer in range(z.layers):
        keep(S, layer * block, z.hidden, P, OF_LAYER * layer + OLD, row)
    if z.driven:
        last = PLACES * z.layers
        now = np.int64(t) % P[1][last + LENGTH]
        keep(P[0], P[1][last + DRIVE] + now * z.inputs, z.inputs, P, READ, row)


@kernel
def between(z, S, P, W):
    """Keep what layers read of each other in the new state in `S`, and r h where the reset gate acts on the state."""
    row, H = P[TAKEN][0], z.hidden
    for layer in range(1, z.layers):
        keep(S, (layer - 1) * z.states * H, H, P, OF_LAYER * layer + READ, row)
    if z.shared < z.gates:
        for layer in range(z.layers):
            gate = slot(W, (z.stored * layer + 3) * H, H)
            old, to = seat(P, OF_LAYER * layer + OLD, ROWS * H), seat(P, OF_LAYER * layer + RESET, ROWS * H)
            for i in range(H):
                to[row * H + i] = gate[i] * old[row * H + i]


@kernel
def covectors(z, S, P, k):
    """Nothing: covectors of the new state are no factors by themselves."""


@kernel
def after(z, S, P, W, k):
    """Keep the covectors that `cells.pull` has left in `W`; a row is full."""
    row, H, G = P[TAKEN][0], z.hidden, z.gates * z.hidden
    for layer in range(z.layers):
        DX, DH = arguments_of(z, W, layer, k)
        seats = OF_LAYER * layer
        keep_all(DX, k, G, P, seats + ARGUMENT, row)
        if z.shared in (2, 3):
            keep_all(DH, k, z.shared * H, P, seats + PRODUCT, row)
        if z.shared < z.gates:
            for c in range(k):
                keep(DX, c * G + z.shared * H, H, P, seats + CANDIDATE, c * ROWS + row)
    if z.closed:
        keep_all(fed_back(z, W, k), k, z.inputs, P, OF_LAYER * z.layers + FED, row)
    P[TAKEN][0] = row + 1


@kernel
def _read_outs(z, P, rows):
    """What layer 0 of a closed loop read, (rows, inputs): the read-outs of the states."""
    top = seat(P, OF_LAYER * (z.layers - 1) + OLD, ROWS * z.hidden)
    read = seat(P, READ, ROWS * z.inputs)
    last = PLACES * z.layers
    product(top, rows, matrix(P, last + READOUT, z.hidden, z.inputs), read)
    for r in range(rows):
        add(z.inputs, numbers(P, last + READOUT_BIAS, z.inputs), slot(read, r * z.inputs, z.inputs))


@kernel
def _layer(z, P, layer, c, rows):
    """The gradients of a layer by covector c."""
    H, G, wide = z.hidden, z.gates * z.hidden, input_width(z, layer)
    place, seats = PLACES * layer, OF_LAYER * layer
    X = slot(P[ROOM], P[SEATS][seats + ARGUMENT] + c * ROWS * G, ROWS * G)
    if wide:
        outer(P, c, place + INPUT, 0, rows, seat(P, seats + READ, ROWS * wide), wide, X, G)
    sums(P, c, place + BIAS, rows, X, G)
    old, shared = seat(P, seats + OLD, ROWS * H), z.shared * H
    if z.shared in (2, 3):
        Y = slot(P[ROOM], P[SEATS][seats + PRODUCT] + c * ROWS * shared, ROWS * shared)
        outer(P, c, place + HIDDEN, 0, rows, old, H, Y, shared)
        if z.shared == 3:
            sums(P, c, place + HIDDEN_BIAS, rows, Y, G)
    else:
        outer(P, c, place + HIDDEN, 0, rows, old, H, X, G)
    if z.shared < z.gates:
        Y = slot(P[ROOM], P[SEATS][seats + CANDIDATE] + c * ROWS * H, ROWS * H)
        outer(P, c, place + HIDDEN, H * shared, rows, seat(P, seats + RESET, ROWS * H), H, Y, H)


@kernel
def gather(z, P, k):
    """Add the products of all rows that are kept to the k gradients; the room is empty then."""
    rows, m, last = P[TAKEN][0], z.inputs, PLACES * z.layers
    if z.closed:
        _read_outs(z, P, rows)
    for c in range(k):
        for layer in range(z.layers):
            _layer(z, P, layer, c, rows)
        if z.closed:
            fed = slot(P[ROOM], P[SEATS][OF_LAYER * z.layers + FED] + c * ROWS * m, ROWS * m)
            top = seat(P, OF_LAYER * (z.layers - 1) + OLD, ROWS * z.hidden)
            outer(P, c, last + READOUT, 0, rows, top, z.hidden, fed, m)
            sums(P, c, last + READOUT_BIAS, rows, fed, m)
    P[TAKEN][0] = 0
