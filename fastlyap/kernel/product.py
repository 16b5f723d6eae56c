"""Singular values of a product of small matrices C = F_1 F_2 ... F_r that is never formed as it stands.

Sweeps: G = 1; for the factors from last to first, G F' = L G; L takes the place of F. Then C' = L_r ... L_1 G, a
product of triangular matrices whose diagonals tend to the singular values, largest first: subspace iteration on C'C.
After one or two sweeps the product T of the triangular factors, its columns divided by their diagonal entries d, is
close to 1 however far the d lie apart, and can be formed: T = B d. Rotations then make the columns of T orthogonal,
which keeps the small singular values to their last digits and does not mind close ones. The d enter as logarithms.

Sources: Stewart, On graded QR decompositions of products of matrices (1995); Demmel & Veselic, Jacobi's method is more
accurate than QR (1992). Matrices lie in flat arrays, rows p numbers apart; factor f begins at f p p.
"""

import math

import numpy as np

from fastlyap.kernel._compile import kernel, kernel_call
from fastlyap.kernel.lanes import slot
from fastlyap.kernel.triangular import PANEL, ROUNDING, dot, orthonormalise

ROTATIONS = 30  # rounds of rotations at most; five are usual
SETTLED = 10.0  # numbers of B up to this size: columns far from dependent
LARGE = 8  # from this size on, products go to BLAS


def scratch(p):
    """Numbers of scratch that `decompose` takes for p x p factors; for those who allocate them."""
    return 6 * p * p + (2 + PANEL) * p


@kernel
def times_transposed(a, b, c, p, A, F, f, out):
    """out (a, b) = A (a, c) F' for F (b, c) at f; all with rows p apart."""
    if a >= LARGE:
        X, Y = slot(A, 0, p * p).reshape(p, p), slot(F, f, p * p).reshape(p, p)
        np.dot(X, Y.T, slot(out, 0, p * p).reshape(p, p))
        return
    for i in range(a):
        for j in range(b):
            out[i * p + j] = dot(c, slot(A, i * p, c), slot(F, f + j * p, c))


@kernel
def times(a, b, c, p, A, B, out):
    """out (a, c) = A (a, b) B (b, c); all with rows p apart, and zero beyond where they are large."""
    if a >= LARGE:
        X, Y = slot(A, 0, p * p).reshape(p, p), slot(B, 0, p * p).reshape(p, p)
        np.dot(X, Y, slot(out, 0, p * p).reshape(p, p))
        return
    for i in range(a):
        for j in range(c):
            total = 0.0
            for m in range(b):
                total += A[i * p + m] * B[m * p + j]
            out[i * p + j] = total


@kernel
def identity(p, G):
    """G = 1."""
    for i in range(p * p):
        G[i] = 0.0
    for i in range(p):
        G[i * p + i] = 1.0


@kernel_call
def sweep(r, p, F, sizes, backward, G, H, Z):
    """One sweep from one end of the factors to the other; which one, `backward` says.

    sizes : rows and columns of the factors, two numbers each. The frame that is left at the other end goes to `G`.
    Returns how many rows it has.
    """
    identity(p, G)
    last = r - 1 if backward else 0
    rows = sizes[2 * last + 1]
    for step in range(r):
        f = r - 1 - step if backward else step
        b, c = sizes[2 * f], sizes[2 * f + 1]
        times_transposed(rows, b, c, p, G, F, f * p * p, H)
        for i in range(rows):  # rows of b numbers, one behind the other, are what is made orthonormal
            for j in range(b):
                H[i * b + j] = H[i * p + j]
        left, _ = orthonormalise(rows, b, H, 0, F, f * p * p, p, Z)
        left = max(left, 0)
        sizes[2 * f], sizes[2 * f + 1] = rows, left
        for i in range(left):
            for j in range(b):
                G[i * p + j] = H[i * b + j]
            for j in range(b, p):
                G[i * p + j] = 0.0
        for i in range(left * p, p * p):
            G[i] = 0.0
        rows = left
    return rows


@kernel
def _size(n, a, b):
    """Sum of |a b|."""
    total = 0.0
    for i in range(n):
        total += abs(a[i] * b[i])
    return total


@kernel_call
def form(r, k, p, F, backward, T, X, logs, rounding):
    """T' = B' for the product B d of r triangular k x k factors, and `logs` = log d; X is scratch.

    With `rounding`, absolute values in the place of all numbers: what roundings of B are relative to.
    Returns the largest of the numbers. Rows of T are the columns of B.
    """
    identity(p, T)
    for j in range(k):
        logs[j] = 0.0
    for step in range(r):
        f = (step if backward else r - 1 - step) * p * p
        for j in range(k):
            d = F[f + j * p + j]
            logs[j] += math.log(abs(d))
            for i in range(j, k):
                a, b = slot(F, f + i * p + j, i + 1 - j), slot(T, j * p + j, i + 1 - j)
                if rounding:
                    X[j * p + i] = _size(i + 1 - j, a, b) / abs(d)
                else:
                    X[j * p + i] = dot(i + 1 - j, a, b) / d
            for i in range(j, k):
                T[j * p + i] = X[j * p + i]
    largest = 0.0
    for j in range(k):
        for i in range(j, k):
            largest = max(largest, abs(T[j * p + i]))
    return largest


