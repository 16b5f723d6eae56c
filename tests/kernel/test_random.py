"""Random words are NumPy's bit for bit, on lanes, on one lane and interpreted; normals are those of scipy.special."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config
from scipy import stats
from scipy.special import ndtri

from fastlyap.kernel import normal, random
from fastlyap.kernel._compile import entry
from fastlyap.kernel.lanes import narrow_like, rows_of

WIDTHS = (1,) if config.DISABLE_JIT else (1, 2, 8)
SINGLE = (4, 16)  # lanes of float32
U64 = st.integers(0, 2**64 - 1)


def programs(width):
    """(words of keys K at steps T, normals of words) for so many members side by side."""
    rows = rows_of(width)

    @entry
    def draw(K, T, X, blocks):
        key, steps, out = rows(K), rows(T), rows(X)
        limbs = (key[0], key[1], key[2], key[3], key[4])
        for b in range(blocks):
            found = random.words(steps[0], limbs, b)
            for i in range(4):
                out[4 * b + i] = found[i]

    @entry
    def quantiles(U, X, m):
        u, out = rows(U), rows(X)
        for i in range(m):
            out[i] = normal.normal(u[i])

    @entry
    def middles(X, U, m):
        x, out = rows(X), rows(U)
        for i in range(m):
            out[i] = random.uniform(x[i])

    return draw, quantiles, middles


PROGRAMS = {width: programs(width) for width in WIDTHS}


def limbs(seed, members):
    """The rows of keys (5, width)."""
    mask = 2**24 - 1
    return np.array([[seed & mask, seed >> 24 & mask, seed >> 48, e & mask, e >> 24] for e in members], dtype=float).T


def numpys(seed, member, step, count):
    """The words that the documentation promises."""
    key, counter = np.array([seed, member], dtype=np.uint64), np.array([0, step, 1, 0], dtype=np.uint64)
    return np.random.Philox(key=key, counter=counter).random_raw(count)


@pytest.mark.parametrize("width", WIDTHS)
@given(seed=U64, member=st.integers(0, 2**48 - 9), step=st.integers(0, 2**52 - 9), blocks=st.integers(1, 3))
def test_words_are_numpys(width, seed, member, step, blocks):
    members = [member + e for e in range(width)]
    steps = step + np.arange(width, dtype=float)
    X = np.zeros((4 * blocks, width))
    PROGRAMS[width][0](np.ascontiguousarray(limbs(seed, members)), steps[None], X, blocks)
    for e in range(width):
        wanted = numpys(seed, members[e], step + e, 4 * blocks)
        np.testing.assert_array_equal(X[:, e].copy().view(np.uint64), wanted)


@pytest.mark.compiled
@pytest.mark.parametrize("width", SINGLE)
def test_float32_rows_hold_the_same_keys(width):
    """The limbs of a key and 2**24 steps are exact in float32."""
    rows = rows_of(width)

    @entry
    def draw(K, T, X):
        key, steps, out = rows(K), rows(T), rows(X)
        found = random.words(steps[0], (key[0], key[1], key[2], key[3], key[4]), 0)
        for i in range(4):
            out[i] = narrow_like(normal.normal(random.uniform(found[i])), steps[0])

    seed, first = 0xFEDCBA9876543210, 2**40
    members = list(range(first, first + width))
    X = np.zeros((4, width), dtype=np.float32)
    draw(np.ascontiguousarray(limbs(seed, members), dtype=np.float32), np.full((1, width), 2.0**24, np.float32), X)
    for e in range(width):
        u = ((numpys(seed, members[e], 2**24, 4) >> np.uint64(12)) + 0.5) * 2.0**-52
        np.testing.assert_allclose(X[:, e], ndtri(u), rtol=1.2e-7)


@pytest.mark.parametrize("width", WIDTHS)
def test_uniform_numbers_are_the_middles_of_equal_parts(width):
    words = np.array([0, 1 << 12, (1 << 64) - 1, 1 << 63, 0xFFF0000000000000, 0x7FF8000000000001] * 4, dtype=np.uint64)
    U = np.zeros((len(words) // width, width))
    PROGRAMS[width][2](words.view(np.float64).reshape(-1, width).copy(), U, len(U))
    np.testing.assert_array_equal(U.ravel(), ((words >> np.uint64(12)).astype(float) + 0.5) * 2.0**-52)
    assert 0 < U.min() and U.max() < 1


def probabilities():
    """Middles of parts all over (0, 1): even ones, both tails, the smallest, and around 1/2."""
    rng = np.random.default_rng(0)
    whole = [
        rng.integers(0, 2**52, 400),
        (2.0 ** rng.uniform(0, 51, 400)).astype(np.int64),
        2**52 - 1 - (2.0 ** rng.uniform(0, 51, 400)).astype(np.int64),
        2**51 + (2.0 ** rng.uniform(0, 50, 200)).astype(np.int64),
        np.arange(8),
        2**51 + np.arange(-8, 8),
    ]
    return (np.concatenate(whole) + 0.5) * 2.0**-52


@pytest.mark.parametrize("width", WIDTHS)
def test_normals_are_the_quantiles(width):
    u = probabilities()
    X = np.zeros((len(u) // width, width))
    PROGRAMS[width][1](u.reshape(-1, width), X, len(X))
    wanted = ndtri(u)
    assert np.abs(wanted).max() > 8.1
    assert np.max(np.abs(X.ravel() - wanted) / np.spacing(np.abs(wanted))) <= normal.ULPS
    np.testing.assert_array_equal(np.sign(X.ravel()), np.sign(u - 0.5))


@pytest.mark.compiled
def test_normals_are_normal():
    """Moments and the whole distribution of 2**16 draws of 8 members over steps, at a level of 1e-4 each."""
    width, steps = 8, 2**11
    draw, quantiles, middles = PROGRAMS[width]
    K, words = np.ascontiguousarray(limbs(2024, range(width))), np.zeros((steps, 4, width))
    for step in range(steps):
        draw(K, np.full((1, width), float(step)), words[step], 1)
    u, x = np.zeros((4 * steps, width)), np.zeros((4 * steps, width))
    middles(words.reshape(-1, width), u, len(u))
    quantiles(u, x, len(x))
    count = x.size
    for power, mean in ((1, 0.0), (2, 1.0), (3, 0.0), (4, 3.0)):
        spread = np.sqrt({1: 1.0, 2: 2.0, 3: 15.0, 4: 96.0}[power] / count)
        assert abs(np.mean(x**power) - mean) < 3.9 * spread
    assert stats.kstest(x.ravel(), "norm").pvalue > 1e-4
    members = np.corrcoef(x.T) - np.eye(width)
    neighbours = np.mean(x[1:] * x[:-1])
    assert np.abs(members).max() < 4.8 / np.sqrt(len(x)) and abs(neighbours) < 3.9 / np.sqrt(count)
