"""Activations on runs of numbers: those of `fastlyap.networks.activations`, on every kind of lanes, in packed code."""

import re

import numpy as np
import pytest
from numba import config, njit

from fastlyap import hardware
from fastlyap.kernel import activation, elementary
from fastlyap.kernel._compile import options
from fastlyap.kernel.lanes import rows_of
from fastlyap.networks.activations import ACTIVATIONS, LEAK
from tests.tolerances import ULPS, eps

NAMES = sorted(ACTIVATIONS)
SIZES = sorted({1, hardware.lanes("float64")})
ODD = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-310, -1e-310, 1e300, -1e300, 40.0, -40.0, 800.0, -800.0]


def runner(width):
    lanes = rows_of(width)

    def values(code, n, Z, Y):
        activation.values(lanes, width, code, n, Z, Y)

    def slopes(code, n, Z, D):
        activation.slopes(lanes, width, code, n, Z, D)

    def pairs(code, n, Z, Y, D):
        activation.pairs(lanes, width, code, n, Z, Y, D)

    functions = (values, slopes, pairs)
    return functions if config.DISABLE_JIT else tuple(njit(**options())(function) for function in functions)


@pytest.fixture(scope="module")
def runners():
    return {width: runner(width) for width in SIZES}


def run(function, name, z, inplace=False):
    out = z.copy() if inplace else np.full_like(z, np.nan)
    with np.errstate(all="ignore"):
        function(activation.CODES[name], len(z), out if inplace else z, out)
    return out


def test_names_and_leak_are_shared():
    assert set(activation.CODES) == set(ACTIVATIONS) and activation.LEAK == LEAK


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_values_and_slopes(name, width, runners):
    """Also in place, where the last row overlaps, and for fewer numbers than fill a row."""
    z = np.random.default_rng(0).uniform(-30.0, 30.0, count := max(8 * width + 3, 9))
    z[:9] = [0.0, -0.0, 1e-9, -1e-9, 19.5, -19.5, 0.5, -0.5, 1.0]
    for function, expected in [*zip(runners[width][:2], ACTIVATIONS[name], strict=False)] * 2:
        z, count = z[:count], width - 1
        truth = expected(z)
        tail = 1000.0 if name == "gelu" else 1.0  # exp(-z^2/2) has relative errors of z^2 roundings
        bound = ULPS * eps("float64") * (np.abs(truth) * (tail if name != "erf" else 1000.0) + 1e-300)
        bound += ULPS * eps("float64") * (30.0 if name in ("sin", "cos") else 0.0)
        assert np.all(np.abs(run(function, name, z) - truth) <= bound)
        np.testing.assert_array_equal(run(function, name, z, inplace=True), run(function, name, z))


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_pairs_are_values_and_slopes(name, width, runners):
    values, slopes, pairs = runners[width]
    z = np.linspace(-3.0, 3.0, 2 * width + 1)
    y, d = np.empty_like(z), z.copy()
    pairs(activation.CODES[name], len(z), d, y, d)
    np.testing.assert_allclose(y, run(values, name, z), rtol=2 * eps("float64"))
    np.testing.assert_allclose(d, run(slopes, name, z), rtol=2 * eps("float64"))


@pytest.mark.parametrize("width", SIZES)
@pytest.mark.parametrize("name", NAMES)
def test_odd_arguments(name, width, runners):
    """Zeros, infinities, NaN, denormals and far tails as in NumPy."""
    z = np.repeat(ODD, width)
    for function, expected in zip(runners[width][:2], ACTIVATIONS[name], strict=False):
        with np.errstate(all="ignore"):
            truth = expected(z)
        found = run(function, name, z)
        np.testing.assert_array_equal(np.isnan(found), np.isnan(truth))
        np.testing.assert_allclose(found, truth, rtol=1e-12, atol=1e-300 if np.isfinite(truth).all() else 0.0)


def test_tanh_keeps_its_digits_near_zero(runners):
    """On both sides of where the series takes over, and at all scales."""
    z = np.concatenate([np.linspace(0.1, 0.15, 501), np.logspace(-300, 1, 500), -np.logspace(-20, 0, 500)])
    for width in SIZES:
        np.testing.assert_allclose(run(runners[width][0], "tanh", z), np.tanh(z), rtol=6 * eps("float64"))


@pytest.mark.compiled
@pytest.mark.skipif(elementary.library() != "libmvec" or SIZES[-1] == 1, reason="needs libmvec")
def test_rows_go_through_the_vector_library(runners):
    values, slopes, _ = runners[SIZES[-1]]
    z = np.zeros(9)
    run(values, "tanh", z), run(slopes, "tanh", z)
    value_code, slope_code = (next(iter(f.overloads.values())).library.get_asm_str() for f in (values, slopes))
    letter = {8: "e", 4: "d", 2: "b"}[SIZES[-1]]
    for name in ("exp", "erf", "erfc", "expm1", "log1p", "sin"):
        assert f"_ZGV{letter}N{SIZES[-1]}v_{name}" in value_code
    assert f"_ZGV{letter}N{SIZES[-1]}v_exp" in slope_code
    assert len(re.findall(r"\tv(?:mul|div|fn?m(?:add|sub)\d+)pd\s", slope_code)) >= 8
