"""Layers of feedforward networks: value, tangent, adjoint and parameter adjoint, of a batch of samples in rows.

x (B, n) samples; V (B k, n) tangents or covectors, k of each sample one behind the other. y = x W + b; J v = v W;
J' w = w W'; the adjoints of W and b are x' w and the sum of the w. Outputs come last. Source: the chain rule, in the
form of Rumelhart, Hinton & Williams, Learning representations by back-propagating errors (1986), rows being samples.
"""

import numpy as np

from fastlyap.kernel import small_products
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import slot
from fastlyap.kernel.random import uniform, words

DROPOUT = 1 << 40  # blocks of random numbers from here on decide what is dropped; noise of layers takes earlier ones


@kernel
def matrix(A, o, rows, columns):
    """The numbers from o on as a matrix: a view."""
    return slot(A, o, rows * columns).reshape(rows, columns)


@kernel
def times(x, W, y):
    """y = x W; a single row goes through the product that reads W once."""
    if x.shape[0] == 1:
        np.dot(x[0], W, y[0])
    else:
        np.dot(x, W, y)


@kernel
def times_transpose(x, W, y):
    """y = x W'."""
    if x.shape[0] == 1:
        np.dot(W, x[0], y[0])
    else:
        np.dot(x, W.T, y)


@kernel
def add_bias(B, n, o, P, z):
    """z + b for every sample, b at o of P."""
    bias = slot(P, o, n)
    for r in range(B):
        row = slot(z, r * n, n)
        for i in range(n):
            row[i] = row[i] + bias[i]


@kernel
def dense(lanes, width, B, n, m, P, weight, bias, x, z):
    """z = x W + b, W and b at these places of P; no b below 0."""
    if small_products.is_small(width, n, m):
        small_products.times(lanes, width, B, n, m, x, P, weight, P, bias, z)
    else:
        times(matrix(x, 0, B, n), matrix(P, weight, n, m), matrix(z, 0, B, m))
        if bias >= 0:
            add_bias(B, m, bias, P, z)


@kernel
def dense_adjoint(lanes, width, B, n, m, P, weight, w, T, out):
    """out = w W'; T is scratch of n m numbers."""
    if small_products.is_small(width, m, n) and 4 <= B:
        small_products.transpose(n, m, P, weight, T)
        small_products.times(lanes, width, B, m, n, w, T, 0, T, -1, out)
    else:
        times_transpose(matrix(w, 0, B, m), matrix(P, weight, n, m), matrix(out, 0, B, n))


@kernel
def dense_parameter_adjoint(lanes, width, B, n, m, x, w, weight, bias, out):
    """x' w and the sum of the w, to these places of `out`."""
    small = small_products.is_small(width, n, m)
    if small and 4 <= n and 1 < B:
        small_products.weight_adjoint(lanes, width, B, n, m, x, w, weight, out)
    else:
        weight_adjoint(matrix(x, 0, B, n), matrix(w, 0, B, m), matrix(out, weight, n, m))
    if bias >= 0 and small:
        small_products.bias_adjoint(lanes, width, B, m, w, bias, out)
    elif bias >= 0:
        bias_adjoint(B, m, w, bias, out)


@kernel
def weight_adjoint(x, w, out):
    """out = x' w, the outer product where there is one sample."""
    if x.shape[0] == 1:
        row, column = x[0], w[0]
        for i in range(len(row)):
            a, target = row[i], out[i]
            for j in range(len(column)):
                target[j] = a * column[j]
    else:
        np.dot(x.T, w, out)


@kernel
def bias_adjoint(B, n, w, o, out):
    """out[o:] = sum of w over the samples."""
    total = slot(out, o, n)
    for i in range(n):
        total[i] = w[i]
    for r in range(1, B):
        row = slot(w, r * n, n)
        for i in range(n):
            total[i] = total[i] + row[i]


@kernel
def spread(B, k, n, D, A, out):
    """out = D A, the n factors D of a sample taken by each of its k rows; symmetric, so tangent and adjoint at once."""
    for i in range(B * n if k == 1 else 0):
        out[i] = D[i] * A[i]
    for b in range(B if k > 1 else 0):
        d = slot(D, b * n, n)
        for j in range(k):
            o = (b * k + j) * n
            a, target = slot(A, o, n), slot(out, o, n)
            for i in range(n):
                target[i] = d[i] * a[i]


@kernel
def combine(count, alpha, a, beta, b, out):
    """out = alpha a + beta b: the block alpha x + beta F(x), and its tangent."""
    for i in range(count):
        out[i] = alpha * a[i] + beta * b[i]


@kernel
def pass_on(count, factor, a, first, out):
    """out = factor a, or, where it is not the first that arrives there, out + factor a."""
    if first:
        for i in range(count):
            out[i] = factor * a[i]
    else:
        for i in range(count):
            out[i] = out[i] + factor * a[i]


@kernel
def draw_mask(B, n, first, layer, key, dropped, out):
    """Factors 0 with probability `dropped`, else 1 / (1 - dropped), of the rows first ... first + B - 1 in one layer.

    A function of seed, member, layer, sample and unit alone: forward, tangent, adjoint and a replay see the same.
    `key` as in `layer_noise.draw`.
    """
    blocks = (n + 3) // 4
    kept = 1.0 / (1.0 - dropped)
    for b in range(B):
        number, sample = key[3] + (first + b) // key[4], (first + b) % key[4]
        limbs = (key[0], key[1], key[2], float(number & 0xFFFFFF), float(number >> 24))
        row = slot(out, b * n, n)
        for block in range(blocks):
            four = words(float(layer), limbs, DROPOUT + sample * blocks + block)
            for i in range(4 * block, min(4 * block + 4, n)):
                word = four[i - 4 * block]
                row[i] = kept if uniform(word) >= dropped else 0.0
