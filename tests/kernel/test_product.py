"""Singular values of products that are never formed: against 1000 digits, dense decompositions, and exact rank loss."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config, njit

from fastlyap.kernel import product, triangular
from fastlyap.kernel._compile import options


def entry(function):
    """As backends call kernels: numbers out of range are no matter for a warning."""
    return np.errstate(all="ignore")(function if config.DISABLE_JIT else njit(**options())(function))


@entry
def run_decompose(r, p, F, sizes, lower, limit, most, A, B, sums, change, W):
    return product.decompose(r, p, F, sizes, lower, limit, most, A, B, sums, change, W)


@entry
def run_orthonormalise(k, n, V, L, Z):
    return triangular.orthonormalise(k, n, V, 0, L, 0, k, Z)


@entry
def run_complete(k, n, V, left):
    triangular.complete(k, n, V, 0, left)


def decompose(factors, lower=False, limit=1e-10, most=20):
    """Sums, rows on both sides, and what the kernel says, of the product of these matrices."""
    r, p = len(factors), max(max(f.shape) for f in factors)
    F = np.zeros((r, p, p))
    for f, matrix in enumerate(factors):
        F[f, : matrix.shape[0], : matrix.shape[1]] = matrix
    sizes = np.array([f.shape for f in factors], dtype=np.int64).ravel()
    A, B, sums, change = np.zeros(p * p), np.zeros(p * p), np.zeros(p), np.zeros(p)
    size = product.scratch(p)
    W = np.full(size + 8, np.pi)  # compiled code writes where it is told, so what lies behind is watched
    rank, sweeps, kept = run_decompose(r, p, F.ravel(), sizes, lower, limit, most, A, B, sums, change, W[:size])
    assert np.all(W[size:] == np.pi)
    left, right = factors[0].shape[0], factors[-1].shape[1]
    rows = A.reshape(p, p)[:rank, :left], B.reshape(p, p)[:rank, :right]
    return sums, *rows, change, (rank, sweeps, kept)


def exact(factors, digits=1000):
    with mp.workdps(digits):
        total = mp.matrix(factors[0].tolist())
        for factor in factors[1:]:
            total = total * mp.matrix(factor.tolist())
        return np.array([float(mp.log(value)) for value in mp.svd_r(total, compute_uv=False)])


def chaotic(n, steps, seed, g=3.0):
    """Jacobians of a random tanh network in rows, whose product leaves the range of floating point."""
    rng = np.random.default_rng(seed)
    J, x, found = rng.standard_normal((n, n)) * g / np.sqrt(n), rng.standard_normal(n), []
    for step in range(20 + steps):
        if step >= 20:
            found.append((J / np.cosh(x) ** 2).T)
        x = J @ np.tanh(x)
    return found


@given(k=st.integers(1, 4), extra=st.integers(0, 3), scale=st.floats(-60, 60), seed=st.integers(0, 2**32 - 1))
def test_rows_become_orthonormal(k, extra, scale, seed):
    """V = L Q, also where rows are nearly parallel and where their squares leave the range of numbers."""
    n = k + extra
    rng = np.random.default_rng(seed)
    V = rng.standard_normal((k, n)) * 10.0 ** (4.0 * scale)
    V[k - 1] = V[0] + 1e-9 * V[k - 1] if k > 1 else V[0]
    Q, L = V.ravel().copy(), np.full((k, k), np.nan)
    left, kept = run_orthonormalise(k, n, Q, L.ravel(), np.zeros(k * (18 + n)))
    Q = Q.reshape(k, n)
    assert left == k and np.all(np.triu(L, 1) == 0)
    assert k == 1 or kept < 1e-8
    np.testing.assert_allclose(Q @ Q.T, np.eye(k), atol=1e-14)
    np.testing.assert_allclose(L @ Q, V, rtol=0, atol=1e-14 * np.abs(V).max())


@pytest.mark.parametrize("k, n, rank", [(20, 20, 20), (37, 40, 37), (40, 25, 21)])
def test_panels(k, n, rank):
    """More rows than are taken out one by one; also where some depend on others."""
    rng = np.random.default_rng(k)
    V = rng.standard_normal((k, rank)) @ rng.standard_normal((rank, n))
    Q, L = V.ravel().copy(), np.zeros((k, k))
    left, _ = run_orthonormalise(k, n, Q, L.ravel(), np.zeros(k * (18 + n)))
    Q = Q.reshape(k, n)
    assert left == rank and np.all(Q[rank:] == 0)
    np.testing.assert_allclose(Q[:rank] @ Q[:rank].T, np.eye(rank), atol=1e-13)
    np.testing.assert_allclose(L[:, :rank] @ Q[:rank], V, atol=1e-12)


def test_dependent_rows_are_dropped():
    rng = np.random.default_rng(0)
    V = rng.standard_normal((3, 6))
    V = np.array([V[0], 2 * V[0], V[1], np.zeros(6), V[0] - V[1], V[2]])
    Q, L = V.ravel().copy(), np.zeros((6, 6))
    left, _ = run_orthonormalise(6, 6, Q, L.ravel(), np.zeros(6 * 24))
    Q = Q.reshape(6, 6)
    assert left == 3 and np.all(Q[3:] == 0)
    np.testing.assert_allclose(L[:, :3] @ Q[:3], V, atol=1e-14)
    run_complete(6, 6, Q.reshape(-1), 3)
    np.testing.assert_allclose(Q @ Q.T, np.eye(6), atol=1e-14)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_rows_that_are_not_finite(bad):
    V = np.ones(6)
    V[4] = bad
    assert run_orthonormalise(2, 3, V, np.zeros(4), np.zeros(2 * 21))[0] == -1


@given(shapes=st.lists(st.integers(1, 4), min_size=2, max_size=4), seed=st.integers(0, 2**32 - 1))
def test_against_the_decomposition_of_the_product(shapes, seed):
    """Any shapes: rank, values and directions."""
    rng = np.random.default_rng(seed)
    factors = [rng.standard_normal(pair) for pair in zip(shapes[:-1], shapes[1:], strict=True)]
    C = np.linalg.multi_dot(factors) if len(factors) > 1 else factors[0]
    sums, left, right, _, (rank, _, kept) = decompose(factors)
    assert rank == min(shapes) and kept and np.all(sums[rank:] == -np.inf)
    values = np.linalg.svd(C, compute_uv=False)[:rank]
    condition = np.prod([np.linalg.cond(f) for f in factors])
    np.testing.assert_allclose(np.exp(sums[:rank]), values, rtol=1e-14 * condition)
    np.testing.assert_allclose((left.T * np.exp(sums[:rank])) @ right, C, atol=1e-13 * condition * values[0])
    np.testing.assert_allclose(left @ left.T, np.eye(rank), atol=1e-13)


@pytest.mark.parametrize("n, steps, seed", [(2, 9, 1), (4, 12, 6), (3, 30, 8)])
def test_against_a_thousand_digits(n, steps, seed):
    factors = chaotic(n, steps, seed)
    sums, *_, change, (_, sweeps, kept) = decompose(factors)
    truth = exact(factors)
    np.testing.assert_allclose(sums, truth, rtol=1e-11, atol=1e-11)
    assert kept and sweeps <= 3 and change.max() < 1e-10


@pytest.mark.compiled
@pytest.mark.parametrize("seed", [1, 2])
def test_long_and_wide(seed):
    """60 steps of 16 units: singular values that lie 500 nats apart, where the product in floating point has a few."""
    factors = chaotic(16, 60, seed)
    sums, *_ = decompose(factors)
    np.testing.assert_allclose(sums, exact(factors), rtol=1e-12, atol=1e-9)


def test_equal_singular_values():
    """No gap to converge by: rotations of one length."""
    rng = np.random.default_rng(3)
    factors = [2.0 * np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(5)]
    sums, *_, (_, sweeps, kept) = decompose(factors)
    np.testing.assert_allclose(sums, 5 * np.log(2), atol=1e-14)
    assert kept and sweeps == 1


def test_scales_beyond_the_range_of_numbers():
    diagonal = np.diag([1e150, 1.0, 1e-150])
    sums, *_ = decompose([diagonal] * 4)
    np.testing.assert_allclose(sums, 600 * np.log(10) * np.array([1, 0, -1]), rtol=1e-14)


def test_rank_that_is_lost_on_the_way():
    rng = np.random.default_rng(4)
    factors = [rng.standard_normal((4, 4)) for _ in range(4)]
    factors[1][:, 1], factors[2][:, 2:] = 0.0, 0.0  # one unit is dead, then two
    sums, left, right, _, (rank, _, kept) = decompose(factors)
    C = np.linalg.multi_dot(factors)
    assert rank == 2 and kept and np.all(sums[2:] == -np.inf)
    np.testing.assert_allclose(np.exp(sums[:2]), np.linalg.svd(C, compute_uv=False)[:2], rtol=1e-12)
    np.testing.assert_allclose((left.T * np.exp(sums[:2])) @ right, C, atol=1e-12)
    sums, *_, (rank, _, _) = decompose([factors[0], np.zeros((4, 4)), factors[3]])
    assert rank == 0 and np.all(sums == -np.inf)
