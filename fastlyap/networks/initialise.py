"""Initial weights: independent Gaussian numbers whose scale depends on the widths, or orthogonal matrices.

Sources: Glorot & Bengio (2010) for "xavier"; He, Zhang, Ren & Sun (2015) for "he"; LeCun et al., Efficient backprop
(1998) for "lecun"; Saxe, McClelland & Ganguli (2014) for "orthogonal".
"""

from __future__ import annotations

from typing import Any

import numpy as np

from fastlyap import cast

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
