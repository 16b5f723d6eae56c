"""Operations of the dense form, one member on one lane: its Jacobian is a matrix, its frame is moved whole by products.

The functions of `model.Model` for systems whose components all depend on each other. A bundle is the whole frame, its
k vectors of n rows one behind the other; a stage's block begins with the n * n entries of the Jacobian, row by row.
Products go to BLAS through `np.dot`, whose compiled form survives on disk where pointers to BLAS would not.
"""

import math

import numpy as np

from fastlyap.kernel import vectors
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, select, slot
from fastlyap.kernel.layout import BLOCK, PANEL, PER_NAT


@kernel
def span(n, k):
    """Rows of a bundle: all vectors of the frame."""
    return n * max(k, 1)


@kernel
def bundle(n, S, o, span):
    """The frame at rows o .. o+span-1: a view."""
    return slot(S, o, span)


@kernel
def put(n, S, o, x):
    """Copy a vector or a bundle to the rows from o on."""
    for i in range(len(x)):
        S[o + i] = x[i]


@kernel
def axpy(n, h, a, x, out):
    """x + h a."""
    for i in range(len(x)):
        out[i] = x[i] + h * a[i]
    return slot(out, 0, len(x))


@kernel
def scale(n, s, a, out):
    """s a."""
    for i in range(len(a)):
        out[i] = s * a[i]
    return slot(out, 0, len(a))


@kernel
def choose(n, mask, a, b, out):
    """a where `mask`, else b."""
    for i in range(len(b)):
        out[i] = select(mask, a[i], b[i])
    return slot(out, 0, len(b))


@kernel
def zero(n, x, out):
    """0."""
    for i in range(len(x)):
        out[i] = like(x[0], 0.0)
    return slot(out, 0, len(x))


@kernel
def _matrix(A, o, rows, columns):
    """The rows o .. o + rows * columns - 1 as a matrix: a view."""
    return slot(A, o, rows * columns).reshape(rows, columns)


@kernel
def tangent(n, J, o, P, v, out):
    """J v of every vector of a bundle."""
    k = len(v) // n
    D = _matrix(J, o, n, n)
    if k == 1:
        np.dot(D, v, slot(out, 0, n))
    else:
        np.dot(_matrix(v, 0, k, n), D.T, _matrix(out, 0, k, n))
    return slot(out, 0, k * n)


@kernel
def adjoint(n, J, o, P, w, out):
    """J' w of every vector of a bundle."""
    k = len(w) // n
    D = _matrix(J, o, n, n)
    if k == 1:
        np.dot(w, D, slot(out, 0, n))
    else:
        np.dot(_matrix(w, 0, k, n), D, _matrix(out, 0, k, n))
    return slot(out, 0, k * n)


@kernel
def divergence(n, J, o, P):
    """Trace of J."""
    total = J[o]
    for i in range(1, n):
        total = total + J[o + i * (n + 1)]
    return total


@kernel
def stage(n, J, o, P, w, v, r, weight, ahead, R, Y, K):
    """(r + weight J w, v + ahead J w)."""
    a = tangent(n, J, o, P, w, K)
    for i in range(len(v)):
        R[i] = r[i] + weight * a[i]
        Y[i] = v[i] + ahead * a[i]
    return slot(R, 0, len(v)), slot(Y, 0, len(v))


@kernel
def add(n, J, o, P, w, r, weight, R, K):
    """r + weight J w."""
    return axpy(n, weight, tangent(n, J, o, P, w, K), r, R)


@kernel
def _take_out(n, S, q, v, count, Z):
    """w - (u w) u for the PANEL vectors u from row q on in turn and `count` vectors w from row v on, by products.

    The scalar products of the u with each other put right what taking all (u w) at once gets wrong, as in
    `vectors.take_out_four`. BLOCK vectors w at a time, which stay in the cache.
    """
    U = _matrix(S, q, PANEL, n)
    G = _matrix(Z, 0, PANEL, PANEL)
    np.dot(U, U.T, G)
    for first in range(0, count, BLOCK):
        here = min(BLOCK, count - first)
        T = _matrix(S, v + first * n, here, n)
        C = _matrix(Z, PANEL * PANEL, here, PANEL)
        B = _matrix(Z, PANEL * (PANEL + BLOCK), here, n)
        np.dot(T, U.T, C)
        for t in range(here):
            for i in range(1, PANEL):
                c = C[t, i]
                for m in range(i):
                    c = c - G[i, m] * C[t, m]
                C[t, i] = c
        np.dot(C, U, B)
        for t in range(here):
            for i in range(n):
                T[t, i] = T[t, i] - B[t, i]


@kernel
def project(n, S, first, j, k, Z):
    """Vector j has become a unit vector: make the next vector orthogonal to all before it, and others if it suits.

    Within a panel of PANEL vectors as `vectors.project` does; a full panel is taken out of all later vectors at once.
    """
    place, later = j % PANEL, k - 1 - j
    q = first + j * n
    vectors.project(n, S, first + (j - place) * n, place, min(PANEL, place + 1 + later), Z)
    if place == PANEL - 1 and later > 0:
        _take_out(n, S, q - place * n, q + n, later, Z)


@kernel
def volume(n, S, Z):
    """|det| of the n frame vectors in `S`, as (mantissa, exponent), by LAPACK's LU decomposition.

    It makes a copy of its own: the one allocation in a kernel. NaN, which LAPACK refuses, is looked for before.
    """
    sound = S[n + 1] == S[n + 1]
    for i in range(n + 1, n + 1 + n * n):
        sound = sound and abs(S[i]) < math.inf
    if not sound:
        return like(S[0], math.nan), like(S[0], 0.0)
    log2 = np.linalg.slogdet(_matrix(S, n + 1, n, n))[1] * PER_NAT
    exponent = math.floor(log2) if log2 > -math.inf else 0.0
    return like(S[0], 2.0 ** (log2 - exponent)), like(S[0], exponent)
