"""Recurrent cells from their formulas: one step with its tangents, as the dynamics of the other files of this folder.

Rows: u (..., m), h (..., H), weights (inputs, outputs), whose batch axes broadcast against the leading ones. Sources:
Hochreiter & Schmidhuber (1997), Gers et al. (2000) for the LSTM, Cho et al. (2014) for the gated unit, whose reset gate
acts behind the product in cuDNN's variant ("gru"), before it in the original.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import special

from fastlyap.reference.dynamics import stack, with_identity
from fastlyap.reference.noise import Noise

LEAK = 0.01


def sech2(z: np.ndarray) -> np.ndarray:
    """1 - tanh(z)^2 without cancellation."""
    e = np.exp(-2.0 * np.abs(z))
    return 4.0 * e / (1.0 + e) ** 2


def bell(z: np.ndarray) -> np.ndarray:
    """s(z) (1 - s(z)) of the logistic s."""
    return special.expit(z) * special.expit(-z)


ACTIVATIONS = {  # name: (value, slope)
    "identity": (lambda z: z, np.ones_like),
    "tanh": (np.tanh, sech2),
    "sigmoid": (special.expit, bell),
    "relu": (lambda z: np.maximum(z, 0), lambda z: (z > 0).astype(z.dtype)),
    "leaky_relu": (lambda z: np.where(z > 0, z, LEAK * z), lambda z: np.where(z > 0, 1, LEAK).astype(z.dtype)),
    "elu": (lambda z: np.where(z > 0, z, np.expm1(np.minimum(z, 0))), lambda z: np.exp(np.minimum(z, 0))),
    "softplus": (lambda z: np.logaddexp(z, 0), special.expit),
    "silu": (lambda z: z * special.expit(z), lambda z: special.expit(z) * (1 + z * special.expit(-z))),
    "gelu": (
        lambda z: z * special.ndtr(z),
        lambda z: special.ndtr(z) + z * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi),
    ),
    "erf": (lambda z: special.erf(np.sqrt(np.pi) / 2 * z), lambda z: np.exp(-np.pi / 4 * z * z)),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda z: -np.sin(z)),
}


def _times(x: np.ndarray, W: np.ndarray) -> np.ndarray:
    """x W of rows x (..., a) with weights (..., a, b)."""
    return (x[..., None, :] @ W)[..., 0, :]


@dataclass(frozen=True)
class Stack:
    """Cells with weights: {key: array (..., own shape)}; `about` tells kind, sizes and whether the loop is closed."""

    about: Any
    weights: Mapping[str, np.ndarray]

    def step(self, x: np.ndarray, u: np.ndarray | None, V: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The next states of x (..., n) with inputs u (..., m), and the images of vectors V (..., k, n)."""
        about, H = self.about, self.about.hidden
        if about.kind == "random_rnn":
            value, slope = ACTIVATIONS[about.activation]
            g, W = (np.asarray(self.weights[key]) for key in ("g", "0.hidden"))
            g = g[..., None]
            return g * _times(value(x), W), (g * slope(x))[..., None, :] * V @ W
        du = np.zeros((*V.shape[:-1], about.inputs))
        if about.closed:
            R = np.asarray(self.weights["readout.weight"])
            top = slice((about.layers - 1) * (x.shape[-1] // about.layers), None)
            u = _times(x[..., top][..., :H], R) + self.weights["readout.bias"]
            du = V[..., top][..., :H] @ R
        parts, block = [], x.shape[-1] // about.layers
        for layer in range(about.layers):
            own = slice(layer * block, (layer + 1) * block)
            made = LAYERS[about.kind](self._of(layer), u, x[..., own], du, V[..., own], about.activation)
            u, du = made[0][..., :H], made[1][..., :H]
            parts.append(made)
        return tuple(np.concatenate([part[i] for part in parts], axis=-1) for i in (0, 1))

    def _of(self, layer: int) -> dict[str, np.ndarray]:
        """The weights of a layer, by the last words of their keys."""
        names = {key.split(".")[1]: key for key in self.weights if key.startswith(f"{layer}.")}
        return {name: np.asarray(self.weights[key]) for name, key in names.items()}


def _arguments(W: Mapping, u: Any, h: np.ndarray, du: np.ndarray, dh: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u Wx + h Wh + b and its tangents."""
    a, da = _times(h, W["hidden"]) + W["bias"], dh @ W["hidden"]
    if "input" in W:
        a, da = a + _times(u, W["input"]), da + du @ W["input"]
    return a, da


def _rnn(W: Mapping, u: Any, h: np.ndarray, du: Any, dh: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    value, slope = ACTIVATIONS[name]
    a, da = _arguments(W, u, h, du, dh)
    return value(a), slope(a)[..., None, :] * da


def _lstm(W: Mapping, u: Any, x: np.ndarray, du: Any, V: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    (h, c), (dh, dc) = np.split(x, 2, axis=-1), np.split(V, 2, axis=-1)
    a, da = _arguments(W, u, h, du, dh)
    ai, af, ag, ao = np.split(a, 4, axis=-1)
    di, df, dg, do = np.split(da, 4, axis=-1)
    i, f, o, g = special.expit(ai), special.expit(af), special.expit(ao), np.tanh(ag)
    c_new = f * c + i * g
    row = (..., None, slice(None))
    dc = f[row] * dc + (c * bell(af))[row] * df + (g * bell(ai))[row] * di + (i * sech2(ag))[row] * dg
    t = np.tanh(c_new)
    dh = (o * sech2(c_new))[row] * dc + (t * bell(ao))[row] * do
    return np.concatenate([o * t, c_new], axis=-1), np.concatenate([dh, dc], axis=-1)


def _gru(W: Mapping, u: Any, h: np.ndarray, du: Any, dh: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """r and z from all; n from (a_n + r b_n), where b is the hidden product ("gru"), or of r h ("gru_original")."""
    H, original, row = h.shape[-1], "hidden_bias" not in W, (..., None, slice(None))
    zero = {"input": W["input"]} if "input" in W else {}
    Wr, Wn = W["hidden"][..., : 2 * H], W["hidden"][..., 2 * H :]
    a, da = _arguments({**zero, "bias": W["bias"], "hidden": 0.0 * W["hidden"]}, u, h, du, dh)
    b, db = _times(h, Wr), dh @ Wr
    if not original:
        b = b + W["hidden_bias"][..., : 2 * H]
    gate, dgate = a[..., : 2 * H] + b, da[..., : 2 * H] + db
    r, z = special.expit(gate[..., :H]), special.expit(gate[..., H:])
    dr, dz = bell(gate[..., :H])[row] * dgate[..., :H], bell(gate[..., H:])[row] * dgate[..., H:]
    if original:
        inner, dinner = _times(r * h, Wn), (r[row] * dh + h[row] * dr) @ Wn
    else:
        m = _times(h, Wn) + W["hidden_bias"][..., 2 * H :]
        inner, dinner = r * m, r[row] * (dh @ Wn) + m[row] * dr
    an = a[..., 2 * H :] + inner
    n, dn = np.tanh(an), sech2(an)[row] * (da[..., 2 * H :] + dinner)
    rest = special.expit(-gate[..., H:])
    return rest * n + z * h, rest[row] * dn + z[row] * dh + (h - n)[row] * dz


LAYERS = {"rnn": _rnn, "lstm": _lstm, "gru": _gru, "gru_original": _gru}


def step(about: Any, weights: Mapping, x: np.ndarray, u: np.ndarray | None) -> np.ndarray:
    """The next states of x (..., n) with inputs u (..., m)."""
    return Stack(about, weights).step(x, u, x[..., None, :] * 0.0)[0]


def jacobian(about: Any, weights: Mapping, x: np.ndarray, u: np.ndarray | None) -> np.ndarray:
    """J[..., i, j] = d x'_i / d x_j, (..., n, n)."""
    n = x.shape[-1]
    V = np.broadcast_to(np.eye(n), (*x.shape, n))
    return Stack(about, weights).step(x, u, V)[1].swapaxes(-1, -2)


@dataclass(frozen=True)
class CellDynamics:
    """B cells as `reference.dynamics.Dynamics`: what is stepped, with their inputs.

    weights : {key: (B, own shape)}; drive : (B, T, m), read again from its start when it ends, or None;
    sigma : (B,) or (B, n), size of the noise
    """

    about: Any
    weights: Mapping[str, np.ndarray]
    drive: np.ndarray | None
    t0: float = 0.0
    dt: float = 1.0
    integrator: str = "map"
    noise: Noise | None = None
    past: None = None
    subspace: None = None
    sigma: np.ndarray | None = None

    def size(self, t: Any, Z: np.ndarray) -> np.ndarray:
        """Of the noise of each state, (B, 1 + k, n), which does not depend on the state."""
        assert self.sigma is not None
        found = np.zeros_like(Z)
        found[:, 0] = self.sigma.reshape(len(Z), -1)
        return found

    def field(self, t: Any, Z: np.ndarray, w: np.ndarray | None = None) -> np.ndarray:
        """x' and J v of stacks (B, 1 + k, n)."""
        u = None if self.drive is None else self.drive[:, int(t) % self.drive.shape[1]]
        with np.errstate(all="ignore"):
            x, V = Stack(self.about, self.weights).step(Z[:, 0], u, Z[:, 1:])
        return stack(x.astype(Z.dtype), V)

    def jacobian(self, t: Any, x: np.ndarray) -> np.ndarray:
        """Of the step, (B, n, n)."""
        return self.field(t, with_identity(x))[:, 1:].swapaxes(1, 2)
