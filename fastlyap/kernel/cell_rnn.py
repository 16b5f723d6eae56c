"""A layer of the simple recurrent network, h' = phi(u Wx + h Wh + b).

Every kind of layer has three formulas. `state` moves `rows` states: from its inputs' part AX (bias included), the
packed old hidden states X and their products AH with the hidden weights to the new states (from place o of `old` to
place a of `new`, rows n numbers apart), leaving the coefficients C; T is scratch. `push` moves k vectors in place from
the same parts TX and TH; without TX if nothing is `fed` in. `pull` is its transpose, for rows that share their
coefficients (stride 0) or have their own: it leaves the covector of the old state, and those of AX and AH in DX and DH.
"""

from fastlyap.kernel import activation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cells import HIDDEN, PLACES, add, dim, matrix, product_back
from fastlyap.kernel.lanes import slot


@kernel
def state(kind, z, P, layer, rows, AX, X, AH, T, old, o, new, a, C):
    """h' = phi(a), C = phi'(a)."""
    H, n = z.hidden, dim(z)
    add(rows * H, AH, AX)
    activation.slopes(kind.lanes, z.width, z.code, rows * H, AX, C)
    if n == H:
        activation.values(kind.lanes, z.width, z.code, rows * H, AX, slot(new, a, rows * H))
        return
    for r in range(rows):
        activation.values(kind.lanes, z.width, z.code, H, slot(AX, r * H, H), slot(new, a + r * n, H))


@kernel
def push(z, P, layer, k, C, fed, TX, TH, V, o, X):
    """dh' = phi'(a) (du Wx + dh Wh)."""
    H, n = z.hidden, dim(z)
    if fed:
        add(k * H, TX, TH)
    for r in range(k):
        for i in range(H):
            V[o + r * n + i] = C[i] * TH[r * H + i]


@kernel
def pull(z, P, layer, k, C, stride, G, o, DX, DH, X):
    """The transpose of `push`."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        for i in range(H):
            DX[r * H + i] = C[r * stride + i] * G[o + r * n + i]
    product_back(DX, k, matrix(P, PLACES * layer + HIDDEN, H, H), X)
    for r in range(k):
        for i in range(H):
            G[o + r * n + i] = X[r * H + i]
