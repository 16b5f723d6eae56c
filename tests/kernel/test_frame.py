"""Reorthonormalisation by LAPACK's measures: ||A - QR|| / (n ||A|| eps) and ||I - Q'Q|| / (n eps) below 30.

Modified Gram-Schmidt reproduces A = QR to rounding whatever A is; it loses orthogonality like eps * cond(A)
(Bjorck 1967). The engine keeps cond(A) below 1e6 between two reorthonormalisations (float32: 1e3), where the loss
is part of the stated law; beyond, only the residual and R are promised.
"""

import functools

import numpy as np
import pytest
from numba import config, njit

import fastlyap as fl
from fastlyap import hardware
from fastlyap.backend import cpu
from fastlyap.kernel import frame, layout
from fastlyap.kernel._compile import options
from fastlyap.machines.forms import LARGEST_TUPLE
from fastlyap.request import Integration
from tests import tolerances

THRESHOLD = 30.0
CASES = [(n, "lanes", "float64") for n in (2, 3, 5, 8, 13)]
CASES += [(n, "one lane", "float64") for n in (3, 8, 13)]
CASES += [(3, "one lane", "float32"), (5, "lanes", "float32")]
CASES += [(13, "dense", "float64"), (40, "dense", "float64"), (40, "dense", "float32")]  # 40: two full panels
if config.DISABLE_JIT:
    CASES = [case for case in CASES if case[1] != "lanes"]


@functools.cache
def module(n, width, dtype, form):
    """The generated module of a linear map of dimension n."""

    @fl.iterated_map(state=n)
    def linear(t, x, p):
        return [2.0 * each for each in x]

    return cpu.load(linear, Integration("map", 1.0, dtype=dtype), width, form).module


@functools.cache
def program(n, lanes, dtype):
    """(width, compiled reorthonormalise, compiled volume)."""
    width = hardware.lanes(dtype) if lanes == "lanes" else 1
    form = "dense" if lanes == "dense" else "tuples" if n <= LARGEST_TUPLE else "rows"
    made = module(n, width, dtype, form)
    model, rows = made.model, made.rows

    @njit(**options())
    def reorthonormalise(S, R, Z, k, eps):
        frame.reorthonormalise(model, rows(S), k, rows(R), rows(Z), eps)

    @njit(**options())
    def volume(S, V, out):
        rows(out)[0], rows(out)[1] = model.volume(n, rows(S), rows(V))

    return width, reorthonormalise, volume


def orthonormalise(A, lanes, dtype):
    """Q (k, n) and r (k,) of the frame A (k, n) in rows, the same in every lane; also with other frames beside it."""
    k, n = A.shape
    width, run, _ = program(n, lanes, dtype)
    S = np.zeros((n + 1 + k * n, width), dtype=dtype)
    S[n + 1 :] = np.random.default_rng(5).standard_normal((k * n, width))
    S[n + 1 :, 0] = A.ravel()
    R = np.zeros((k, width), dtype=dtype)
    with np.errstate(all="ignore"):
        run(S, R, np.zeros((layout.frame_scratch(n), width), dtype=dtype), k, float(np.finfo(dtype).eps))
    return S[n + 1 :, 0].reshape(k, n).astype(np.float64), R[:, 0].astype(np.float64)


def conditioned(rng, n, cond):
    """A random matrix with singular values from 1 down to 1/cond, logarithmically spaced."""
    U, V = (np.linalg.qr(rng.standard_normal((n, n)))[0] for _ in range(2))
    return U * np.geomspace(1.0, 1.0 / cond, n) @ V


def kinds(n, dtype):
    """LAPACK's eight types of test matrices (LAWN 41, table 4), and the conditioning that is allowed to the engine."""
    rng = np.random.default_rng(n)
    eps, tiny = np.finfo(dtype).eps, np.finfo(dtype).tiny
    bound = 1e6 if dtype == "float64" else 1e3
    A = rng.standard_normal((n, n))
    return {
        "diagonal": np.diag(rng.uniform(0.5, 2.0, n)),
        "upper triangular": np.triu(A) + 2 * np.eye(n),
        "lower triangular": np.tril(A) + 2 * np.eye(n),
        "random, cond 2": conditioned(rng, n, 2.0),
        "random, cond sqrt(0.1/eps)": conditioned(rng, n, min(np.sqrt(0.1 / eps), bound)),
        "random, cond 0.1/eps": conditioned(rng, n, 0.1 / eps),
        # lengths are squared: the range is the square root of the type's
        "near underflow": conditioned(rng, n, 2.0) * np.sqrt(tiny) / eps,
        "near overflow": conditioned(rng, n, 2.0) * np.sqrt(np.finfo(dtype).max) * 1e-2,
        "cond at the engine's bound": conditioned(rng, n, bound),
    }


NAMES = list(kinds(2, "float64"))


