"""One step of a recurrent cell on its state and k tangents, to go back through with second derivatives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fastlyap.networks.tape import Tape


def push(about: Any, weights: Mapping[str, np.ndarray], Z: np.ndarray, u: np.ndarray | None) -> Tape:
    """A step from the stack Z (B, 1 + k, n) with inputs u (B, m); the last stack of the tape is the one after it."""
    tape, H = Tape(weights, Z), about.hidden
    if about.kind == "random_rnn":
        gain = tape.still(np.broadcast_to(weights["g"][:, None], (len(Z), H)), "g")
        tape.linear([(tape.units("product", [tape.units(about.activation, [0])[0], gain])[0], "0.hidden")], [])
        return tape
    block = Z.shape[-1] // about.layers
    below = None if u is None else tape.still(u)
    if about.closed:
        top = tape.part(0, slice((about.layers - 1) * block, (about.layers - 1) * block + H))
        below = tape.linear([(top, "readout.weight")], ["readout.bias"])
    parts: list[int] = []
    for layer in range(about.layers):
        own = [tape.part(0, slice(layer * block + i, layer * block + i + H)) for i in range(0, block, H)]
        made = LAYERS[about.kind](tape, about, layer, below, own)
        below = made[0]
        parts += made
    tape.joined(parts)
    return tape


def _terms(layer: int, below: int | None, h: int) -> list[tuple[int, str]]:
    """What moves a layer: its own h, and what lies below."""
    return [(h, f"{layer}.hidden")] + ([] if below is None else [(below, f"{layer}.input")])


def _gates(tape: Tape, a: int, count: int, H: int) -> list[int]:
    return [tape.part(a, slice(i * H, (i + 1) * H)) for i in range(count)]


def _rnn_layer(tape: Tape, about: Any, layer: int, below: int | None, own: list[int]) -> list[int]:
    return tape.units(about.activation, [tape.linear(_terms(layer, below, own[0]), [f"{layer}.bias"])])


def _lstm_layer(tape: Tape, about: Any, layer: int, below: int | None, own: list[int]) -> list[int]:
    a = tape.linear(_terms(layer, below, own[0]), [f"{layer}.bias"])
    return tape.units("lstm", [*_gates(tape, a, 4, about.hidden), own[1]])


def _gru_layer(tape: Tape, about: Any, layer: int, below: int | None, own: list[int]) -> list[int]:
    """The gates read both products together, the candidate each by itself."""
    inner = tape.linear([(own[0], f"{layer}.hidden")], [f"{layer}.hidden_bias"])
    outer = tape.linear([] if below is None else [(below, f"{layer}.input")], [f"{layer}.bias"])
    r, z = _gates(tape, tape.plus(inner, outer), 2, about.hidden)
    last = slice(2 * about.hidden, None)
    return tape.units("gru", [r, z, tape.part(outer, last), tape.part(inner, last), own[0]])


def _original_layer(tape: Tape, about: Any, layer: int, below: int | None, own: list[int]) -> list[int]:
    """The candidate reads what the reset gate leaves of h."""
    cut = 2 * about.hidden
    r, z = _gates(tape, tape.linear(_terms(layer, below, own[0]), [f"{layer}.bias"], slice(cut)), 2, about.hidden)
    (left,) = tape.units("reset", [r, own[0]])
    n = tape.linear(_terms(layer, below, left), [f"{layer}.bias"], slice(cut, None))
    return tape.units("update", [z, n, own[0]])


LAYERS = {"rnn": _rnn_layer, "lstm": _lstm_layer, "gru": _gru_layer, "gru_original": _original_layer}
