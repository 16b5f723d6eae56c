"""Convolution layers (cross-correlation, as everywhere in this field) as products with columns of patches.

x (B, Ci, H, W), K (Co, Ci, kh, kw): y = K C(x) + b, where C lays the patch under each place of the output into a column
of a matrix (Ci kh kw, Ho Wo), zeros outside the picture. In one dimension H = kh = 1. Source: Chellapilla, Puri &
Simard, High performance convolutional neural networks for document processing (2006).
"""

from typing import NamedTuple

import numpy as np

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import slot
from fastlyap.kernel.layers import matrix


class Geometry(NamedTuple):
    """Sizes of a convolution: input, kernel, stride, zero padding, output, distance of what a kernel meets."""

    inputs: int  # channels
    height: int
    width: int
    outputs: int
    kernel_height: int
    kernel_width: int
    stride_down: int
    stride_across: int
    pad_down: int
    pad_across: int
    rows: int
    columns: int
    dilation_down: int
    dilation_across: int


@kernel
def to_columns(q, x, C):
    """The patches of one picture as columns."""
    places = q.rows * q.columns
    for c in range(q.inputs):
        for i in range(q.kernel_height):
            for j in range(q.kernel_width):
                target = ((c * q.kernel_height + i) * q.kernel_width + j) * places
                for r in range(q.rows):
                    down = r * q.stride_down + i * q.dilation_down - q.pad_down
                    inside = 0 <= down < q.height
                    for s in range(q.columns):
                        across = s * q.stride_across + j * q.dilation_across - q.pad_across
                        o = (c * q.height + down) * q.width + across
                        here = inside and 0 <= across < q.width
                        C[target + r * q.columns + s] = x[o] if here else 0.0


@kernel
def from_columns(q, C, x):
    """x + the transpose of `to_columns`."""
    places = q.rows * q.columns
    for c in range(q.inputs):
        for i in range(q.kernel_height):
            for j in range(q.kernel_width):
                source = ((c * q.kernel_height + i) * q.kernel_width + j) * places
                for r in range(q.rows):
                    down = r * q.stride_down + i * q.dilation_down - q.pad_down
                    if 0 <= down < q.height:
                        for s in range(q.columns):
                            across = s * q.stride_across + j * q.dilation_across - q.pad_across
                            if 0 <= across < q.width:
                                o = (c * q.height + down) * q.width + across
                                x[o] = x[o] + C[source + r * q.columns + s]


@kernel
def convolve(q, count, P, weight, bias, x, C, y):
    """y = K C(x) + b of `count` pictures; no b where `bias` < 0 (tangents)."""
    patch = q.inputs * q.kernel_height * q.kernel_width
    size, places = q.inputs * q.height * q.width, q.rows * q.columns
    K = matrix(P, weight, q.outputs, patch)
    for b in range(count):
        to_columns(q, slot(x, b * size, size), C)
        o = b * q.outputs * places
        np.dot(K, matrix(C, 0, patch, places), matrix(y, o, q.outputs, places))
        if bias >= 0:
            for c in range(q.outputs):
                row = slot(y, o + c * places, places)
                for i in range(places):
                    row[i] = row[i] + P[bias + c]


@kernel
def convolve_back(q, count, P, weight, w, C, out):
    """out = C'(K' w) of `count` covectors."""
    patch = q.inputs * q.kernel_height * q.kernel_width
    size, places = q.inputs * q.height * q.width, q.rows * q.columns
    K = matrix(P, weight, q.outputs, patch)
    for b in range(count):
        np.dot(K.T, matrix(w, b * q.outputs * places, q.outputs, places), matrix(C, 0, patch, places))
        target = slot(out, b * size, size)
        for i in range(size):
            target[i] = 0.0
        from_columns(q, C, target)


@kernel
def parameter_adjoint(q, B, x, w, C, weight, bias, out):
    """Sums over the samples of w C(x)' at `weight`, and of w over the places at `bias` (>= 0)."""
    patch = q.inputs * q.kernel_height * q.kernel_width
    size, places = q.inputs * q.height * q.width, q.rows * q.columns
    total, count = slot(out, weight, q.outputs * patch), q.outputs * patch
    part = slot(C, patch * places, count)
    for i in range(count):
        total[i] = 0.0
    for b in range(B):
        to_columns(q, slot(x, b * size, size), C)
        g = matrix(w, b * q.outputs * places, q.outputs, places)
        np.dot(g, matrix(C, 0, patch, places).T, matrix(part, 0, q.outputs, patch))
        for i in range(count):
            total[i] = total[i] + part[i]
    if bias >= 0:
        for c in range(q.outputs):
            out[bias + c] = 0.0
            for b in range(B):
                row = slot(w, (b * q.outputs + c) * places, places)
                for i in range(places):
                    out[bias + c] = out[bias + c] + row[i]
