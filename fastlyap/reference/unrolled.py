"""Recurrent cells along a drive and back through time, one step after another, by the written-out rules of each kind.

Every sequence has weights of its own here, (S, own shape), and so have its gradients. Rules: Hochreiter & Schmidhuber
(1997), Cho et al. (2014); gradients flow through all steps (Werbos 1990).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit

from fastlyap.reference.cells import ACTIVATIONS, bell, sech2


def rows_times(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    """x W for each sequence, (S, a) and (S, a, b)."""
    return np.einsum("si,sij->sj", x, W)


def back_times(d: np.ndarray, W: np.ndarray) -> np.ndarray:
    """d W' for each sequence."""
    return np.einsum("sj,sij->si", d, W)


def outer(x: np.ndarray, d: np.ndarray) -> np.ndarray:
    """x' d for each sequence."""
    return np.einsum("si,sj->sij", x, d)


class Pulled(NamedTuple):
    """Cotangents of a layer's inputs and old state, and of its weights by the last words of their keys."""

    u: np.ndarray | None
    state: np.ndarray
    weights: dict[str, np.ndarray]


def _input(W: Mapping, u: Any, d: np.ndarray) -> tuple[Any, dict[str, np.ndarray]]:
    """Cotangent of the inputs and of the input weights, whose argument has the cotangent d."""
    if "input" not in W:
        return None, {}
    return back_times(d, W["input"]), {"input": outer(u, d)}


def _sum(W: Mapping, u: Any, h: np.ndarray) -> np.ndarray:
    a = rows_times(h, W["hidden"]) + W["bias"]
    return a + rows_times(u, W["input"]) if "input" in W else a


def rnn(W: Mapping, u: Any, h: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """The new state, and what pulls a cotangent of it back."""
    value, slope = ACTIVATIONS[name]
    a = _sum(W, u, h)

    def back(g: np.ndarray) -> Pulled:
        d = g * slope(a)
        du, more = _input(W, u, d)
        return Pulled(du, back_times(d, W["hidden"]), {**more, "hidden": outer(h, d), "bias": d})

    return value(a), back


def lstm(W: Mapping, u: Any, x: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """The same of the LSTM."""
    h, c = np.split(x, 2, axis=1)
    ai, af, ag, ao = np.split(_sum(W, u, h), 4, axis=1)
    i, f, g, o = expit(ai), expit(af), np.tanh(ag), expit(ao)
    new = f * c + i * g
    t = np.tanh(new)

    def back(cotangent: np.ndarray) -> Pulled:
        gh, gc = np.split(cotangent, 2, axis=1)
        d = gc + gh * o * sech2(new)
        da = np.concatenate([d * g * bell(ai), d * c * bell(af), d * i * sech2(ag), gh * t * bell(ao)], axis=1)
        du, more = _input(W, u, da)
        state = np.concatenate([back_times(da, W["hidden"]), d * f], axis=1)
        return Pulled(du, state, {**more, "hidden": outer(h, da), "bias": da})

    return np.concatenate([o * t, new], axis=1), back


def gru(W: Mapping, u: Any, h: np.ndarray, name: str) -> tuple[np.ndarray, Any]:
    """The same of the gated unit, with the reset gate behind the product, or before it where there is one bias only."""
    H, original = h.shape[1], "hidden_bias" not in W
    ax = W["bias"] + (rows_times(u, W["input"]) if "input" in W else 0.0)
    ah = rows_times(h, W["hidden"][:, :, : 2 * H])
    if not original:
        ah = ah + W["hidden_bias"][:, : 2 * H]
    ar, az = np.split(ax[:, : 2 * H] + ah, 2, axis=1)
    r, z = expit(ar), expit(az)
    Wn = W["hidden"][:, :, 2 * H :]
    m = rows_times(r * h, Wn) if original else rows_times(h, Wn) + W["hidden_bias"][:, 2 * H :]
    an = ax[:, 2 * H :] + (m if original else r * m)
    n = np.tanh(an)

    def back(g: np.ndarray) -> Pulled:
        dn, dz = g * expit(-az) * sech2(an), g * (h - n) * bell(az)
        if original:
            q = back_times(dn, Wn)
            dr, extra, inner = q * h * bell(ar), q * r, outer(r * h, dn)
        else:
            dr, extra, inner = dn * m * bell(ar), back_times(dn * r, Wn), outer(h, dn * r)
        gates = np.concatenate([dr, dz], axis=1)
        du, more = _input(W, u, np.concatenate([gates, dn], axis=1))
        more["bias"] = np.concatenate([gates, dn], axis=1)
        if not original:
            more["hidden_bias"] = np.concatenate([gates, dn * r], axis=1)
        more["hidden"] = np.concatenate([outer(h, gates), inner], axis=2)
        return Pulled(du, g * z + extra + back_times(gates, W["hidden"][:, :, : 2 * H]), more)

    return (1.0 - z) * n + z * h, back


LAYERS = {"rnn": rnn, "lstm": lstm, "gru": gru, "gru_original": gru}


class Unrolled:
    """S sequences run along their drives (S, T, m) from states x0 (S, n); `outputs`, `states` (S, T, ...)."""

    def __init__(self, about: Any, weights: Mapping[str, np.ndarray], x0: np.ndarray, drive: np.ndarray) -> None:
        self.about, self.weights, self.drive = about, weights, drive
        self.block = x0.shape[1] // about.layers
        self.tape: list[list[Any]] = []
        x, states, outputs = x0, [], []
        for t in range(drive.shape[1]):
            x = self._step(x, drive[:, t])
            states.append(x)
            outputs.append(self._read(x))
        self.states, self.outputs = np.stack(states, axis=1), np.stack(outputs, axis=1)

    def _top(self, x: np.ndarray) -> np.ndarray:
        return x[:, -self.block :][:, : self.about.hidden]

    def _read(self, x: np.ndarray) -> np.ndarray:
        if not self.about.outputs:
            return self._top(x)
        return rows_times(self._top(x), self.weights["readout.weight"]) + self.weights["readout.bias"]

    def _step(self, x: np.ndarray, u: np.ndarray) -> np.ndarray:
        made, row = [], []
        for layer, old in enumerate(np.split(x, self.about.layers, axis=1)):
            own = {key.split(".")[1]: W for key, W in self.weights.items() if key.startswith(f"{layer}.")}
            new, back = LAYERS[self.about.kind](own, u, old, self.about.activation)
            u = new[:, : self.about.hidden]
            made.append(new)
            row.append(back)
        self.tape.append(row)
        return np.concatenate(made, axis=1)

    def back(self, dY: np.ndarray) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
        """Cotangents of x0, of the drive and of every sequence's weights, from those of the outputs (S, T, q)."""
        g, du = np.zeros_like(self.states[:, 0]), np.zeros_like(self.drive)
        grads = {key: np.zeros_like(W) for key, W in self.weights.items()}
        for t in reversed(range(dY.shape[1])):
            above = dY[:, t]
            if self.about.outputs:
                grads["readout.weight"] += outer(self._top(self.states[:, t]), above)
                grads["readout.bias"] += above
                above = back_times(above, self.weights["readout.weight"])
            parts = np.split(g, self.about.layers, axis=1)
            for layer in reversed(range(self.about.layers)):
                own = parts[layer].copy()
                own[:, : self.about.hidden] += above
                pulled = self.tape[t][layer](own)
                above, parts[layer] = pulled.u, pulled.state
                for word, grad in pulled.weights.items():
                    grads[f"{layer}.{word}"] += grad
            if above is not None:
                du[:, t] = above
            g = np.concatenate(parts, axis=1)
        return g, du, grads
