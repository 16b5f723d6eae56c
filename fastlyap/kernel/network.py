"""Networks as tables: one row for each operation, read by the same compiled code whatever the architecture.

A *tape* `W` holds the outputs of all operations for B samples of one member, each in a slot of its own; slot -1 is the
input. An operation leaves z, and where an activation follows, phi(z) in a second slot; on a linearised tape the slopes
phi'(z) have taken the place of z. Tangents and covectors, k of each sample, move through slots of the same layout, k
times as large. A slot that several operations read collects their covectors: the first of them in reverse order writes.
"""

from fastlyap.kernel import activation, convolution, layer_noise, layers, normalisation
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.convolution import Geometry
from fastlyap.kernel.lanes import slot

COPY, DENSE, CONVOLUTION, BATCH_NORM, LAYER_NORM, DROPOUT, ADD, NOISE = range(8)

# columns of the table; sizes are those of one sample, places those of slots in the tape
KIND, LAYER, IN, Z, OUT, N, M, CODE = range(8)
WEIGHT, BIAS, MEAN, VARIANCE = range(8, 12)  # numbers of parameters; -1 where there is none
SAVED = 12  # place of the numbers that an operation keeps for its derivative
FIRST = 13  # whether this operation is the first in reverse order to write to its input's covector
OTHER, OTHER_FIRST = 14, 15  # the second input of a sum
COUPLED = 16  # whether batch norm takes the statistics of the batch
GEOMETRY = 17  # 14 numbers of a convolution; channels and places of batch norm; of noise the three below
LENGTH, OFFSET, LAST = GEOMETRY, GEOMETRY + 1, GEOMETRY + 2  # of a sample's sequence, of these numbers; the last noise?
UNUSED = GEOMETRY + 14  # what nobody asks for, in bits: covectors of the input, adjoints of parameters, of the output
CO_IN, CO_Z, CO_OUT, CO_OTHER = range(UNUSED + 1, UNUSED + 5)  # places of covectors
COLUMNS = UNUSED + 5

# columns of the table of floats: factors of a sum, eps, probability of dropping, share of a covector that noise leaves
FACTOR, OTHER_FACTOR = 0, 1


@kernel
def copy(count, source, o, target, p):
    """target[p:] = source[o:], `count` numbers."""
    a, b = slot(source, o, count), slot(target, p, count)
    for i in range(count):
        b[i] = a[i]


@kernel
def descend(count, rate, P, G, g, Q, o):
    """Q = P - rate G of `count` parameters at o, their adjoints at g."""
    before, after, adjoint = slot(P, o, count), slot(Q, o, count), slot(G, g, count)
    for i in range(count):
        after[i] = before[i] - rate * adjoint[i]


@kernel
def _geometry(row):
    g = GEOMETRY
    return Geometry(
        row[g], row[g + 1], row[g + 2], row[g + 3], row[g + 4], row[g + 5], row[g + 6],
        row[g + 7], row[g + 8], row[g + 9], row[g + 10], row[g + 11], row[g + 12], row[g + 13],
    )  # fmt: skip


@kernel
def _saved(row, W, first, B):
    """What is kept of B samples: mean and inverse standard deviation of every channel or sample, a mask, or noise."""
    if row[KIND] == BATCH_NORM:
        return slot(W, row[SAVED], 2 * row[GEOMETRY])
    if row[KIND] == LAYER_NORM:
        return slot(W, row[SAVED] + 2 * first, 2 * B)
    if row[KIND] == NOISE:
        return slot(W, row[SAVED] + first * row[LENGTH], B * row[LENGTH])
    return slot(W, row[SAVED] + first * row[N], B * row[N])


@kernel
def _normalise(row, eps, P, at, B, x, saved, z):
    if row[KIND] == LAYER_NORM:
        normalisation.layer_norm(B, row[N], eps, P, at[row[WEIGHT]], at[row[BIAS]], x, saved, z)
    else:
        channels, inner = row[GEOMETRY], row[GEOMETRY + 1]
        if row[COUPLED]:
            normalisation.batch_statistics(B, channels, inner, eps, x, saved)
        else:
            mean, variance = at[row[MEAN]], at[row[VARIANCE]]
            normalisation.given_statistics(channels, eps, P, mean, variance, saved)
        normalisation.batch_norm(B, channels, inner, P, at[row[WEIGHT]], at[row[BIAS]], x, saved, z)


