"""Recurrent cells over whole sequences: B of them that share their weights, layer by layer, and back-propagation.

The products with the inputs of all steps are one, and so are those that give the gradients of the weights. Rows of
arrays over time are (step, sequence); states (T + 1, B, n) begin with those before the first step. `D` is laid out as
`P`: the gradients of one net's weights.
"""

from typing import NamedTuple

import numpy as np

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cells import (
    BIAS,
    HIDDEN,
    HIDDEN_BIAS,
    INPUT,
    PLACES,
    READOUT,
    READOUT_BIAS,
    add,
    add_to,
    dim,
    input_width,
    matrix,
    numbers,
    pack,
    product,
    product_back,
)
from fastlyap.kernel.lanes import like, slot


class Room(NamedTuple):
    """Scratch; on the way back `rows` ends as the cotangents of the first states."""

    inputs: np.ndarray  # (T B, H or inputs)
    gates: np.ndarray  # (T B, gates H)
    hidden: np.ndarray  # (T B, gates H)
    above: np.ndarray  # (T B, H), on the way back
    rows: np.ndarray  # (B, n), on the way back
    packed: np.ndarray  # (B, 2 H)
    more: np.ndarray  # (B, 2 H)


@kernel
def _inputs_of(z, layer, B, T, U, states, out):
    """What layer l read at all steps, (T B, width): a view of the drive, or the states of the layer below."""
    if layer == 0:
        return slot(U, 0, T * B * z.inputs)
    n, H = dim(z), z.hidden
    pack(T * B, n, states, B * n + (layer - 1) * z.states * H, H, out)
    return slot(out, 0, T * B * H)


@kernel
def _fill_rows(rows, bias, out):
    """The same numbers in every row."""
    count = len(bias)
    for r in range(rows):
        for i in range(count):
            out[r * count + i] = bias[i]


@kernel
def forward(kind, z, outputs, P, B, T, U, states, C, Y, room):
    """States and read-outs Y (T, B, outputs) of all steps; the coefficients of all layers and steps go to C."""
    H, n = z.hidden, dim(z)
    G, block, each = z.gates * H, z.states * H, B * z.stored * H
    for layer in range(z.layers):
        s, wide = layer * block, input_width(z, layer)
        bias = numbers(P, PLACES * layer + BIAS, G)
        if wide:
            x = _inputs_of(z, layer, B, T, U, states, room.inputs)
            product(x, T * B, matrix(P, PLACES * layer + INPUT, wide, G), room.gates)
            for r in range(T * B):
                add(G, bias, slot(room.gates, r * G, G))
        else:
            _fill_rows(T * B, bias, room.gates)
        W = matrix(P, PLACES * layer + HIDDEN, H, z.shared * H)
        for t in range(T):
            old = t * B * n + s
            pack(B, n, states, old, H, room.packed)
            product(room.packed, B, W, room.hidden)
            AX = slot(room.gates, t * B * G, B * G)
            mine = slot(C, (layer * T + t) * each, each)
            kind.state(
                kind, z, P, layer, B, AX, room.packed, room.hidden, room.more, states, old, states, old + B * n, mine
            )
    pack(T * B, n, states, B * n + (z.layers - 1) * block, H, room.inputs)
    if outputs:
        product(room.inputs, T * B, matrix(P, PLACES * z.layers + READOUT, H, outputs), Y)
        for r in range(T * B):
            add(outputs, numbers(P, PLACES * z.layers + READOUT_BIAS, outputs), slot(Y, r * outputs, outputs))
    else:
        for i in range(T * B * H):
            Y[i] = room.inputs[i]


@kernel
def _sum_rows(rows, count, x, out):
    """Sum of `rows` rows."""
    for r in range(rows):
        for i in range(count):
            out[i] = out[i] + x[r * count + i]


@kernel
def _weights(x, rows, a, y, b, out):
    """x' y of rows x (rows, a) and y (rows, b)."""
    np.dot(slot(x, 0, rows * a).reshape(rows, a).T, slot(y, 0, rows * b).reshape(rows, b), out)


@kernel
def _hidden_gradients(z, layer, B, T, states, C, D, room):
    """Of the hidden weights of a layer, from the covectors of all steps."""
    H, n, rows, wide = z.hidden, dim(z), T * B, z.shared * z.hidden
    old = slot(room.inputs, 0, rows * H)
    pack(rows, n, states, layer * z.states * H, H, old)
    covectors = room.hidden if z.shared in (2, 3) else room.gates  # those of both products are the same
    _weights(old, rows, H, covectors, wide, matrix(D, PLACES * layer + HIDDEN, H, wide))
    if z.shared < z.gates:  # the products of r h with the weights of the candidate
        each = z.stored * H
        for r in range(rows):
            reset = slot(C, (layer * rows + r) * each + 3 * H, H)
            for i in range(H):
                old[r * H + i] = reset[i] * old[r * H + i]
        last = slot(room.hidden, 0, rows * H)
        pack(rows, z.gates * H, room.gates, wide, H, last)
        inner = slot(numbers(D, PLACES * layer + HIDDEN, (wide + H) * H), wide * H, H * H).reshape(H, H)
        _weights(old, rows, H, last, H, inner)


@kernel
def backward(kind, z, outputs, P, B, T, U, states, C, dY, D, dU, room):
    """Pull the cotangents dY of all outputs back: gradients D of the weights, dU of the inputs, room.rows of x0."""
    H, n, last = z.hidden, dim(z), PLACES * z.layers
    G, block, each, rows = z.gates * H, z.states * H, z.stored * H, T * B
    above = slot(room.above, 0, rows * H)
    if outputs:
        pack(rows, n, states, B * n + (z.layers - 1) * block, H, room.inputs)
        _weights(room.inputs, rows, H, dY, outputs, matrix(D, last + READOUT, H, outputs))
        _sum_rows(rows, outputs, dY, numbers(D, last + READOUT_BIAS, outputs))
        product_back(dY, rows, matrix(P, last + READOUT, H, outputs), above)
    else:
        for i in range(rows * H):
            above[i] = dY[i]
    for i in range(B * n):
        room.rows[i] = like(room.rows[i], 0.0)
    for turn in range(z.layers):
        layer = z.layers - 1 - turn
        wide = input_width(z, layer)
        for back in range(T):
            t = T - 1 - back
            add_to(B, n, room.rows, layer * block, H, slot(above, t * B * H, B * H))
            mine = slot(C, (layer * T + t) * B * each, B * each)
            DX, DH = slot(room.gates, t * B * G, B * G), slot(room.hidden, t * B * z.shared * H, B * z.shared * H)
            kind.pull(z, P, layer, B, mine, each, room.rows, layer * block, DX, DH, room.packed)
        _sum_rows(rows, G, room.gates, numbers(D, PLACES * layer + BIAS, G))
        if z.shared == 3:  # torch's gated unit alone has biases behind the reset gate
            _sum_rows(rows, G, room.hidden, numbers(D, PLACES * layer + HIDDEN_BIAS, G))
        _hidden_gradients(z, layer, B, T, states, C, D, room)
        if wide:
            x = _inputs_of(z, layer, B, T, U, states, room.inputs)
            _weights(x, rows, wide, room.gates, G, matrix(D, PLACES * layer + INPUT, wide, G))
            product_back(room.gates, rows, matrix(P, PLACES * layer + INPUT, wide, G), above if layer else dU)
