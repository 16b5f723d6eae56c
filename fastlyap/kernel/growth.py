"""The one loop: advance the state and its frame, reorthonormalise, accumulate the growth, note who fails.

All state is in the arguments, so a run may be cut anywhere and goes on bit for bit. Growth is kept as
mantissa * 2**exponent and folded, by one logarithm to base 2, into at most N_CELLS cells of equal length per
exponent; when all are full, neighbours are merged and the cells are twice as long. Mantissas are multiplied in the
working type, so that a float32 program does nothing in float64 but add.
"""

import math

from fastlyap import status
from fastlyap.kernel import elementary, layout
from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import (
    any_lane,
    both,
    is_finite,
    like,
    maximum,
    minimum,
    narrow_like,
    negate,
    select,
    slot,
    smallest,
    split,
    wide,
)


@kernel
def accumulate(A, at_mantissa, at_exponent, factor, alive):
    """Multiply the number kept at (mantissa, exponent) by `factor` >= 0 where `alive`."""
    product = narrow_like(A[at_mantissa], factor) * factor
    lost = product < smallest(product)  # its bits no longer tell its size
    normal = both(negate(lost), is_finite(product))
    mantissa, exponent = split(select(normal, product, like(product, 1.0)))
    exponent = select(normal, exponent, select(lost, like(product, -math.inf), like(product, math.nan)))
    A[at_mantissa] = select(alive, wide(mantissa), A[at_mantissa])
    A[at_exponent] = select(alive, A[at_exponent] + wide(exponent), A[at_exponent])


@kernel
def _examine(model, S, A, R, k, step, radius):
    """Give a status to members that left the ball or hold a NaN; return who is still alive."""
    n = model.n
    alive = A[layout.STATUS] == 0.0
    inside = abs(S[0]) <= like(S[0], radius)
    valid = S[0] == S[0]
    for i in range(1, n):
        inside = both(inside, abs(S[i]) <= like(S[0], radius))
        valid = both(valid, S[i] == S[i])
    sound = valid
    for j in range(k):
        sound = both(sound, is_finite(R[j]))
    code = select(valid, like(A[0], status.ESCAPED), like(A[0], status.NOT_FINITE))
    code = select(inside, like(A[0], status.NOT_FINITE), code)
    good = both(inside, sound)
    fresh = both(alive, negate(good))
    A[layout.STATUS] = select(fresh, code, A[layout.STATUS])
    unnamed = both(A[layout.STATUS] > 0.0, A[layout.FAILED_STEP] < 0.0)
    A[layout.FAILED_STEP] = select(unnamed, like(A[0], step), A[layout.FAILED_STEP])
    return both(alive, good)


@kernel
def settle(model, S, A, W, k, full, step, radius, eps):
    """Reorthonormalise the frame and add its growth to the accumulators of the members still alive."""
    R = slot(W, 0, k)
    n = model.n
    Z = slot(W, k, max(n * n, layout.PANEL * (layout.PANEL + layout.BLOCK) + layout.BLOCK * n))
    size = like(S[0], 1.0)
    exponent = size - size
    if full:
        size, exponent = model.volume(n, S, Z)
    model.reorthonormalise(model, S, k, R, Z, eps)
    alive = _examine(model, S, A, R, k, step, radius)
    if full:
        accumulate(A, layout.VOLUME_MANTISSA, layout.VOLUME_EXPONENT, size, alive)
        total = A[layout.VOLUME_EXPONENT] + wide(exponent)
        A[layout.VOLUME_EXPONENT] = select(alive, total, A[layout.VOLUME_EXPONENT])
    top = like(S[0], 0.0)
    bottom = like(S[0], 1e30)
    for j in range(k):
        r = R[j]
        accumulate(A, layout.GROWTH + j, layout.GROWTH + k + j, r, alive)
        top = maximum(top, r)
        bottom = minimum(bottom, select(r > like(r, 0.0), r, bottom))
    ratio = wide(top / bottom)
    A[layout.CONDITIONING] = select(alive, maximum(A[layout.CONDITIONING], ratio), A[layout.CONDITIONING])


@kernel
def fold(S, A, k, cell):
    """Close a cell: one logarithm for each exponent."""
    first = layout.GROWTH + 2 * k
    for j in range(k):
        mantissa = narrow_like(A[layout.GROWTH + j], S[0])
        digits = like(mantissa, layout.PER_NAT) * elementary.log(mantissa)
        A[first + cell * k + j] = wide(digits) + A[layout.GROWTH + k + j]
        A[layout.GROWTH + j] = like(A[0], 1.0)
        A[layout.GROWTH + k + j] = like(A[0], 0.0)


@kernel
def merge(A, k):
    """Merge neighbouring cells: N_CELLS become half as many."""
    first = layout.GROWTH + 2 * k
    for c in range(layout.N_CELLS // 2):
        for j in range(k):
            A[first + c * k + j] = A[first + 2 * c * k + j] + A[first + (2 * c + 1) * k + j]


@kernel
def cell_length(step, every):
    """The length of a cell, in steps, when `step` steps have been taken."""
    length = every
    while step >= layout.N_CELLS * length:
        length *= 2
    return length


@kernel
def close_cell(S, A, k, step, length):
    """Fold the cell that ends at `step`; return the length of the next cell."""
    fold(S, A, k, step // length - 1)
    if step == layout.N_CELLS * length:
        merge(A, k)
        length *= 2
    return length


@kernel
def everyone_lost(A):
    """Whether no member of the block is alive."""
    return not any_lane(A[layout.STATUS] == 0.0)


@kernel
def grow(model, advance, S, A, P, W, k, full, t0, dt, step, n_steps, every, counts, close, radius, rtol, atol, eps):
    """Advance a block of members by `n_steps` steps from step number `step`.

    Reorthonormalisations fall on the multiples of `every`; `full` (k == n) also accumulates the volume and the
    divergence. When it `counts`, cells of base length `every` are folded and merged as the step number tells
    (a run-up has no rows for cells). `close` ends with one more reorthonormalisation, of an interval that may be
    shorter.
    """
    end = step + n_steps
    length = cell_length(step, every)
    stop = step - step % every + every
    edge = step - step % length + length  # no divisions in the loop: they cost as much as a step of a map
    while step < end or close:
        while step < min(end, stop):
            advance(model, t0 + step * dt, dt, S, A, P, W, k, full, rtol, atol)
            step += 1
        if step == stop or close:
            settle(model, S, A, W, k, full, step, radius, eps)
            if counts and step == edge and not close:
                length = close_cell(S, A, k, step, length)
                edge = step + length
            if close or everyone_lost(A):
                break
            stop += every


@kernel
def follow(model, advance, S, A, P, W, full, t0, dt, step, n_steps, radius, rtol, atol, X, stride):
    """Advance without a frame, writing the state to the rows `X` after every `stride` steps.

    `full` also accumulates the divergence.
    """
    n = model.n
    for s in range(n_steps):
        advance(model, t0 + step * dt, dt, S, A, P, W, 0, full, rtol, atol)
        step += 1
        if (s + 1) % stride == 0:
            _examine(model, S, A, W, 0, step, radius)
            row = (s // stride) * n
            for i in range(n):
                X[row + i] = S[i]
