"""Noise behind the layers of a network: y = x + s b, drawn from counters, and the way back through it.

The normals b of one sample, layer after layer, are one sequence, which comes 32 at a time: the first words of eight
counters, then the second words, and so on. The counters q = 8k ... 8k + 7 of two blocks, 2 sample and 2 sample + 1,
give the numbers from 64k on; word w of counter (block, q) is that of
`numpy.random.Philox(key=[seed, member], counter=[block, q, STREAM, 0])`, so that a sample of a member draws the same
numbers whatever it runs beside. On the way back a share 1 - beta of a covector stays on the path, and the share beta
is handed to the noise: mu = (1 - beta) w + beta gain b / s. Source: Ni, Adjoint path-kernel (2025), the discrete form.
"""

from fastlyap.kernel._compile import kernel
from fastlyap.kernel.lanes import like, slot
from fastlyap.kernel.normal import four_normals
from fastlyap.kernel.random import two_blocks, uniform, words

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
        row = slot(out, b * size, size)
        for k in range((size + 2 * AT_ONCE - 1) // (2 * AT_ONCE)):
            o = 2 * AT_ONCE * k
            some = slot(row, o, AT_ONCE)
            for i in range(COUNTERS):
                some[i] = COUNTERS * k + i
            packed = lanes(some)
            for j in range(COUNTERS // width - 1, -1, -1):  # the numbers of counters are read before they are lost
                q = packed[j]
                limbs = (like(q, key[0]), like(q, key[1]), like(q, key[2]), like(q, low), like(q, high))
                if o + AT_ONCE < size:
                    found = two_blocks(q, limbs, 2 * sample)
                    _store(width, found[:4], lanes(some), j)
                    _store(width, found[4:], lanes(slot(row, o + AT_ONCE, AT_ONCE)), j)
                else:
                    _store(width, words(q, limbs, 2 * sample), packed, j)
        packed = lanes(row)
        for i in range(0, size // width, 4):
            u, v, w, x = uniform(packed[i]), uniform(packed[i + 1]), uniform(packed[i + 2]), uniform(packed[i + 3])
            packed[i], packed[i + 1], packed[i + 2], packed[i + 3] = four_normals(u, v, w, x)


@kernel
def _store(width, found, packed, j):
    """Four words to their places among those of all counters."""
    step = COUNTERS // width
    packed[j], packed[step + j], packed[2 * step + j], packed[3 * step + j] = found[0], found[1], found[2], found[3]


@kernel
def add(lanes, width, B, n, scale, noise, size, at, x, z):
    """z = x + scale b, b the n numbers from `at` on in each row of `size` normals; z may be x.

    The last piece of `width` numbers overlaps the one before, and is read before anything is written.
    """
    for b in range(B):
        row, target, some = slot(x, b * n, n), slot(z, b * n, n), slot(noise, b * size + at, n)
        if n < width:
            for i in range(n):
                target[i] = row[i] + scale * some[i]
        else:
            last = lanes(slot(row, n - width, width))[0] + lanes(slot(some, n - width, width))[0] * scale
            y, b_row, z_row = lanes(row), lanes(some), lanes(target)
            for i in range(n // width):
                z_row[i] = y[i] + b_row[i] * scale
            end = lanes(slot(target, n - width, width))
            end[0] = last


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
    """out = keep w + (1 - keep) gain b / scale, each member of `each` rows with a gain of its own; out is not w."""
    for b in range(B):
        handed = (1.0 - keep) * gain[b // each]
        share = handed / scale if handed != 0.0 else 0.0  # nothing is handed to noise of size 0
        row, target, some = slot(w, b * n, n), slot(out, b * n, n), slot(noise, b * size + at, n)
        if n < width:
            for i in range(n):
                target[i] = (keep * row[i] if keep > 0.0 else 0.0) + share * some[i]
        else:
            for piece in range((n + width - 1) // width):
                o = min(piece * width, n - width)
                end, given = lanes(slot(target, o, width)), lanes(slot(some, o, width))[0] * share
                end[0] = given + lanes(slot(row, o, width))[0] * keep if keep > 0.0 else given