@kernel
def _rotate(n, a, b, c, left, right):
    """c (a - left b), c (b + right a)."""
    for i in range(n):
        x, y = a[i], b[i]
        a[i] = c * (x - left * y)
        b[i] = c * (y + right * x)


@kernel_call
def rotate(k, p, T, J, logs, before):
    """Make the rows exp(logs) T orthogonal by rotations from the left, J.

    before : squares of the rows of T in front of the last round. Returns rounds, or -1 where ROTATIONS did not do.
    """
    identity(p, J)
    tolerance = 4.0 * ROUNDING * math.sqrt(k)
    for number in range(ROTATIONS):
        worst = 0.0
        for i in range(k):
            before[i] = dot(k, slot(T, i * p, k), slot(T, i * p, k))
        for i in range(k - 1):
            for j in range(i + 1, k):
                a, b = slot(T, i * p, k), slot(T, j * p, k)
                alpha, beta, gamma = dot(k, a, a), dot(k, b, b), dot(k, a, b)
                off = abs(gamma) / math.sqrt(alpha * beta)
                worst = max(worst, off)
                if off <= tolerance:
                    continue
                swapped = logs[j] > logs[i]
                if swapped:
                    alpha, beta = beta, alpha
                ratio = math.exp(-abs(logs[j] - logs[i]))  # of the smaller scale to the larger
                w = (ratio * ratio * beta - alpha) / (2.0 * gamma)
                t = math.copysign(1.0, w) / (abs(w) + math.sqrt(ratio * ratio + w * w))
                c = 1.0 / math.sqrt(1.0 + ratio * ratio * t * t)
                small, step = ratio * ratio * t, ratio * t
                if swapped:  # rows in the other order: the angle has the other sign
                    small, step, t = -t, -step, -small
                _rotate(k, a, b, c, small, t)
                _rotate(k, slot(J, i * p, k), slot(J, j * p, k), c, step, step)
        if worst <= tolerance:
            return number
    return -1


@kernel
def _turned(rows, p, G, A, H):
    """A = G A; H is scratch."""
    times(rows, p, p, p, G, A, H)
    for i in range(p * p):
        A[i] = H[i] if i < rows * p else 0.0


@kernel
def _rank(r, sizes):
    """The rank that all factors have in common, or -1 where some have more."""
    k = sizes[0]
    for i in range(2 * r):
        if sizes[i] != k:
            return -1
    return k


@kernel_call
def decompose(r, p, F, sizes, lower, limit, most, A, B, sums, change, W):
    """C = A' exp(sums) B, largest first, for the product C of r factors, which are overwritten.

    lower : whether the factors are lower triangular already. limit : of roundings relative to the result.
    most : sweeps, at most. A, B : (rank, p) orthonormal rows. change : of the sums in the last round of rotations.
    W : `scratch(p)` numbers. Returns rank, sweeps, and whether the limit was kept.
    """
    q = p * p
    T, X, J, G, H = slot(W, 0, q), slot(W, q, q), slot(W, 2 * q, q), slot(W, 3 * q, q), slot(W, 4 * q, q)
    Z = slot(W, 5 * q, q + (2 + PANEL) * p)
    identity(p, A)
    identity(p, B)
    sweeps, backward, kept = 0, False, False
    rank = -1
    while True:
        if lower or sweeps > 0:
            rank = _rank(r, sizes)
            if rank >= 0:
                if sweeps > 0 or 4.0 * ROUNDING * form(r, rank, p, F, backward, T, X, sums, True) <= limit:
                    kept = form(r, rank, p, F, backward, T, X, sums, False) <= SETTLED
        if kept or (rank >= 0 and sweeps >= most):
            break
        backward = not backward
        rows = sweep(r, p, F, sizes, backward, G, H, Z)
        _turned(rows, p, G, A if backward else B, H)
        sweeps += 1
    rounds = rotate(rank, p, T, J, sums, change)
    _finish(rank, p, T, J, sums, change, A, B, backward, H)
    return rank, sweeps, kept and rounds >= 0


@kernel
def _finish(rank, p, T, J, sums, change, A, B, backward, H):
    """Singular values and directions from orthogonal rows T and the rotations J that made them so, sorted."""
    for i in range(rank):
        row = slot(T, i * p, rank)
        square = dot(rank, row, row)
        change[i] = 0.5 * abs(math.log(square / change[i])) if change[i] > 0.0 else 0.0
        sums[i] += 0.5 * math.log(square)
        length = math.sqrt(square)
        for m in range(rank):
            row[m] = row[m] / length
    for i in range(rank):
        best = i
        for j in range(i + 1, rank):
            if sums[j] > sums[best]:
                best = j
        if best != i:
            _swap(1, sums, i, best)
            _swap(1, change, i, best)
            _swap(rank, T, i * p, best * p)
            _swap(rank, J, i * p, best * p)
    times(rank, rank, p, p, J if backward else T, A, H)
    for i in range(rank * p):
        A[i] = H[i]
    times(rank, rank, p, p, T if backward else J, B, H)
    for i in range(rank * p):
        B[i] = H[i]
    for i in range(rank, p):
        sums[i] = -math.inf
        change[i] = 0.0


@kernel
def _swap(n, A, a, b):
    """Exchange two runs of n numbers."""
    for i in range(n):
        A[a + i], A[b + i] = A[b + i], A[a + i]
