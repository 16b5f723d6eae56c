"""Products of many rows with small matrices, a row of lanes at a time: where a call of BLAS costs more than its work.

Rows of m numbers are taken in pieces of `width`; the last piece overlaps the one before where m is no multiple, and
writes the same numbers again. `lanes` is `rows_of(width)`; m >= width in all of them.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot

LARGEST = 48  # rows and columns of a matrix up to which BLAS is slower, measured from 1 to 1000 rows


@kernel
def is_small(width, n, m):
    """Whether products (., n) (n, m) are done here."""
    return width > 1 and width <= m <= LARGEST and n <= LARGEST


@kernel
def times(lanes, width, B, n, m, x, W, o, P, bias, z):
    """z = x W + b, W the n m numbers from o on in W, b those from `bias` on in P (none below 0)."""
    for piece in range((m + width - 1) // width):
        j = min(piece * width, m - width)
        first = lanes(slot(P, bias + j, width))[0] if bias >= 0 else like(lanes(slot(W, o + j, width))[0], 0.0)
        for b in range(0, B - 3, 4):
            c0, c1, c2, c3 = first, first, first, first
            for i in range(n):
                column = lanes(slot(W, o + i * m + j, width))[0]
                c0 = c0 + column * x[b * n + i]
                c1 = c1 + column * x[b * n + n + i]
                c2 = c2 + column * x[b * n + 2 * n + i]
                c3 = c3 + column * x[b * n + 3 * n + i]
            z0, z1 = lanes(slot(z, b * m + j, width)), lanes(slot(z, b * m + m + j, width))
            z2, z3 = lanes(slot(z, b * m + 2 * m + j, width)), lanes(slot(z, b * m + 3 * m + j, width))
            z0[0], z1[0], z2[0], z3[0] = c0, c1, c2, c3
        for b in range(B - B % 4, B):
            c = first
            for i in range(n):
                c = c + lanes(slot(W, o + i * m + j, width))[0] * x[b * n + i]
            end = lanes(slot(z, b * m + j, width))
            end[0] = c


@kernel
def transpose(n, m, W, o, out):
    """out (m, n) = W', W the n m numbers from o on."""
    for i in range(n):
        for j in range(m):
            out[j * n + i] = W[o + i * m + j]


@kernel
def weight_adjoint(lanes, width, B, n, m, x, w, o, out):
    """x' w to the n m numbers from o on in `out`; four rows of it at a time, the last four overlapping; n >= 4."""
    for block in range((n + 3) // 4):
        i = min(4 * block, n - 4)
        for piece in range((m + width - 1) // width):
            j = min(piece * width, m - width)
            zero = like(lanes(slot(w, j, width))[0], 0.0)
            c0, c1, c2, c3 = zero, zero, zero, zero
            for b in range(B):
                row = lanes(slot(w, b * m + j, width))[0]
                c0 = c0 + row * x[b * n + i]
                c1 = c1 + row * x[b * n + i + 1]
                c2 = c2 + row * x[b * n + i + 2]
                c3 = c3 + row * x[b * n + i + 3]
            z0, z1 = lanes(slot(out, o + i * m + j, width)), lanes(slot(out, o + (i + 1) * m + j, width))
            z2, z3 = lanes(slot(out, o + (i + 2) * m + j, width)), lanes(slot(out, o + (i + 3) * m + j, width))
            z0[0], z1[0], z2[0], z3[0] = c0, c1, c2, c3


@kernel
def bias_adjoint(lanes, width, B, m, w, o, out):
    """The sum of the rows of w to the m numbers from o on in `out`."""
    for piece in range((m + width - 1) // width):
        j = min(piece * width, m - width)
        c = like(lanes(slot(w, j, width))[0], 0.0)
        for b in range(B):
            c = c + lanes(slot(w, b * m + j, width))[0]
        end = lanes(slot(out, o + j, width))
        end[0] = c
