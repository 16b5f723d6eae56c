"""The parameters of the random network x' = g phi(x) J': their share of its covectors. See `kernel.cell_adjoint`.

By J' it is g phi(x) outer nu, by g the sum of phi(x) (nu J).
"""

from fastlyap.kernel import activation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cell_adjoint import ARGUMENT, OLD, ROOM, ROWS, SEATS, TAKEN, WHERE, keep_all, outer, part, seat
from fastlyap.kernel.cells import BIAS, HIDDEN, numbers
from fastlyap.kernel.lanes import slot


@kernel
def before(kind, z, t, S, P):
    """Keep phi(x)."""
    n = z.hidden
    activation.values(kind.lanes, z.width, z.code, n, S, slot(seat(P, OLD, ROWS * n), P[TAKEN][0] * n, n))


@kernel
def between(z, S, P, W):
    """Nothing: there are no layers."""


@kernel
def covectors(z, S, P, k):
    """Keep the covectors of the new state."""
    keep_all(slot(S, z.hidden + 1, k * z.hidden), k, z.hidden, P, ARGUMENT, P[TAKEN][0])


@kernel
def after(z, S, P, W, k):
    """The gradients by g, from what `cell_coupled.pull` has left; a row is full."""
    n, row = z.hidden, P[TAKEN][0]
    phi, X = slot(seat(P, OLD, ROWS * n), row * n, n), slot(W, n, k * n)
    if P[WHERE][BIAS] >= 0:
        for c in range(k):
            total = phi[0] * X[c * n]
            for i in range(1, n):
                total = total + phi[i] * X[c * n + i]
            own = part(P, c, BIAS, 1)
            own[0] = own[0] + total
    g = numbers(P, BIAS, 1)[0]
    for i in range(n):
        phi[i] = g * phi[i]
    P[TAKEN][0] = row + 1


@kernel
def gather(z, P, k):
    """As `cell_adjoint.gather`."""
    n, rows = z.hidden, P[TAKEN][0]
    for c in range(k):
        Y = slot(P[ROOM], P[SEATS][ARGUMENT] + c * ROWS * n, ROWS * n)
        outer(P, c, HIDDEN, 0, rows, seat(P, OLD, ROWS * n), n, Y, n)
    P[TAKEN][0] = 0