@kernel
def forward(lanes, width, T, F, P, at, key, X, W, S, B, first, linear):
    """Fill the tape of samples first ... first + B - 1 of one member; `at` are the places of its parameters in P.

    Where `linear`, pre-activations become slopes once they have been used, as tangents and covectors need them.
    """
    for r in range(T.shape[0]):
        row = T[r]
        kind, n, m = row[KIND], row[N], row[M]
        x = X if row[IN] < 0 else slot(W, row[IN], B * n)
        z = slot(W, row[Z], B * m)
        if kind == DENSE:
            bias = at[row[BIAS]] if row[BIAS] >= 0 else -1
            layers.dense(lanes, width, B, n, m, P, at[row[WEIGHT]], bias, x, z)
        elif kind == CONVOLUTION:
            bias = at[row[BIAS]] if row[BIAS] >= 0 else -1
            convolution.convolve(_geometry(row), B, P, at[row[WEIGHT]], bias, x, S, z)
        elif kind == BATCH_NORM or kind == LAYER_NORM:
            _normalise(row, F[r, FACTOR], P, at, B, x, _saved(row, W, 0, B), z)
        elif kind == DROPOUT:
            mask = _saved(row, W, 0, B)
            layers.draw_mask(B, n, first, row[LAYER], key, F[r, FACTOR], mask)
            layers.spread(B, 1, n, mask, x, z)
        elif kind == ADD:
            other = X if row[OTHER] < 0 else slot(W, row[OTHER], B * n)
            layers.combine(B * n, F[r, FACTOR], x, F[r, OTHER_FACTOR], other, z)
        elif kind == NOISE:
            noise = _saved(row, W, 0, B)
            if row[OFFSET] == 0:
                layer_noise.draw(lanes, width, B, row[LENGTH], key, first, noise)
            layer_noise.add(lanes, width, B, n, P[at[row[WEIGHT]]], noise, row[LENGTH], row[OFFSET], x, z)
        else:
            layers.pass_on(B * n, 1.0, x, True, z)
        if row[OUT] != row[Z]:
            y = slot(W, row[OUT], B * m)
            if linear:
                activation.pairs(lanes, width, row[CODE], B * m, z, y, z)
            else:
                activation.values(lanes, width, row[CODE], B * m, z, y)


@kernel
def _symmetric(row, P, at, x, W, B, k, adjoint, a, T, out):
    """Products whose tangent and adjoint are one function: of normalisation and masks."""
    kind, n = row[KIND], row[N]
    saved = _saved(row, W, 0, B)
    if kind == LAYER_NORM:
        normalisation.layer_product(B, k, n, adjoint, P, at[row[WEIGHT]], x, saved, a, out)
    elif kind == BATCH_NORM:
        channels, inner = row[GEOMETRY], row[GEOMETRY + 1]
        gain = at[row[WEIGHT]]
        normalisation.batch_product(B, k, channels, inner, row[COUPLED], P, gain, x, saved, a, T, out)
    else:
        layers.spread(B, k, n, saved, a, out)


@kernel
def tangent(T, F, P, at, X, W, U, V, S, B, k):
    """Move the k tangents U of every sample through all operations, into the slots V; the tape W is linearised."""
    for r in range(T.shape[0]):
        row = T[r]
        kind, n, m = row[KIND], row[N], row[M]
        x = X if row[IN] < 0 else slot(W, row[IN], B * n)
        a = U if row[IN] < 0 else slot(V, row[IN] * k, B * k * n)
        z = slot(V, row[Z] * k, B * k * m)
        if kind == DENSE:
            weight = layers.matrix(P, at[row[WEIGHT]], n, m)
            layers.times(layers.matrix(a, 0, B * k, n), weight, layers.matrix(z, 0, B * k, m))
        elif kind == CONVOLUTION:
            convolution.convolve(_geometry(row), B * k, P, at[row[WEIGHT]], -1, a, S, z)
        elif kind == ADD:
            other = U if row[OTHER] < 0 else slot(V, row[OTHER] * k, B * k * n)
            layers.combine(B * k * n, F[r, FACTOR], a, F[r, OTHER_FACTOR], other, z)
        elif kind == COPY or kind == NOISE:
            layers.pass_on(B * k * n, 1.0, a, True, z)
        else:
            _symmetric(row, P, at, x, W, B, k, False, a, S, z)
        if row[OUT] != row[Z]:
            layers.spread(B, k, m, slot(W, row[Z], B * m), z, slot(V, row[OUT] * k, B * k * m))


