"""Initial weights: independent Gaussian numbers whose scale depends on the widths, or orthogonal matrices.

Sources: Glorot & Bengio (2010) for "xavier"; He, Zhang, Ren & Sun (2015) for "he"; LeCun et al., Efficient backprop
(1998) for "lecun"; Saxe, McClelland & Ganguli (2014) for "orthogonal".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import cast
from fastlyap.errors import InputError

SCALES = {  # standard deviation for a unit gain, from the numbers of inputs and outputs
    "xavier": lambda a, b: np.sqrt(2.0 / (a + b)),
    "he": lambda a, b: np.sqrt(2.0 / a),
    "lecun": lambda a, b: np.sqrt(1.0 / a),
    "normal": lambda a, b: 1.0,
}
NAMES = (*SCALES, "orthogonal")


def check(init: Any, gain: Any, bias: Any) -> None:
    """Refuse initialisations that do not exist."""
    cast.choice("init", init, NAMES)
    cast.real("gain", gain)
    if bias is not None:
        cast.real("bias", bias)


def draw(
    rng: np.random.Generator, shape: tuple[int, ...], inputs: int, outputs: int, init: str, gain: float
) -> np.ndarray:
    """Weights of this shape, `inputs` and `outputs` being the numbers that meet in one unit and that one feeds."""
    z = rng.standard_normal(shape)
    if init != "orthogonal":
        return gain * SCALES[init](inputs, outputs) * z
    flat = z.reshape(shape[0], -1)
    wide = flat.shape[0] < flat.shape[1]
    q, r = np.linalg.qr(flat.T if wide else flat)
    q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)  # without it, q is not uniformly distributed
    return np.ascontiguousarray(gain * (q.T if wide else q)).reshape(shape)


def seeds(given: Any) -> np.ndarray:
    """One whole number >= 0, or an array of them for as many networks."""
    try:
        found = np.asarray(given)
    except ValueError:
        found = np.empty(0)
    if found.dtype.kind not in "iu" or found.size == 0 or np.any(found < 0):
        raise InputError(f"`seed` must be a whole number >= 0 or an array of them, got {given!r:.80}.")
    return found


def gains(name: str, given: Any) -> np.ndarray:
    """One real number, or an array of them for as many networks."""
    found = cast.real_array(name, given)
    if found.size == 0:
        told = f"an empty array of shape {found.shape}"
        raise InputError(f"`{name}` must be a number or an array of numbers, got {told}.")
    return found


def members(name: str, gain: np.ndarray, seed: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gain and seed of every member of their common batch."""
    try:
        gain, seed = np.broadcast_arrays(gain, seed)
    except ValueError:
        raise InputError(
            f"`{name}` and `seed` must broadcast together, got shapes {gain.shape} and {seed.shape}; "
            f"pass {name}[:, None] for all combinations."
        ) from None
    return gain, seed
