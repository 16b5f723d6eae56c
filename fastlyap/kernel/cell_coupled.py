"""The random network x' = g phi(x) J': its state and frame moved by one product, and the transpose."""

import numpy as np

from fastlyap.kernel import activation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cells import BIAS, HIDDEN, matrix, numbers, product, product_back
from fastlyap.kernel.lanes import slot


@kernel
def _scaled(k, n, C, V, out):
    """out = V C, k rows of n numbers, number by number."""
    for r in range(k):
        for i in range(n):
            out[r * n + i] = V[r * n + i] * C[i]


@kernel
def move(kind, z, t, S, V, o, P, W, lead, k):
    """As `cells.move`; with the state `V` must be `S`, its frame behind it.

    The product of both lands one place behind the state's, where the frame belongs; the state is put in its place.
    """
    n = z.hidden
    C, X = slot(W, 0, n), slot(W, n, (lead + k) * n)
    J = matrix(P, HIDDEN, n, n)
    if not lead:
        _scaled(k, n, C, slot(V, o, k * n), X)
        product(X, k, J, slot(V, o, k * n))
        return
    g = numbers(P, BIAS, 1)[0]
    activation.slopes(kind.lanes, z.width, z.code, n, S, C)
    activation.values(kind.lanes, z.width, z.code, n, S, X)
    for i in range(n):
        C[i] = g * C[i]
        X[i] = g * X[i]
    if k == 0:
        np.dot(slot(X, 0, n), J, slot(S, 0, n))
        return
    _scaled(k, n, C, slot(S, o, k * n), slot(X, n, k * n))
    counted = S[n]
    product(X, k + 1, J, slot(S, 1, (k + 1) * n))
    for i in range(n):
        S[i] = S[i + 1]
    S[n] = counted


@kernel
def pull(kind, z, V, o, P, W, k):
    """As `cells.pull`."""
    n = z.hidden
    C, X = slot(W, 0, n), slot(W, n, k * n)
    product_back(slot(V, o, k * n), k, matrix(P, HIDDEN, n, n), X)
    _scaled(k, n, C, X, slot(V, o, k * n))