@pytest.mark.parametrize("n,lanes,dtype", CASES)
@pytest.mark.parametrize("name", NAMES)
def test_lapack_ratios(n, name, lanes, dtype):
    A = kinds(n, dtype)[name].astype(dtype).astype(np.float64)
    Q, r = orthonormalise(A, lanes, dtype)
    eps, size = tolerances.eps(dtype), np.linalg.norm(A, 1)
    # A = R Q with vectors in rows, R lower triangular: nothing may lie above its diagonal, which must be r
    R = A @ np.linalg.pinv(Q)
    residual = np.linalg.norm((R - np.tril(R, -1) - np.diag(r)) @ Q, 1)
    assert tolerances.ratio(residual, n * size * eps) < THRESHOLD
    cond = np.linalg.cond(A)
    lengths = np.abs(np.linalg.norm(Q, axis=1) - 1)
    assert lengths.max() < THRESHOLD * n * eps
    orthogonality = np.linalg.norm(np.eye(n) - Q @ Q.T, 1)
    assert tolerances.ratio(orthogonality, n * eps * max(1.0, cond)) < THRESHOLD
    if name in ("diagonal", "random, cond 2", "near underflow", "near overflow"):
        assert tolerances.ratio(orthogonality, n * eps) < THRESHOLD


@pytest.mark.parametrize("n,lanes,dtype", CASES)
def test_diagonal_of_r_agrees_with_householder(n, lanes, dtype):
    """Also where orthogonality is gone: the logarithms of r are what exponents are made of.

    A perturbation E of A changes r_jj by at most cond(leading j vectors) ||E||, relative to r_jj.
    """
    for name, A in kinds(n, dtype).items():
        A = A.astype(dtype).astype(np.float64)
        if name == "random, cond 0.1/eps":
            continue  # the last r is rounding error there; see test_lost_vectors
        _, r = orthonormalise(A, lanes, dtype)
        wanted = np.abs(np.diag(np.linalg.qr(A.T)[1]))
        allowed = THRESHOLD * n * tolerances.eps(dtype) * np.linalg.cond(A)
        np.testing.assert_allclose(r, wanted, rtol=allowed, err_msg=name)


@pytest.mark.parametrize("n,lanes,dtype", CASES)
@pytest.mark.parametrize("lost", ["one", "all", "twins"])
def test_lost_vectors(n, lost, lanes, dtype):
    """Zero and dependent vectors: r = 0, and the frame is completed to an orthonormal one."""
    A = np.random.default_rng(n).standard_normal((n, n)).astype(dtype).astype(np.float64)
    gone = [n - 1]
    if lost == "one":
        A[n - 1] = 0.0
    elif lost == "all":
        A[:], gone = 0.0, list(range(n))
    else:
        A[n - 1] = 2.0 * A[0]
    Q, r = orthonormalise(A, lanes, dtype)
    assert np.all(r[gone] == 0.0)
    assert np.all(np.delete(r, gone) > 0.0)
    assert np.abs(Q @ Q.T - np.eye(n)).max() < THRESHOLD * n * tolerances.eps(dtype) * (1 + 9 * (lost != "all"))


@pytest.mark.parametrize("n,lanes,dtype", CASES)
@pytest.mark.parametrize("k", [1, 2])
def test_leading_vectors_alone(k, n, lanes, dtype):
    """k < n: the same as the first k of all."""
    A = np.random.default_rng(1).standard_normal((n, n)).astype(dtype).astype(np.float64)
    Q, r = orthonormalise(A, lanes, dtype)
    Qk, rk = orthonormalise(A[:k], lanes, dtype)
    np.testing.assert_allclose(Qk, Q[:k], rtol=0, atol=4 * tolerances.eps(dtype))
    np.testing.assert_allclose(rk, r[:k], rtol=4 * tolerances.eps(dtype))


@pytest.mark.parametrize("n,lanes,dtype", CASES)
@pytest.mark.parametrize("bad", [np.nan, np.inf, "too long"])
def test_what_cannot_be_measured_is_not_a_number(bad, n, lanes, dtype):
    """NaN, infinity and lengths whose square overflows give an r that is not finite, so the member fails."""
    value = np.sqrt(float(np.finfo(dtype).max)) * 10 if bad == "too long" else bad
    for j in range(n):
        A = np.eye(n)
        A[j, j] = value
        _, r = orthonormalise(A, lanes, dtype)
        assert not np.isfinite(r[j])
        assert np.all(r[:j] == 1.0)


@pytest.mark.parametrize("n,lanes,dtype", CASES)
def test_volume(n, lanes, dtype):
    """|det| by Householder (dense: LAPACK), to the relative accuracy n eps cond."""
    width, _, volume = program(n, lanes, dtype)
    for name, A in kinds(n, dtype).items():
        A = A.astype(dtype).astype(np.float64)
        if name.startswith("near"):
            continue  # the determinant itself is out of range
        wanted = np.abs(np.diag(np.linalg.qr(A.T)[1])).prod()
        S, out = np.zeros((n + 1 + n * n, width), dtype=dtype), np.zeros((2, width), dtype=dtype)
        S[n + 1 :] = A.ravel()[:, None]
        volume(S, np.zeros((n * n, width), dtype=dtype), out)
        allowed = THRESHOLD * n * tolerances.eps(dtype) * min(np.linalg.cond(A), 1 / tolerances.eps(dtype))
        np.testing.assert_allclose(out[0] * 2.0 ** out[1].astype(np.float64), wanted, rtol=allowed, err_msg=name)
