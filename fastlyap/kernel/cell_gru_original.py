"""A layer of the gated recurrent unit as first published: n = tanh(a_n + (r h) W_n), the reset gate before the product.

Its hidden weights lie as (H, 2 H) of r and z, then (H, H) of n. Coefficients of a unit: h r', of the argument of r in
r h; what the arguments of z and n bring in h'; r; z. Cho et al., arXiv 1406.1078; Keras' `reset_after=False`. See
`kernel.cell_rnn`.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.cell_gru import close, gates
from fastlyap.kernel.cells import HIDDEN, PLACES, add_to, dim, matrix, numbers, pack, product, product_back
from fastlyap.kernel.lanes import slot


@kernel
def inner(P, layer, H):
    """The hidden weights of n."""
    return slot(numbers(P, PLACES * layer + HIDDEN, 3 * H * H), 2 * H * H, H * H).reshape(H, H)


@kernel
def state(kind, z, P, layer, rows, AX, X, AH, T, old, o, new, a, C):
    """The new h of `rows` rows; r h is left in T."""
    H, n = z.hidden, dim(z)
    Q, M = slot(T, 0, rows * H), slot(T, rows * H, rows * H)
    for r in range(rows):
        K = slot(C, 5 * H * r, 5 * H)
        gates(kind, z, slot(AX, 3 * H * r, 3 * H), slot(AH, 2 * H * r, 2 * H), K)
        for i in range(H):
            Q[r * H + i] = K[3 * H + i] * X[r * H + i]
            K[i] = K[i] * X[r * H + i]
    product(Q, rows, inner(P, layer, H), M)
    for r in range(rows):
        A, K = slot(AX, 3 * H * r, 3 * H), slot(C, 5 * H * r, 5 * H)
        for i in range(H):
            A[2 * H + i] = A[2 * H + i] + M[r * H + i]
        close(kind, z, slot(A, 2 * H, H), K, slot(A, H, H), slot(X, r * H, H), slot(new, a + r * n, H))


@kernel
def push(z, P, layer, k, C, fed, TX, TH, V, o, X):
    """dh' = z dh + C_z da_z + C_n (da_n + (r dh + C_r da_r) W_n)."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        A, h = slot(TH, 2 * H * r, 2 * H), slot(V, o + r * n, H)
        if fed:
            B = slot(TX, 3 * H * r, 3 * H)
            for j in range(2 * H):
                A[j] = A[j] + B[j]
        for i in range(H):
            X[r * H + i] = C[3 * H + i] * h[i] + C[i] * A[i]
            h[i] = C[4 * H + i] * h[i] + C[H + i] * A[H + i]
        if fed:
            for i in range(H):
                h[i] = h[i] + C[2 * H + i] * B[2 * H + i]
    product(X, k, inner(P, layer, H), TH)
    for r in range(k):
        for i in range(H):
            V[o + r * n + i] = V[o + r * n + i] + C[2 * H + i] * TH[r * H + i]


@kernel
def pull(z, P, layer, k, C, stride, G, o, DX, DH, X):
    """The transpose of `push`; the rows of DH have 2 H numbers."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        K, h, D = slot(C, r * stride, 5 * H), slot(G, o + r * n, H), slot(DX, 3 * H * r, 3 * H)
        for i in range(H):
            D[H + i] = K[H + i] * h[i]
            D[2 * H + i] = K[2 * H + i] * h[i]
            h[i] = K[4 * H + i] * h[i]
    pack(k, 3 * H, DX, 2 * H, H, X)
    Q = slot(X, k * H, k * H)
    product_back(X, k, inner(P, layer, H), Q)
    for r in range(k):
        K, h = slot(C, r * stride, 5 * H), slot(G, o + r * n, H)
        D, E = slot(DX, 3 * H * r, 3 * H), slot(DH, 2 * H * r, 2 * H)
        for i in range(H):
            q = Q[r * H + i]
            D[i] = K[i] * q
            E[i] = D[i]
            E[H + i] = D[H + i]
            h[i] = h[i] + K[3 * H + i] * q
    product_back(DH, k, matrix(P, PLACES * layer + HIDDEN, H, 2 * H), X)
    add_to(k, n, G, o, H, X)
