"""Batch and layer normalisation: y = g x^ + b with x^ = (x - m) s, s = 1 / sqrt(v + eps), v the biased variance.

The tangent is g N dx and the adjoint N (g w) with the symmetric N a = s (a - mean a - x^ mean(x^ a)), the means those
of the normalisation: over all samples of a channel (train mode, which couples the samples), or over the features of a
sample. With given means and variances (eval mode) N a = s a. A channel has one g, so tangent and adjoint of batch norm
are the same map. Sources: Ioffe & Szegedy, Batch normalization (2015); Ba, Kiros & Hinton, Layer normalization (2016).
"""

import math

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import slot


@kernel
def batch_statistics(B, channels, inner, eps, x, saved):
    """Mean and s of every channel over samples and places into `saved`, in two passes."""
    count = B * inner
    n = channels * inner
    for c in range(2 * channels):
        saved[c] = 0.0
    for b in range(B):
        for c in range(channels):
            for i in range(inner):
                saved[c] = saved[c] + x[b * n + c * inner + i]
    for c in range(channels):
        saved[c] = saved[c] / count
    for b in range(B):
        for c in range(channels):
            for i in range(inner):
                d = x[b * n + c * inner + i] - saved[c]
                saved[channels + c] = saved[channels + c] + d * d
    for c in range(channels):
        saved[channels + c] = 1.0 / math.sqrt(saved[channels + c] / count + eps)


@kernel
def given_statistics(channels, eps, P, mean, variance, saved):
    """The same from running means and variances, at these places of `P`."""
    for c in range(channels):
        saved[c] = P[mean + c]
        saved[channels + c] = 1.0 / math.sqrt(P[variance + c] + eps)


@kernel
def batch_norm(B, channels, inner, P, gain, bias, x, saved, y):
    """y = g x^ + b."""
    n = channels * inner
    for b in range(B):
        for c in range(channels):
            scale = P[gain + c] * saved[channels + c]
            shift = P[bias + c] - scale * saved[c]
            for i in range(inner):
                o = b * n + c * inner + i
                y[o] = scale * x[o] + shift


@kernel
def batch_product(B, k, channels, inner, coupled, P, gain, x, saved, A, T, out):
    """The tangent and the adjoint product of the k rows of every sample; T is scratch of 2 channels."""
    n = channels * inner
    count = B * inner
    for j in range(k):
        for c in range(2 * channels):
            T[c] = 0.0
        if coupled:
            for b in range(B):
                for c in range(channels):
                    for i in range(inner):
                        a = A[(b * k + j) * n + c * inner + i]
                        T[c] = T[c] + a
                        T[channels + c] = T[channels + c] + a * (x[b * n + c * inner + i] - saved[c])
        for b in range(B):
            for c in range(channels):
                s, g = saved[channels + c], P[gain + c]
                mean, slope = T[c] / count, s * s * T[channels + c] / count
                for i in range(inner):
                    o = (b * k + j) * n + c * inner + i
                    d = x[b * n + c * inner + i] - saved[c]
                    out[o] = g * s * (A[o] - mean - d * slope)


@kernel
def batch_parameter_adjoint(B, channels, inner, x, saved, w, gain, bias, out):
    """Sums of w x^ and of w over samples and places."""
    n = channels * inner
    for c in range(channels):
        out[gain + c] = 0.0
        out[bias + c] = 0.0
    for b in range(B):
        for c in range(channels):
            for i in range(inner):
                o = b * n + c * inner + i
                out[gain + c] = out[gain + c] + w[o] * (x[o] - saved[c]) * saved[channels + c]
                out[bias + c] = out[bias + c] + w[o]


@kernel
def layer_norm(B, n, eps, P, gain, bias, x, saved, y):
    """y = g x^ + b; mean and s of every sample are left in `saved`."""
    for b in range(B):
        row, target = slot(x, b * n, n), slot(y, b * n, n)
        mean = 0.0
        for i in range(n):
            mean = mean + row[i]
        mean = mean / n
        total = 0.0
        for i in range(n):
            total = total + (row[i] - mean) * (row[i] - mean)
        s = 1.0 / math.sqrt(total / n + eps)
        for i in range(n):
            target[i] = P[gain + i] * ((row[i] - mean) * s) + P[bias + i]
        saved[2 * b] = mean
        saved[2 * b + 1] = s


@kernel
def layer_product(B, k, n, adjoint, P, gain, x, saved, A, out):
    """The tangent product of the k rows of every sample, or where `adjoint` the adjoint one."""
    for b in range(B):
        row = slot(x, b * n, n)
        m, s = saved[2 * b], saved[2 * b + 1]
        for j in range(k):
            a, target = slot(A, (b * k + j) * n, n), slot(out, (b * k + j) * n, n)
            mean, slope = 0.0, 0.0
            for i in range(n):
                c = a[i] * P[gain + i] if adjoint else a[i]
                mean = mean + c
                slope = slope + c * (row[i] - m)
            mean, slope = mean / n, s * s * slope / n
            for i in range(n):
                c = a[i] * P[gain + i] if adjoint else a[i]
                c = s * (c - mean - (row[i] - m) * slope)
                target[i] = c if adjoint else P[gain + i] * c


@kernel
def layer_parameter_adjoint(B, n, x, saved, w, gain, bias, out):
    """Sums of w x^ and of w over the samples."""
    for i in range(n):
        out[gain + i] = 0.0
        out[bias + i] = 0.0
    for b in range(B):
        row, covector = slot(x, b * n, n), slot(w, b * n, n)
        m, s = saved[2 * b], saved[2 * b + 1]
        for i in range(n):
            out[gain + i] = out[gain + i] + covector[i] * ((row[i] - m) * s)
            out[bias + i] = out[bias + i] + covector[i]
