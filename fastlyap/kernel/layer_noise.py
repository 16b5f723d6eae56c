"""Noise behind the layers of a network: y = x + s b, drawn from counters, and the way back through it.

The normals b of one sample, layer after layer, are one sequence, which comes 32 at a time: the first words of eight
counters, then the second words, and so on. Word w of counter (sample, q) is that of
`numpy.random.Philox(key=[seed, member], counter=[sample, q, STREAM, 0])`, so that a sample of a member draws the same
numbers whatever it runs beside. On the way back a share 1 - beta of a covector stays on the path, and the share beta
is handed to the noise: mu = (1 - beta) w + beta gain b / s. Source: Ni, Adjoint path-kernel (2025), the discrete form.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot
from fastlyap.kernel.normal import normal
from fastlyap.kernel.random import uniform, words

COUNTERS = 8  # that give numbers side by side
AT_ONCE = 4 * COUNTERS  # numbers; sequences are as long as a multiple of it


@kernel
def draw(lanes, width, B, size, key, first, out):
    """`size` normals, a multiple of `AT_ONCE`, for each of the rows first ... first + B - 1 of members.

    key : three limbs of the seed, the number of the member that row 0 belongs to, and the rows of a member
    """
    for b in range(B):
        number, sample = key[3] + (first + b) // key[4], (first + b) % key[4]
        low, high = float(number & 0xFFFFFF), float(number >> 24)
        for k in range(size // AT_ONCE):
            some = slot(out, b * size + k * AT_ONCE, AT_ONCE)
            for i in range(COUNTERS):
                some[i] = COUNTERS * k + i
            packed = lanes(some)
            for j in range(COUNTERS // width - 1, -1, -1):  # the numbers of counters are read before they are lost
                q = packed[j]
                limbs = (like(q, key[0]), like(q, key[1]), like(q, key[2]), like(q, low), like(q, high))
                found = words(q, limbs, sample)
                step = COUNTERS // width
                packed[j], packed[step + j], packed[2 * step + j], packed[3 * step + j] = found
            for i in range(AT_ONCE // width):
                packed[i] = normal(uniform(packed[i]))


@kernel
def _mixed(lanes, width, n, keep, row, share, some, target):
    """target = keep row + share some, n numbers; `target` may be `row`.

    The last piece of `width` numbers overlaps the one before, and is read before anything is written.
    """
    if n < width:
        for i in range(n):
            target[i] = keep * row[i] + share * some[i]
    else:
        before, given = lanes(slot(row, n - width, width)), lanes(slot(some, n - width, width))
        last = before[0] * keep + given[0] * share
        x, b, z = lanes(row), lanes(some), lanes(target)
        for i in range(n // width):
            z[i] = x[i] * keep + b[i] * share
        end = lanes(slot(target, n - width, width))
        end[0] = last


@kernel
def add(lanes, width, B, n, scale, noise, size, at, x, z):
    """z = x + scale b, b the n numbers from `at` on in each row of `size` normals."""
    for b in range(B):
        row, target, some = slot(x, b * n, n), slot(z, b * n, n), slot(noise, b * size + at, n)
        _mixed(lanes, width, n, 1.0, row, scale, some, target)


@kernel
def size_adjoint(B, n, noise, size, at, w):
    """b . w, the derivative with respect to the scale."""
    total = 0.0
    for b in range(B):
        row, some = slot(w, b * n, n), slot(noise, b * size + at, n)
        for i in range(n):
            total = total + row[i] * some[i]
    return total


@kernel
def mix(lanes, width, B, n, scale, keep, gain, each, noise, size, at, w, out):
    """out = keep w + (1 - keep) gain b / scale, each member of `each` rows with a gain of its own."""
    for b in range(B):
        handed = (1.0 - keep) * gain[b // each]
        share = handed / scale if handed != 0.0 else 0.0  # nothing is handed to noise of size 0
        row, target, some = slot(w, b * n, n), slot(out, b * n, n), slot(noise, b * size + at, n)
        if keep == 0.0:  # nobody has written to w
            _mixed(lanes, width, n, 0.0, some, share, some, target)
        else:
            _mixed(lanes, width, n, keep, row, share, some, target)
