"""The coefficients of shadowing covectors on all segments: least squares by block elimination, or the march.

min sum over k of a_k C_k a_k / 2 + d_k a_k with a_{k-1} = R_k a_k + b_k. With multipliers l_k for the conditions this
is a system with block-tridiagonal matrix, C_{k-1}^-1 + R_k C_k^-1 R_k' beside U_k = -R_k C_k^-1, which is eliminated
forward and solved backward: D_k = P_{k-1} + R_k C_k^-1 R_k' = L L', G_k = L^-1 U_k, P_k = C_k^-1 - G_k' G_k. P is
carried along as the covariance of a Kalman filter is (Joseph's form): near tangencies the difference would round to
something negative. The q columns are solved at once; the last one of a flow, with d = c and b = 0, tells how all
coefficients change when nu turns along the flow. Source: Ni & Talnikar, JCP 395 (2019); Golub & Van Loan, section 4.5.
"""

import math

from fastlyap.kernel import elementary
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, maximum, minimum
from fastlyap.kernel.segments import block_rows


@kernel
def factor(Y, o, M):
    """The lower Cholesky factor of the lower triangle of the M x M matrix at row `o`, in place."""
    for j in range(M):
        total = Y[o + j * M + j]
        for s in range(j):
            total = total - Y[o + j * M + s] * Y[o + j * M + s]
        pivot = math.sqrt(total)
        Y[o + j * M + j] = pivot
        for i in range(j + 1, M):
            total = Y[o + i * M + j]
            for s in range(j):
                total = total - Y[o + i * M + s] * Y[o + j * M + s]
            Y[o + i * M + j] = total / pivot


@kernel
def lower(Y, o, M, Z, z, q):
    """Z <- L^-1 Z for the q columns of Z (M, q) at row `z`."""
    for i in range(M):
        for j in range(q):
            total = Z[z + i * q + j]
            for s in range(i):
                total = total - Y[o + i * M + s] * Z[z + s * q + j]
            Z[z + i * q + j] = total / Y[o + i * M + i]


@kernel
def upper(Y, o, M, Z, z, q):
    """Z <- L'^-1 Z."""
    for back in range(M):
        i = M - 1 - back
        for j in range(q):
            total = Z[z + i * q + j]
            for s in range(i + 1, M):
                total = total - Y[o + s * M + i] * Z[z + s * q + j]
            Z[z + i * q + j] = total / Y[o + i * M + i]


@kernel
def _right_side(Y, Z, k, rows, M, q):
    """b <- -(b + C_{k-1}^-1 d_{k-1} - R C_k^-1 d_k) - G_{k-1}' y_{k-1}; C_{k-1}^-1 d_{k-1} is in Z and is replaced."""
    o = k * rows
    mm = M * M
    b, d = o + 4 * mm, o + 4 * mm + M * q
    before = o - rows
    old, new = 4 * mm, 4 * mm + M * q
    for i in range(M * q):
        Z[new + i] = Y[d + i]
    lower(Y, o + 3 * mm, M, Z, new, q)
    upper(Y, o + 3 * mm, M, Z, new, q)
    for i in range(M):
        for j in range(q):
            total = Y[b + i * q + j] + Z[old + i * q + j]
            for s in range(i, M):
                total = total - Y[o + i * M + s] * Z[new + s * q + j]
            if k > 1:
                for s in range(M):
                    total = total + Y[before + 2 * mm + s * M + i] * Y[before + 4 * mm + s * q + j]
            Y[b + i * q + j] = -total
    for i in range(M * q):
        Z[old + i] = Z[new + i]


@kernel
def _eliminate(Y, Z, k, rows, M, q):
    """D, G and b of the block of segment k, from those before, and the next P; the C of all blocks are factored.

    Scratch Z holds P, three more matrices, and twice (M, q), of which the first is C^-1 d of the block before.
    """
    o = k * rows
    mm = M * M
    R, D, G, C = o, o + mm, o + 2 * mm, o + 3 * mm
    P, E, T = 0, mm, 2 * mm
    for i in range(M):
        for j in range(M):
            Z[E + i * M + j] = Y[R + j * M + i]
    lower(Y, C, M, Z, E, M)
    for i in range(M):
        for j in range(i + 1):
            total = Z[P + i * M + j]
            for s in range(M):
                total = total + Z[E + s * M + i] * Z[E + s * M + j]
            Y[D + i * M + j] = total
    factor(Y, D, M)
    _right_side(Y, Z, k, rows, M, q)
    lower(Y, D, M, Y, o + 4 * mm, q)
    upper(Y, C, M, Z, E, M)  # C^-1 R'
    for i in range(M):
        for j in range(M):
            Y[G + i * M + j] = -Z[E + j * M + i]
    lower(Y, D, M, Y, G, M)
    # the gain K' = D^-1 R C^-1 = -L'^-1 G, and (1 - K R)'
    for i in range(mm):
        Z[E + i] = -Y[G + i]
    upper(Y, D, M, Z, E, M)
    for i in range(M):
        for j in range(M):
            total = like(Y[0], 1.0 if i == j else 0.0)
            for s in range(i + 1):
                total = total - Y[R + s * M + i] * Z[E + s * M + j]
            Z[T + i * M + j] = total
    lower(Y, C, M, Z, T, M)
    _next(Z, M)


@kernel
def _next(Z, M):
    """P <- (1 - K R) C^-1 (1 - K R)' + K P K': a sum of squares, which rounding cannot make negative."""
    mm = M * M
    P, E, T, H = 0, mm, 2 * mm, 3 * mm
    for i in range(M):
        for j in range(M):
            total = like(Z[0], 0.0)
            for s in range(M):
                total = total + Z[P + i * M + s] * Z[E + s * M + j]
            Z[H + i * M + j] = total
    for i in range(M):
        for j in range(i + 1):
            total = like(Z[0], 0.0)
            for s in range(M):
                total = total + Z[T + s * M + i] * Z[T + s * M + j] + Z[E + s * M + i] * Z[H + s * M + j]
            Z[P + i * M + j] = total
    for i in range(M):
        for j in range(i):
            Z[P + j * M + i] = Z[P + i * M + j]


