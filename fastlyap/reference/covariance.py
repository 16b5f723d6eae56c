"""Whether vectors at two times are images of each other: each carried over by the steps between, compared as lines."""

from __future__ import annotations

import numpy as np

from fastlyap.reference.dynamics import Dynamics, stack
from fastlyap.reference.step import step, step_jacobian


def residual(
    dynamics: Dynamics, times: np.ndarray, n_steps: int, x: np.ndarray, V: np.ndarray, W: np.ndarray, *,
    adjoint: bool = False,
) -> np.ndarray:  # fmt: skip
    """Distance between lines and their images after `n_steps` steps.

    Parameters
    ----------
    times : (B,)
        Where the steps begin; one time for all where the rule does not care.
    x : (B, n)
        States there.
    V, W : (B, k, n)
        Vectors of unit length there and after the steps.
    adjoint : bool
        Compare A' w with v in place of A v with w.

    Returns
    -------
    (B, k) of |image / |image| -+ vector|, the smaller sign
    """
    proposal = np.zeros(len(x), dtype=x.dtype)
    here, there = (W, V) if adjoint else (V, W)
    product = np.broadcast_to(np.eye(x.shape[1]), (len(x), x.shape[1], x.shape[1]))
    for number in range(n_steps):
        t = times + number * dynamics.dt
        if adjoint:
            product = step_jacobian(dynamics, t, x, proposal) @ product
            x = step(dynamics, t, x[:, None], proposal).Z[:, 0]
        else:
            Z = step(dynamics, t, stack(x, here), proposal).Z
            x, here = Z[:, 0], Z[:, 1:]
    image = here @ product if adjoint else here
    with np.errstate(all="ignore"):
        image = image / np.linalg.norm(image, axis=2, keepdims=True)
    return np.minimum(np.linalg.norm(image - there, axis=2), np.linalg.norm(image + there, axis=2))
