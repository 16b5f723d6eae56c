"""Recurrent cells as rules of numbers, unit by unit: dual numbers then give derivatives by every single weight.

h' = phi(u Wx + h Wh + b) with weights (inputs, outputs); gates of the LSTM i, f, g, o (Hochreiter & Schmidhuber 1997,
Gers et al. 2000), of the gated unit r, z, n (Cho et al. 2014; cuDNN's has the reset gate behind the product, "gru").
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from fastlyap import math
from fastlyap.reference.dual import Dual

ACTIVATIONS = {
    "identity": lambda z: z,
    "tanh": math.tanh,
    "sigmoid": math.sigmoid,
    "relu": lambda z: math.maximum(z, 0.0),
    "softplus": math.softplus,
    "sin": math.sin,
    "cos": math.cos,
}


def rule(about: Any, drive: np.ndarray | None = None, key: Callable[[str], str] = str) -> Callable:
    """The rule(t, x, p) of a cell of this architecture.

    Parameters
    ----------
    about : kind and sizes
    drive : (B, T, m), optional
        Inputs of the members of a driven cell, which is then called with dual numbers t.
    key : function
        From the keys of weights to names of parameters.
    """

    def cell(t: Any, x: Any, p: Any) -> list:
        if about.kind == "random_rnn":
            y = [ACTIVATIONS[about.activation](one) for one in x]
            return [p[key("g")] * _row(y, p[key("0.hidden")], j) for j in range(about.hidden)]
        block = len(x) // about.layers
        u: Sequence = ()
        if drive is not None:
            u = [Dual(one) for one in drive[:, int(t.value) % drive.shape[1]].T]
        if about.closed:
            top = list(x)[(about.layers - 1) * block :][: about.hidden]
            W, b = p[key("readout.weight")], p[key("readout.bias")]
            u = [_row(top, W, j) + b[j] for j in range(about.inputs)]
        new: list = []
        for layer in range(about.layers):
            words = ("input", "hidden", "bias", "hidden_bias")
            W = {word: p[key(f"{layer}.{word}")] for word in words if f"{layer}.{word}" in about.shapes}
            made = LAYERS[about.kind](W, u, list(x)[layer * block : (layer + 1) * block], about)
            u, new = made[: about.hidden], new + made
        return new

    return cell


def _row(x: Sequence, W: Any, j: int) -> Any:
    """Number j of x W."""
    total = 0.0
    for i, one in enumerate(x):
        total = total + one * W[i, j]
    return total


def _inputs(W: dict, u: Sequence, j: int) -> Any:
    """Number j of u Wx + b."""
    return W["bias"][j] + (_row(u, W["input"], j) if len(u) else 0.0)


def _rnn(W: dict, u: Sequence, h: list, about: Any) -> list:
    phi = ACTIVATIONS[about.activation]
    return [phi(_inputs(W, u, j) + _row(h, W["hidden"], j)) for j in range(about.hidden)]


def _lstm(W: dict, u: Sequence, x: list, about: Any) -> list:
    H = about.hidden
    h, c = x[:H], x[H:]
    a = [_inputs(W, u, j) + _row(h, W["hidden"], j) for j in range(4 * H)]
    kept = [
        math.sigmoid(a[H + i]) * c[i] + math.sigmoid(a[i]) * math.tanh(a[2 * H + i]) for i in range(H)
    ]
    return [math.sigmoid(a[3 * H + i]) * math.tanh(kept[i]) for i in range(H)] + kept


def _gru(W: dict, u: Sequence, h: list, about: Any) -> list:
    H, original = about.hidden, "hidden_bias" not in W

    def inside(x: Sequence, j: int) -> Any:
        return _row(x, W["hidden"], j) + (0.0 if original else W["hidden_bias"][j])

    r, z = ([math.sigmoid(_inputs(W, u, j) + inside(h, j)) for j in range(k * H, (k + 1) * H)] for k in (0, 1))
    new = []
    for i in range(H):
        j = 2 * H + i
        held = inside([r[s] * h[s] for s in range(H)], j) if original else r[i] * inside(h, j)
        new.append((1.0 - z[i]) * math.tanh(_inputs(W, u, j) + held) + z[i] * h[i])
    return new


LAYERS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru, "gru_original": _gru}
