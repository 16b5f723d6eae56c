"""A layer of the gated recurrent unit, gates r, z, n: h' = (1 - z) n + z h. See `kernel.cell_rnn`.

Here n = tanh(a_n + r (h W_n + b)), the reset gate after the product, as cuDNN and torch have it; `cell_gru_original`
has it before. Coefficients of a unit: what the arguments of r, z, n bring in h', then r, then z.
"""

from fastlyap.kernel import activation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.activation import SIGMOID, TANH
from fastlyap.kernel.cells import HIDDEN, HIDDEN_BIAS, PLACES, add_to, dim, matrix, numbers, product_back
from fastlyap.kernel.lanes import slot


@kernel
def gates(kind, z, A, B, K):
    """The gates r and z of a row from the sum of A and B, to K[3 H:] and K[4 H:], their slopes to K, 1 - z to A[H:]."""
    H = z.hidden
    for j in range(2 * H):
        A[j] = A[j] + B[j]
    activation.slopes(kind.lanes, z.width, SIGMOID, 2 * H, A, K)
    activation.values(kind.lanes, z.width, SIGMOID, 2 * H, A, slot(K, 3 * H, 2 * H))
    for i in range(H):
        A[H + i] = -A[H + i]
    activation.values(kind.lanes, z.width, SIGMOID, H, slot(A, H, H), slot(A, H, H))


@kernel
def close(kind, z, A, K, rest, was, h):
    """n and h' from the argument of n in A; leaves the coefficients of n and z."""
    H = z.hidden
    activation.slopes(kind.lanes, z.width, TANH, H, A, slot(K, 2 * H, H))
    activation.values(kind.lanes, z.width, TANH, H, A, A)
    for i in range(H):
        K[H + i] = K[H + i] * (was[i] - A[i])
        K[2 * H + i] = rest[i] * K[2 * H + i]
        h[i] = rest[i] * A[i] + K[4 * H + i] * was[i]


@kernel
def state(kind, z, P, layer, rows, AX, X, AH, T, old, o, new, a, C):
    """The new h of `rows` rows, torch's way."""
    H, n = z.hidden, dim(z)
    bias = numbers(P, PLACES * layer + HIDDEN_BIAS, 3 * H)
    for r in range(rows):
        A, B, K = slot(AX, 3 * H * r, 3 * H), slot(AH, 3 * H * r, 3 * H), slot(C, 5 * H * r, 5 * H)
        for j in range(3 * H):
            B[j] = B[j] + bias[j]
        gates(kind, z, A, B, K)
        inner, product_part = slot(A, 2 * H, H), slot(B, 2 * H, H)
        for i in range(H):
            inner[i] = inner[i] + K[3 * H + i] * product_part[i]
        close(kind, z, inner, K, slot(A, H, H), slot(X, r * H, H), slot(new, a + r * n, H))
        for i in range(H):
            K[i] = K[i] * K[2 * H + i] * product_part[i]


@kernel
def push(z, P, layer, k, C, fed, TX, TH, V, o, X):
    """dh' = z dh + sums over the arguments of the gates, of which n's product counts r times."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        A, h = slot(TH, 3 * H * r, 3 * H), slot(V, o + r * n, H)
        for i in range(H):
            part = C[i] * A[i] + C[H + i] * A[H + i] + C[2 * H + i] * C[3 * H + i] * A[2 * H + i]
            h[i] = C[4 * H + i] * h[i] + part
        if fed:
            B = slot(TX, 3 * H * r, 3 * H)
            for i in range(H):
                h[i] = h[i] + C[i] * B[i] + C[H + i] * B[H + i] + C[2 * H + i] * B[2 * H + i]


@kernel
def pull(z, P, layer, k, C, stride, G, o, DX, DH, X):
    """The transpose of `push`."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        K, h = slot(C, r * stride, 5 * H), slot(G, o + r * n, H)
        D, E = slot(DX, 3 * H * r, 3 * H), slot(DH, 3 * H * r, 3 * H)
        for i in range(H):
            D[i] = K[i] * h[i]
            D[H + i] = K[H + i] * h[i]
            D[2 * H + i] = K[2 * H + i] * h[i]
            E[i] = D[i]
            E[H + i] = D[H + i]
            E[2 * H + i] = K[3 * H + i] * D[2 * H + i]
            h[i] = K[4 * H + i] * h[i]
    product_back(DH, k, matrix(P, PLACES * layer + HIDDEN, H, 3 * H), X)
    add_to(k, n, G, o, H, X)
