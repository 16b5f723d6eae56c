"""Losses and their derivatives with respect to the outputs, fused, the mean over samples.

Cross-entropy of softmax at temperature T: -log p_t with p = softmax(y / T), derivative (p - e_t) / T; from shifted
exponents, so that nothing overflows and no logarithm of a rounded probability is taken. Squared error:
|y - t|^2 / 2, derivative y - t.
"""

import math

from fastlyap.kernel import elementary as f
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import slot


@kernel
def cross_entropy(lanes, width, B, m, temperature, y, labels, cotangent):
    """Mean over B rows of m outputs; their derivatives into `cotangent`."""
    total = 0.0
    for b in range(B):
        row, shifted = slot(y, b * m, m), slot(cotangent, b * m, m)
        top = row[0]
        for i in range(m):
            top = row[i] if row[i] > top or row[i] != row[i] else top
        for i in range(m):
            shifted[i] = (row[i] - top) / temperature
        total = total - shifted[labels[b]]
    packed = lanes(cotangent)
    for i in range(B * m // width):
        packed[i] = f.exp(packed[i])
    for i in range(B * m // width * width, B * m):
        cotangent[i] = f.exp(cotangent[i])
    scale = 1.0 / (temperature * B)
    for b in range(B):
        row = slot(cotangent, b * m, m)
        size = 0.0
        for i in range(m):
            size = size + row[i]
        total = total + math.log(size)
        for i in range(m):
            row[i] = scale * (row[i] / size)
        row[labels[b]] = row[labels[b]] - scale
    return total / B


@kernel
def squared_error(B, m, y, targets, cotangent):
    """Mean over B rows of half the sum over m outputs; their derivatives into `cotangent`."""
    total = 0.0
    for i in range(B * m):
        d = y[i] - targets[i]
        total = total + d * d
        cotangent[i] = d / B
    return 0.5 * total / B
