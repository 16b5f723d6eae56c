"""A layer of the LSTM with state (h, c), gates i, f, g, o: c' = f c + i g, h' = o tanh c'. See `kernel.cell_rnn`.

Coefficients of a unit: f; i' g, f' c, i g' (of the gates' arguments in c'); o tanh' and tanh o' (of c' and o in h').
Slopes of sigmoids are s(a) s(-a), which keeps their digits where a gate is saturated. Hochreiter & Schmidhuber (1997),
Gers, Schmidhuber & Cummins (2000) for the forget gate.
"""

from fastlyap.kernel import activation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.activation import SIGMOID, TANH
from fastlyap.kernel.cells import HIDDEN, PLACES, dim, matrix, product_back
from fastlyap.kernel.lanes import slot


@kernel
def state(kind, z, P, layer, rows, AX, X, AH, T, old, o, new, a, C):
    """The new h and c of `rows` rows."""
    H, n, lanes, width = z.hidden, dim(z), kind.lanes, z.width
    for r in range(rows):
        gates, slopes = slot(AX, 4 * H * r, 4 * H), slot(AH, 4 * H * r, 4 * H)
        K = slot(C, 6 * H * r, 6 * H)
        was, c, h = slot(old, o + r * n + H, H), slot(new, a + r * n + H, H), slot(new, a + r * n, H)
        for j in range(4 * H):
            gates[j] = gates[j] + slopes[j]
        activation.slopes(lanes, width, SIGMOID, 2 * H, gates, slopes)
        activation.slopes(lanes, width, TANH, H, slot(gates, 2 * H, H), slot(slopes, 2 * H, H))
        activation.slopes(lanes, width, SIGMOID, H, slot(gates, 3 * H, H), slot(slopes, 3 * H, H))
        activation.values(lanes, width, SIGMOID, 2 * H, gates, gates)
        activation.values(lanes, width, TANH, H, slot(gates, 2 * H, H), slot(gates, 2 * H, H))
        activation.values(lanes, width, SIGMOID, H, slot(gates, 3 * H, H), slot(gates, 3 * H, H))
        for i in range(H):
            K[i] = gates[H + i]
            K[H + i] = slopes[i] * gates[2 * H + i]
            K[2 * H + i] = slopes[H + i] * was[i]
            K[3 * H + i] = gates[i] * slopes[2 * H + i]
            c[i] = gates[H + i] * was[i] + gates[i] * gates[2 * H + i]
        activation.slopes(lanes, width, TANH, H, c, slot(K, 4 * H, H))
        activation.values(lanes, width, TANH, H, c, h)
        for i in range(H):
            K[4 * H + i] = gates[3 * H + i] * K[4 * H + i]
            K[5 * H + i] = h[i] * slopes[3 * H + i]
            h[i] = gates[3 * H + i] * h[i]


@kernel
def push(z, P, layer, k, C, fed, TX, TH, V, o, X):
    """dc' = f dc + i' g da_i + f' c da_f + i g' da_g; dh' = o tanh' dc' + tanh o' da_o."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        A = slot(TH, 4 * H * r, 4 * H)
        h, c = slot(V, o + r * n, H), slot(V, o + r * n + H, H)
        if fed:
            B = slot(TX, 4 * H * r, 4 * H)
            for j in range(4 * H):
                A[j] = A[j] + B[j]
        for i in range(H):
            d = C[i] * c[i] + C[H + i] * A[i] + C[2 * H + i] * A[H + i] + C[3 * H + i] * A[2 * H + i]
            c[i] = d
            h[i] = C[4 * H + i] * d + C[5 * H + i] * A[3 * H + i]


@kernel
def pull(z, P, layer, k, C, stride, G, o, DX, DH, X):
    """The transpose of `push`."""
    H, n = z.hidden, dim(z)
    for r in range(k):
        K, D = slot(C, r * stride, 6 * H), slot(DX, 4 * H * r, 4 * H)
        h, c = slot(G, o + r * n, H), slot(G, o + r * n + H, H)
        for i in range(H):
            d = c[i] + K[4 * H + i] * h[i]
            D[i] = K[H + i] * d
            D[H + i] = K[2 * H + i] * d
            D[2 * H + i] = K[3 * H + i] * d
            D[3 * H + i] = K[5 * H + i] * h[i]
            c[i] = K[i] * d
    product_back(DX, k, matrix(P, PLACES * layer + HIDDEN, H, 4 * H), X)
    for r in range(k):
        for i in range(H):
            G[o + r * n + i] = X[r * H + i]
