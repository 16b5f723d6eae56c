"""Compositions of drifts q' = f(p) and kicks p' = g(t, q) for separable Hamiltonian flows, states (q, p).

Leapfrog is half a drift, a kick, half a drift; yoshida4 is leapfrog over w h, (1 - 2 w) h, w h with
w = 1 / (2 - 2^(1/3)). Since Z stacks a state and its tangents, each half step of Z carries the exact tangent. Sources:
Verlet, Phys. Rev. 159 (1967) 98; Yoshida, Phys. Lett. A 150 (1990) 262.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CUBE_ROOT = 2.0 ** (1 / 3)
PARTS = {
    "leapfrog": (1.0,),
    "yoshida4": (1 / (2 - CUBE_ROOT), -CUBE_ROOT / (2 - CUBE_ROOT), 1 / (2 - CUBE_ROOT)),
}


def compose(field: Callable, t: np.ndarray, Z: np.ndarray, h: np.ndarray, parts: tuple[float, ...]) -> np.ndarray:
    """The stack Z (B, 1 + k, n) after leapfrog steps of sizes `parts` times h (B,), from time t (B,)."""
    d = Z.shape[2] // 2
    Z = Z.copy()
    for part in parts:
        size = (part * h)[:, None, None].astype(Z.dtype)
        Z[:, :, :d] += 0.5 * size * field(t, Z)[:, :, :d]
        t = t + 0.5 * part * h
        Z[:, :, d:] += size * field(t, Z)[:, :, d:]
        t = t + 0.5 * part * h
        Z[:, :, :d] += 0.5 * size * field(t, Z)[:, :, :d]
    return Z
