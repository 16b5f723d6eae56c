"""Covariant vectors at one time from the frames of the far past and of the far future: no recording, no sweep.

v_j lies in the span of the first j backward vectors b and is orthogonal to the first j - 1 forward vectors f: its
coordinates span the null space of the (j - 1) x j matrix f_i . b_m. Wolfe & Samelson, Tellus A 59 (2007), 355; the LU
form is that of Kuptsov & Parlitz, J. Nonlinear Sci. 22 (2012), 727.
"""

import numpy as np


def covariant(backward: np.ndarray, forward: np.ndarray) -> np.ndarray:
    """Covariant vectors (k, n) from backward (k, n) and forward (k, n) vectors, rows."""
    overlap = forward @ backward.T
    vectors = []
    for j in range(1, len(backward) + 1):
        coordinates = np.linalg.svd(overlap[: j - 1, :j])[2][-1] if j > 1 else np.ones(1)
        vectors.append(coordinates @ backward[:j])
    return np.array(vectors)