@kernel
def _substitute(Y, Z, k, n_segments, rows, M, q):
    """l_k and a_k of segment k, from l_{k+1} behind four matrices of the scratch; a_k takes the place of d_k."""
    o = k * rows
    mm = M * M
    R, D, G, C = o, o + mm, o + 2 * mm, o + 3 * mm
    b, d = o + 4 * mm, o + 4 * mm + M * q
    later, now = 4 * mm, 4 * mm + M * q
    for i in range(M * q):
        Z[now + i] = like(Y[0], 0.0)
    if k > 0:
        for i in range(M):
            for j in range(q):
                total = Y[b + i * q + j]
                if k < n_segments - 1:
                    for s in range(M):
                        total = total - Y[G + i * M + s] * Z[later + s * q + j]
                Z[now + i * q + j] = total
        upper(Y, D, M, Z, now, q)
    for i in range(M):
        for j in range(q):
            total = Y[d + i * q + j]
            if k < n_segments - 1:
                total = total + Z[later + i * q + j]
            if k > 0:
                for s in range(i + 1):
                    total = total - Y[R + s * M + i] * Z[now + s * q + j]
            Y[d + i * q + j] = -total
    lower(Y, C, M, Y, d, q)
    upper(Y, C, M, Y, d, q)
    for i in range(M * q):
        Z[later + i] = Z[now + i]


@kernel
def _march(Y, Z, k, rows, M, q):
    """a_k = R_k^-1 (a_{k-1} - b_k) from a_{k-1} behind four matrices of the scratch."""
    mm = M * M
    R = k * rows
    b, d = R + 4 * mm, R + 4 * mm + M * q
    for back in range(M):
        i = M - 1 - back
        for j in range(q):
            total = Z[4 * mm + i * q + j] - Y[b + i * q + j]
            for s in range(i + 1, M):
                total = total - Y[R + i * M + s] * Y[d + s * q + j]
            Y[d + i * q + j] = total / Y[R + i * M + i]
    for i in range(M * q):
        Z[4 * mm + i] = Y[d + i]


@kernel
def _sum_up(Y, Z, k, rows, M, q, p, tail):
    """Add the coefficients' shares of the gradient, and their products with what Z holds, to the rows at `tail`."""
    mm = M * M
    d = k * rows + 4 * mm + M * q
    g = d + M * q
    for i in range(M):
        for j in range(q):
            a = Y[d + i * q + j]
            for s in range(p):
                Y[tail + j * p + s] = Y[tail + j * p + s] + a * Y[g + i * p + s]
            Y[tail + q * p + j] = Y[tail + q * p + j] + a * Z[i]


@kernel
def _judge(Y, k, rows, M, at, marching):
    """Add the logarithms of the diagonal of R to the rows at `at`; behind them keep the largest conditioning of C.

    The squared ratio of the largest to the smallest pivot of Cholesky's factor is an estimate, and a lower bound.
    """
    R = k * rows
    C = R + 3 * M * M
    largest, smallest = Y[C], Y[C]
    for i in range(M):
        Y[at + i] = Y[at + i] + elementary.log(abs(Y[R + i * M + i]))
        largest = maximum(largest, Y[C + i * M + i])
        smallest = minimum(smallest, Y[C + i * M + i])
    if not marching:
        ratio = largest / smallest
        Y[at + M] = maximum(ratio * ratio, Y[at + M])


@kernel
def solve(Y, Z, n_segments, M, q, p, marching):
    """Coefficients of all segments, in place of d; behind the blocks the sums of a gW and of a c (see `segments`).

    Behind those of v F the sums of log|R_ii| and the largest conditioning. Scratch Z: 4 M M + 2 M q rows.
    """
    rows = block_rows(M, q, p)
    tail = n_segments * rows
    mm = M * M
    for i in range(q * p + q):
        Y[tail + i] = like(Y[tail], 0.0)
    judgement = tail + q * (p + 2)
    for i in range(M + 1):
        Y[judgement + i] = like(Y[tail], 0.0)
    for i in range(4 * mm + 2 * M * q):
        Z[i] = like(Y[tail], 0.0)
    if marching:
        for k in range(n_segments):
            _march(Y, Z, k, rows, M, q)
            _sum_up(Y, Z, k, rows, M, q, p, tail)
            _judge(Y, k, rows, M, judgement, True)
    elif M > 0:
        for k in range(n_segments):
            factor(Y, k * rows + 3 * mm, M)
            _judge(Y, k, rows, M, judgement, False)
        d = 4 * mm + M * q
        for i in range(M * q):
            Z[4 * mm + i] = Y[d + i]
        lower(Y, 3 * mm, M, Z, 4 * mm, q)
        upper(Y, 3 * mm, M, Z, 4 * mm, q)
        for i in range(M):
            Z[i * M + i] = like(Y[tail], 1.0)
        lower(Y, 3 * mm, M, Z, 0, M)
        upper(Y, 3 * mm, M, Z, 0, M)
        for k in range(1, n_segments):
            _eliminate(Y, Z, k, rows, M, q)
        for back in range(n_segments):
            k = n_segments - 1 - back
            for i in range(M):
                Z[i] = Y[k * rows + d + i * q + q - 1]  # c, before a takes its place
            _substitute(Y, Z, k, n_segments, rows, M, q)
            _sum_up(Y, Z, k, rows, M, q, p, tail)
