"""Philox 4x64-10, a random generator without state: 4 words are a function of a counter and a key.

The words are those of `numpy.random.Philox(key=[seed, member], counter=[0, step, stream, 0]).random_raw()`, so that a
member draws the same ones wherever, whenever and beside whomever it runs. Source: Salmon et al., Parallel random
numbers: as easy as 1, 2, 3 (2011).
"""

import numpy as np
from llvmlite import ir
from numba import types
from numba.core.cgutils import get_or_insert_function
from numba.extending import intrinsic

from fastlyap.kernel.lane_types import VecType, splat
from fastlyap.kernel.masks import exactly

MULTIPLIERS = 0xD2E7470EE14C6C93, 0xCA5A826395121157
WEYL = 0x9E3779B97F4A7C15, 0xBB67AE8584CAA73B
ROUNDS = 10
MASK = (1 << 64) - 1
LIMB = 24  # bits of a key that one row holds: exact in float32 too
STREAM = 1  # what the words are for: noise
INTEGER = 2.0**52  # added to a whole float, it leaves the number in the low bits


def words(step, key, block):
    """Four words, as the bits of float64 numbers, of one block of a step.

    Parameters
    ----------
    step : lane value holding a whole number, the counter
    key : 5 lane values, `LIMB` bits each: three of the seed, two of the member's number, lowest first
    block : int; block b holds the words 4b .. 4b + 3 of the step
    """
    a, b, c, d, e = (int(limb) for limb in key)
    counter = [int(block) + 1, int(step), STREAM, 0]
    keys = [a | b << LIMB | c << 2 * LIMB, d | e << LIMB]
    for _ in range(ROUNDS):
        first, second = counter[0] * MULTIPLIERS[0], counter[2] * MULTIPLIERS[1]
        counter = [second >> 64 ^ counter[1] ^ keys[0], second & MASK, first >> 64 ^ counter[3] ^ keys[1], first & MASK]
        keys = [(k + w) & MASK for k, w in zip(keys, WEYL, strict=True)]
    return tuple(np.array(counter, dtype=np.uint64).view(np.float64))


def two_blocks(step, key, block):
    """Eight words, of a block and the next: side by side they take little more time than one."""
    return words(step, key, block) + words(step, key, block + 1)


def uniform(word):
    """A number in (0, 1) from the upper 52 bits of a word: the middle of one of 2**52 equal parts."""
    return (float(np.float64(word).view(np.uint64) >> np.uint64(12)) + 0.5) * 2.0**-52


def _number(kind, value):
    """A constant in all lanes."""
    return ir.Constant(kind, [value] * kind.count if isinstance(kind, ir.VectorType) else value)


def _like(kind, element):
    """The vector (or scalar) type of the same count with other elements."""
    return ir.VectorType(element, kind.count) if isinstance(kind, ir.VectorType) else element


def _whole(builder, value):
    """A whole float < 2**52 as a 64-bit integer, by its bits."""
    real = _like(value.type, ir.DoubleType())
    value = value if value.type == real else builder.fpext(value, real)
    kind = _like(real, ir.IntType(64))
    bits = builder.bitcast(builder.fadd(value, _number(real, INTEGER)), kind)
    return builder.and_(bits, _number(kind, (1 << 52) - 1))


def _product(builder, x, factor):
    """(upper, lower) 64 bits of x * factor."""
    kind = x.type
    low = builder.mul(x, _number(kind, factor))
    if isinstance(kind, ir.VectorType):
        return _upper_half(builder, x, factor), low
    if builder.module.triple.startswith("nvptx"):
        high = get_or_insert_function(builder.module, ir.FunctionType(kind, [kind, kind]), "llvm.nvvm.mulhi.ull")
        return builder.call(high, [x, _number(kind, factor)]), low
    long = ir.IntType(128)
    product = builder.mul(builder.zext(x, long), ir.Constant(long, factor))
    return builder.trunc(builder.lshr(product, ir.Constant(long, 64)), kind), low


def _upper_half(builder, x, factor):
    """The upper 64 bits of x * factor from products of 32 bits, which vector units have."""
    kind = x.type
    half, mask = _number(kind, 32), _number(kind, 0xFFFFFFFF)
    x_low, x_high = builder.and_(x, mask), builder.lshr(x, half)
    low, high = _number(kind, factor & 0xFFFFFFFF), _number(kind, factor >> 32)
    t = builder.add(builder.mul(x_high, low), builder.lshr(builder.mul(x_low, low), half))
    u = builder.add(builder.mul(x_low, high), builder.and_(t, mask))
    top = builder.add(builder.mul(x_high, high), builder.lshr(t, half))
    return builder.add(top, builder.lshr(u, half))


def _joined(builder, limbs):
    """Limbs of `LIMB` bits as one integer."""
    total = _whole(builder, limbs[0])
    for place, limb in enumerate(limbs[1:], 1):
        shifted = builder.shl(_whole(builder, limb), _number(total.type, LIMB * place))
        total = builder.or_(total, shifted)
    return total


def _rounds(builder, counters, keys):
    """All counters together: the steps of one wait for each other, those of several need not."""
    kind = keys[0].type
    for _ in range(ROUNDS):
        for i, counter in enumerate(counters):
            first, second = (_product(builder, counter[2 * j], MULTIPLIERS[j]) for j in (0, 1))
            left = builder.xor(builder.xor(second[0], counter[1]), keys[0])
            right = builder.xor(builder.xor(first[0], counter[3]), keys[1])
            counters[i] = [left, second[1], right, first[1]]
        keys = [builder.add(k, _number(kind, w)) for k, w in zip(keys, WEYL, strict=True)]
    return [word for counter in counters for word in counter]


def _drawing(blocks):
    """The implementation of the words of `blocks` neighbouring blocks."""

    def draw(context, step, key, block):
        lanes = VecType(types.float64, step.width) if isinstance(step, VecType) else types.float64

        def emit(context, builder, sig, args):
            limbs = [builder.extract_value(args[1], i) for i in range(5)]
            number = _whole(builder, args[0])
            kind = number.type
            counters = []
            for i in range(blocks):
                first = builder.add(args[2], ir.Constant(ir.IntType(64), 1 + i))
                if isinstance(kind, ir.VectorType):
                    first = splat(builder, first, kind.count)
                counters.append([first, number, _number(kind, STREAM), _number(kind, 0)])
            found = _rounds(builder, counters, [_joined(builder, limbs[:3]), _joined(builder, limbs[3:])])
            real = _like(kind, ir.DoubleType())
            return context.make_tuple(builder, sig.return_type, [builder.bitcast(w, real) for w in found])

        return types.UniTuple(lanes, 4 * blocks)(step, key, types.int64), emit

    return intrinsic(draw)


_words, _two_blocks = _drawing(1), _drawing(2)


@intrinsic
def _uniform(context, word):
    def emit(context, builder, sig, args):
        real = args[0].type
        kind = _like(real, ir.IntType(64))
        upper = builder.lshr(builder.bitcast(args[0], kind), _number(kind, 12))
        one_to_two = builder.bitcast(builder.or_(upper, _number(kind, 0x3FF << 52)), real)
        return builder.fsub(one_to_two, _number(real, 1.0 - 2.0**-53))

    return word(word), emit


@exactly(words)
def _ov_words(step, key, block):
    return lambda step, key, block: _words(step, key, block)


@exactly(two_blocks)
def _ov_two_blocks(step, key, block):
    return lambda step, key, block: _two_blocks(step, key, block)


@exactly(uniform)
def _ov_uniform(word):
    return lambda word: _uniform(word)
