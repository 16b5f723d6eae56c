"""Recurrent weights of PyTorch, Keras and Flax in one form: rows are inputs, gates lie side by side in PyTorch's order.

PyTorch (`torch.nn.RNN`, `LSTM`, `GRU`): matrices (G H, in), transposed here; gates i, f, g, o and r, z, n; two biases,
which only ever occur as their sum, except in the n of a GRU, n = tanh(x W_n + b_n + r (h U_n + c_n)).
Keras (`keras.layers.LSTM`, `GRU`): (in, G H); i, f, c, o and z, r, h; a GRU with `reset_after=True` (the default) is
PyTorch's, with a bias (2, 3 H), one with `reset_after=False` the original one, with (r h) U_n and a bias (3 H).
Flax (`flax.linen`): one matrix (in, H) per gate; an LSTM's bias is with its hidden matrices, a GRU's with those of the
input and with hn. `flax.nnx` has them side by side, in PyTorch's order.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from fastlyap.errors import InputError

GATES = {"rnn": 1, "gru": 3, "lstm": 4}
FLAX = {"rnn": ("",), "gru": ("r", "z", "n"), "lstm": ("i", "f", "g", "o")}

Fetch = Callable[..., np.ndarray]


class Recurrent(NamedTuple):
    """One layer: kind, variant of a GRU, and its parameters as a `Cell` names them.

    input : (m, G H), hidden : (H, G H), bias : (G H,), and of PyTorch's variant of the GRU hidden_bias : (G H,).
    """

    kind: str
    variant: str
    parameters: dict[str, np.ndarray]


def kind_of(key: str, wide: int, hidden: int) -> str:
    """The kind of a layer whose hidden matrix has these sizes.

    Raises
    ------
    InputError
        For sizes of no cell.
    """
    for kind, gates in GATES.items():
        if wide == gates * hidden:
            return kind
    raise InputError(
        f"`{key}` must be 1 (RNN), 3 (GRU) or 4 (LSTM) times as wide as its hidden state, got {wide} for {hidden}."
    )


def from_torch(kind: str, fetch: Fetch, has: Callable[[str], bool]) -> Recurrent:
    """A layer of PyTorch; `fetch` gives a tensor by its role and checks its shape, `has` says whether there is one."""
    wide, n = fetch("weight_hh", (None, None)).shape
    matrices = fetch("weight_ih", (wide, None)).T, fetch("weight_hh", (wide, n)).T
    roles = ["bias_ih", "bias_hh"]
    b, c = [fetch(role, (wide,)) for role in roles] if any(map(has, roles)) else np.zeros((2, wide))
    return _assembled(kind, matrices, b, c)


def from_keras(kind: str, fetch: Fetch, has: Callable[[str], bool], variant: str | None = None) -> Recurrent:
    """A layer of Keras; a GRU without biases does not say its variant, which is PyTorch's then by default."""
    n, wide = fetch("recurrent_kernel", (None, None)).shape
    first, hidden = fetch("kernel", (None, wide)), fetch("recurrent_kernel", (n, wide))
    after = variant != "original"
    biases = np.zeros((2, wide))
    if has("bias"):
        after = kind == "gru" and fetch("bias").ndim == 2
        biases[: 1 + after] = fetch("bias", (2, wide) if after else (wide,))
    if kind == "gru":
        order = np.r_[n : 2 * n, :n, 2 * n : 3 * n]  # from z, r, h
        hidden, first, biases = hidden[:, order], first[:, order], biases[:, order]
    return _assembled(kind, (first, hidden), *biases, variant="original" if kind == "gru" and not after else "torch")


def from_flax(kind: str, fetch: Fetch, has: Callable[[str], bool]) -> Recurrent:
    """A layer of Flax."""
    packed = has("dense_h.kernel")
    gates = ("",) if packed else FLAX[kind]
    sides = ("dense_i", "dense_h") if packed else ("i", "h")
    n, wide = fetch(f"{sides[1]}{gates[0]}.kernel", (None, None)).shape
    wide = wide if packed else n
    m = len(fetch(f"{sides[0]}{gates[0]}.kernel", (None, wide)))
    first, hidden = (
        np.concatenate([fetch(f"{side}{gate}.kernel", (rows, wide)) for gate in gates], axis=1)
        for side, rows in zip(sides, (m, n), strict=True)
    )
    roles = [f"{sides[kind == 'lstm']}{gate}.bias" for gate in gates]
    b, c = np.zeros((2, len(gates) * wide))
    if any(map(has, roles)):
        b = np.concatenate([fetch(role, (wide,)) for role in roles])
        if kind == "gru" and not packed:
            c[2 * n :] = fetch("hn.bias", (n,))
    return _assembled(kind, (first, hidden), b, c)


def _assembled(
    kind: str, matrices: tuple[np.ndarray, np.ndarray], b: np.ndarray, c: np.ndarray, *, variant: str = "torch"
) -> Recurrent:
    """Matrices of rows, and the biases b, of the input, and c, of the hidden state."""
    apart = kind == "gru" and variant == "torch"
    parameters = {"input": matrices[0], "hidden": matrices[1], "bias": b if apart else b + c}
    if apart:
        parameters["hidden_bias"] = c
    return Recurrent(kind, variant, {name: np.ascontiguousarray(value) for name, value in parameters.items()})
