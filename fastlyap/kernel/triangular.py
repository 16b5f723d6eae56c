"""V = L Q: the rows of V made orthonormal, L lower triangular; rows that depend on those before them are dropped.

Modified Gram-Schmidt; a row that lost digits to cancellation is made orthogonal a second time ("twice is enough",
Kahan, Parlett), so that Q is orthogonal to rounding however badly V is conditioned. Matrices lie in flat arrays.
"""

import math

import numpy as np

from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import slot

CANCELLED = 1e-4  # a row whose square shrank below this share of what it was is made orthogonal again
ROUNDING = 2.0**-52
SMALLEST, LARGEST = 1e-200, 1e200  # squares of rows outside are out of range, or soon will be
PANEL = 16  # rows that are taken out of all later ones together
LOST = 4.0  # a remainder below LOST * ROUNDING * sqrt(n) of the row is nothing but rounding


@kernel
def dot(n, a, b):
    """Scalar product of n numbers."""
    total = 0.0
    for i in range(n):
        total += a[i] * b[i]
    return total


@kernel
def subtract(n, c, u, w):
    """w - c u."""
    for i in range(n):
        w[i] = w[i] - c * u[i]


@kernel
def take_out(n, V, q, v, count, L, o, p):
    """w - (u w) u for the unit row u at q and `count` rows w from v on; the products (u w) go to o, o + p ... of L.

    Four rows at a time, so that u is loaded once for all of them.
    """
    u = slot(V, q, n)
    for g in range(count // 4):
        a, b = slot(V, v + 4 * g * n, n), slot(V, v + (4 * g + 1) * n, n)
        c, d = slot(V, v + (4 * g + 2) * n, n), slot(V, v + (4 * g + 3) * n, n)
        ua, ub, uc, ud = 0.0, 0.0, 0.0, 0.0
        for i in range(n):
            ua += u[i] * a[i]
            ub += u[i] * b[i]
            uc += u[i] * c[i]
            ud += u[i] * d[i]
        for i in range(n):
            a[i] = a[i] - ua * u[i]
            b[i] = b[i] - ub * u[i]
            c[i] = c[i] - uc * u[i]
            d[i] = d[i] - ud * u[i]
        f = o + 4 * g * p
        L[f], L[f + p], L[f + 2 * p], L[f + 3 * p] = ua, ub, uc, ud
    for m in range(count // 4 * 4, count):
        a = slot(V, v + m * n, n)
        ua = dot(n, u, a)
        subtract(n, ua, u, a)
        L[o + m * p] = ua


@kernel
def take_out_panel(n, V, q, units, v, count, L, o, p, Z):
    """The same for the `units` orthonormal rows from q on, by products of matrices; Z is scratch."""
    U, W = slot(V, q, units * n).reshape(units, n), slot(V, v, count * n).reshape(count, n)
    C, B = slot(Z, 0, count * units).reshape(count, units), slot(Z, count * units, count * n).reshape(count, n)
    np.dot(W, U.T, C)
    np.dot(C, U, B)
    for m in range(count):
        subtract(n, 1.0, B[m], W[m])
        for i in range(units):
            L[o + m * p + i] = C[m, i]


@kernel
def _again(n, V, v, left, w, L):
    """Take the `left` unit rows from v on out of the row w once more, adding to what is in L."""
    for i in range(left):
        u = slot(V, v + i * n, n)
        c = dot(n, u, w)
        subtract(n, c, u, w)
        L[i] += c


@kernel
def _measure(n, w):
    """The square of a row; where that is out of range the row is first divided by the unit that is returned."""
    square = dot(n, w, w)
    if SMALLEST < square < LARGEST or square != square:
        return square, 1.0
    unit = 0.0
    for i in range(n):
        unit = max(unit, abs(w[i]))
    if not 0.0 < unit < math.inf:
        return square, 1.0
    for i in range(n):
        w[i] = w[i] / unit
    return dot(n, w, w), unit


@kernel_call
def orthonormalise(k, n, V, v, L, o, p, Z):
    """V = L Q in place, for the k rows of n numbers from v on.

    L : (k, rows left), at o with rows p apart. Z : scratch, k (2 + PANEL + n) numbers.
    Returns the number of rows of Q, behind which V is zero, or -1 where V is not finite; and the smallest share of its
    length that a row kept.
    """
    for j in range(k):
        Z[j], Z[k + j] = _measure(n, slot(V, v + j * n, n))
        if not Z[j] < math.inf:
            return -1, 0.0
        for i in range(k):
            L[o + j * p + i] = 0.0
    noise = LOST * LOST * ROUNDING * ROUNDING * n
    left, first = 0, 0  # unit rows so far, and in front of the panel
    kept = 1.0
    for j in range(k):
        last = min(k, (j // PANEL + 1) * PANEL)
        w = slot(V, v + j * n, n)
        square = dot(n, w, w)
        if square < CANCELLED * Z[j]:
            _again(n, V, v, left, w, slot(L, o + j * p, k))
            square = dot(n, w, w)
        if square > noise * Z[j]:
            kept = min(kept, square / Z[j])
            r = math.sqrt(square)
            q = v + left * n
            u = slot(V, q, n)
            for i in range(n):
                u[i] = w[i] / r
            L[o + j * p + left] = r
            take_out(n, V, q, v + (j + 1) * n, last - 1 - j, L, o + (j + 1) * p + left, p)
            left += 1
        if j + 1 == last:
            if last < k and left > first:
                rest = slot(Z, 2 * k, k * (PANEL + n))
                take_out_panel(
                    n, V, v + first * n, left - first, v + last * n, k - last, L, o + last * p + first, p, rest
                )
            first = left
    for i in range(left * n, k * n):
        V[v + i] = 0.0
    for j in range(k):
        if Z[k + j] != 1.0:
            for i in range(left):
                L[o + j * p + i] *= Z[k + j]
    return left, math.sqrt(kept)


@kernel_call
def complete(k, n, V, v, left):
    """Put unit rows, made from the axes in turn, behind the first `left` of k orthonormal rows."""
    axis = 0
    for j in range(left, k):
        w = slot(V, v + j * n, n)
        square = 0.0
        while square * 2.0 * n < 1.0 and axis < n:  # there is an axis this far from all rows
            for i in range(n):
                w[i] = 0.0
            w[axis] = 1.0
            for _ in range(2):
                for m in range(j):
                    u = slot(V, v + m * n, n)
                    subtract(n, dot(n, u, w), u, w)
            square = dot(n, w, w)
            axis += 1
        r = math.sqrt(square)
        for i in range(n):
            w[i] = w[i] / r
