"""The plain pages for vectors and singular values, on products of known matrices."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fastlyap.reference import covariant, intersection, singular

seeds = st.integers(0, 2**32 - 1)


def product(seed, steps=200, n=3):
    """Random matrices (1, steps, n, n) whose exponents lie apart."""
    rng = np.random.default_rng(seed)
    return rng.standard_normal((1, steps, n, n)) * np.exp(-np.arange(n))[:, None]


@given(seed=seeds)
def test_vectors_are_carried_and_dual(seed):
    J = product(seed)
    frame = np.linalg.qr(np.random.default_rng(1).standard_normal((3, 3)))[0]
    v, w = (covariant.lyapunov_vectors(J, frame, kind) for kind in ("covariant", "adjoint_covariant"))
    for number in range(199):
        image = v.vectors[0, number] @ J[0, number].T
        size = np.linalg.norm(image, axis=1)
        np.testing.assert_allclose(np.abs(image / size[:, None]), np.abs(v.vectors[0, number + 1]), atol=1e-8)
        np.testing.assert_allclose(np.log(size), v.growth[0, number], atol=1e-8)
    middle = w.vectors[0, 100] @ v.vectors[0, 100].T
    off = np.abs(middle - np.diag(np.diag(middle))).max()
    assert off < 1e-7  # 100 steps on either side separate all directions; near-tangencies multiply rounding
    backward, forward = (covariant.lyapunov_vectors(J, frame, kind).vectors[0, 100] for kind in ("backward", "forward"))
    found = intersection.covariant(backward, forward)
    lines = np.abs(np.einsum("in,in->i", found, v.vectors[0, 100]))
    np.testing.assert_allclose(lines, 1.0, atol=1e-7)


@given(seed=seeds)
def test_sweeps_find_the_singular_values(seed):
    J = product(seed, steps=6)[0]
    swept = singular.Singular(np.zeros(3), np.eye(3), np.eye(3))
    for _ in range(200):
        swept = singular.sweep(J, swept.right.T)
    whole = singular.product(J)
    spread = np.exp(whole.sums[0] - whole.sums[-1])
    np.testing.assert_allclose(swept.sums, whole.sums, atol=1e-8 + 1e-14 * spread)
    if np.diff(-whole.sums).min() > 0.5 and spread < 1e6:
        np.testing.assert_allclose(np.abs(swept.right), np.abs(whole.right), atol=1e-5)
        np.testing.assert_allclose(np.abs(swept.left), np.abs(whole.left), atol=1e-5)