@kernel
def _parameter_adjoint(lanes, width, row, x, W, S, first, B, w, at, G):
    """Write the adjoints of the parameters of one operation, of the B samples from `first` on, to their places in G.

    All noise has one scale: the last one writes, the others add.
    """
    kind, n, m = row[KIND], row[N], row[M]
    if row[WEIGHT] >= 0:
        weight = at[row[WEIGHT]]
        bias = at[row[BIAS]] if row[BIAS] >= 0 else -1
        saved = _saved(row, W, first, B)
        if kind == DENSE:
            layers.dense_parameter_adjoint(lanes, width, B, n, m, x, w, weight, bias, G)
        elif kind == CONVOLUTION:
            convolution.parameter_adjoint(_geometry(row), B, x, w, S, weight, bias, G)
        elif kind == LAYER_NORM:
            normalisation.layer_parameter_adjoint(B, n, x, saved, w, weight, bias, G)
        elif kind == NOISE:
            before = 0.0 if row[LAST] else G[weight]
            G[weight] = before + layer_noise.size_adjoint(B, n, saved, row[LENGTH], row[OFFSET], w)
        else:
            channels, inner = row[GEOMETRY], row[GEOMETRY + 1]
            normalisation.batch_parameter_adjoint(B, channels, inner, x, saved, w, weight, bias, G)


@kernel
def _adjoint(lanes, width, row, keep, P, at, x, W, S, B, k, w, gain, each, out):
    """Pull the covectors w back through one operation with one input; noise may keep its share of them."""
    kind, n, m = row[KIND], row[N], row[M]
    if kind == DENSE:
        layers.dense_adjoint(lanes, width, B * k, n, m, P, at[row[WEIGHT]], w, S, out)
    elif kind == CONVOLUTION:
        convolution.convolve_back(_geometry(row), B * k, P, at[row[WEIGHT]], w, S, out)
    elif kind == NOISE and keep < 1.0:
        saved = _saved(row, W, 0, B)
        scale = P[at[row[WEIGHT]]]
        layer_noise.mix(
            lanes, width, B, n, scale, keep, gain, each, saved, row[LENGTH], row[OFFSET], w, out
        )
    elif kind == COPY or kind == NOISE:
        layers.pass_on(B * k * n, 1.0, w, True, out)
    else:
        _symmetric(row, P, at, x, W, B, k, True, w, S, out)


@kernel
def reverse(lanes, width, T, F, P, at, X, W, C, S, aux, B, k, gradients, D, G, wanted, GX, gain, each):
    """Pull the k covectors of every sample, in the last operation's slot of C, back through all operations.

    Where `gradients`, k is 1 and the adjoints of the parameters go to their places in G: the samples are as many parts
    of equal size as D has rows, and each part has its own. Where `wanted`, the adjoint of the input goes to GX. `gain`
    is what members of `each` samples hand to the noise (k is 1 then). The tape W is linearised; the scratch S has `aux`
    numbers for single operations in front.
    """
    for r in range(T.shape[0] - 1, -1, -1):
        row = T[r]
        n, m = row[N], row[M]
        x = X if row[IN] < 0 else slot(W, row[IN], B * n)
        w = slot(C, row[CO_Z] * k, B * k * m)
        if row[OUT] != row[Z] and not row[UNUSED] & 4:
            layers.spread(B, k, m, slot(W, row[Z], B * m), slot(C, row[CO_OUT] * k, B * k * m), w)
        if gradients and not row[UNUSED] & 2:
            part = B // D.shape[0]
            for q in range(D.shape[0]):
                xs, ws = slot(x, q * part * n, part * n), slot(w, q * part * m, part * m)
                _parameter_adjoint(lanes, width, row, xs, W, S, q * part, part, ws, D[q], G)
        if (row[IN] >= 0 or wanted) and not row[UNUSED] & 1:
            out = GX if row[IN] < 0 else slot(C, row[CO_IN] * k, B * k * n)
            if row[KIND] == ADD:
                layers.pass_on(B * k * n, F[r, FACTOR], w, row[FIRST], out)
            else:
                found = out if row[FIRST] else slot(S, aux, B * k * n)
                _adjoint(lanes, width, row, F[r, FACTOR], P, at, x, W, S, B, k, w, gain, each, found)
                if not row[FIRST]:
                    layers.pass_on(B * k * n, 1.0, found, False, out)
        if row[KIND] == ADD and (row[OTHER] >= 0 or wanted):
            out = GX if row[OTHER] < 0 else slot(C, row[CO_OTHER] * k, B * k * n)
            layers.pass_on(B * k * n, F[r, OTHER_FACTOR], w, row[OTHER_FIRST], out)
