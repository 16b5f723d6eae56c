"""Elementary functions against 160-bit arithmetic: scalars, lanes from libmvec and lanes from portable code.

An ulp is the distance of the two numbers of the working type around the exact value.
"""

import importlib.util
import math
import os
import subprocess
import sys

import mpmath
import numpy as np
import pytest
from numba import config, njit

from fastlyap.kernel import cube_root, lanes
from fastlyap.kernel import elementary as f
from fastlyap.kernel._compile import options
from fastlyap.kernel.lane_math import lane_function, lane_function_of_two
from fastlyap.kernel.masks import exactly

COUNT = 2048
LIBRARY_BOUND = 4.0  # the glibc manual's for libmvec
KINDS = [(8, np.float64), (16, np.float32)]
ODD = [
    0.0,
    -0.0,
    np.inf,
    -np.inf,
    np.nan,
    5e-324,
    -1e-310,
    1.0,
    -1.0,
    2.0,
    -0.5,
    1e300,
    -1e300,
    709.0,
    -745.0,
    1e22,
]


def compiled(test):
    """Skip where there is no compiler."""
    return pytest.mark.compiled(pytest.mark.skipif(config.DISABLE_JIT, reason="needs the compiler")(test))


def uniform(low, high):
    return np.random.default_rng(3).uniform(low, high, COUNT)


def powers(low, high):
    """Both signs, magnitudes spread evenly over the exponents low to high."""
    rng = np.random.default_rng(4)
    return np.exp2(rng.uniform(low, high, COUNT)) * rng.choice([-1, 1], COUNT)


def mixed(*parts):
    return np.concatenate([p[:: len(parts)] for p in parts])


def exact_cbrt(x):
    return mpmath.sign(x) * mpmath.cbrt(abs(x))


# among them neighbours of the multiples of pi/2, where reduction cancels
ANGLES = mixed(uniform(-10, 10), powers(-1000, 60), np.rint(uniform(-6e5, 6e5)) * np.pi / 2)

# name: (points, exact function, bound of the portable code in ulp)
FUNCTIONS = {
    "exp": (mixed(uniform(-746, 709), uniform(-1, 1), powers(-60, 0)), mpmath.exp, 1.0),
    "log": (mixed(abs(powers(-1074, 1023)), uniform(0.5, 2), 1 + powers(-40, -2)), mpmath.log, 1.0),
    "log1p": (mixed(uniform(0, 1), abs(powers(-1022, 0))), mpmath.log1p, 1.5),
    "sin": (ANGLES, mpmath.sin, 1.0),
    "cos": (ANGLES, mpmath.cos, 1.0),
    "tanh": (mixed(uniform(-3, 3), powers(-1060, 5)), mpmath.tanh, 1.5),
    "tan": (mixed(uniform(-10, 10), powers(-1060, 60)), mpmath.tan, 1.0),
    "asin": (mixed(uniform(-1, 1), powers(-1060, 0)), mpmath.asin, 1.0),
    "acos": (uniform(-1, 1), mpmath.acos, 1.0),
    "atan": (powers(-1060, 60), mpmath.atan, 1.0),
    "sinh": (mixed(uniform(-3, 3), powers(-1060, 9)), mpmath.sinh, 2.0),
    "cosh": (powers(-1060, 9), mpmath.cosh, 2.0),
    "erf": (mixed(uniform(-6, 6), powers(-1060, 0)), mpmath.erf, 1.0),
    "erfc": (mixed(uniform(-6, 9), powers(-1060, 0)), mpmath.erfc, 5.0),  # glibc's manual: its own erfc
    "expm1": (mixed(uniform(-40, 709), powers(-1060, 0)), mpmath.expm1, 1.0),
    "cbrt": (powers(-1074, 1023), exact_cbrt, 1.0),
}  # fmt: skip


def portable(name):
    """The function without libmvec, as a library-free machine would compile it."""
    if name == "cbrt":
        return cube_root.newton_cbrt
    on_lanes = lane_function(name, getattr(math, name), library=False)

    def stub(x):
        raise NotImplementedError

    exactly(stub)(lambda x: lambda x: on_lanes(x))
    return stub


def on_lanes(function, width, *args):
    """Apply a function to flat arrays, ``width`` values at a time, in a kernel with the usual flags."""
    rows = lanes.rows_of(width)
    if len(args) == 1:

        @njit(**options())
        def run(a, out):
            for i in range(out.shape[0]):
                rows(out)[i] = function(rows(a)[i])

    else:

        @njit(**options())
        def run(a, b, out):
            for i in range(out.shape[0]):
                rows(out)[i] = function(rows(a)[i], rows(b)[i])

    blocks = [np.ascontiguousarray(a).reshape(-1, width) for a in args]
    out = np.empty_like(blocks[0])
    run(*blocks, out)
    return out.ravel()


def points(name, dtype):
    """Arguments in the working type, whole blocks of 16, and the exact values."""
    x, exact, _ = FUNCTIONS[name]
    with np.errstate(over="ignore"):
        x = x.astype(dtype)
    x = x[np.isfinite(x)]
    if name == "exp":
        x = x[abs(x) < abs(np.log(np.finfo(dtype).max))]
    if name == "log":
        x = x[x > 0]
    x = x[: x.size // 16 * 16]
    with mpmath.workprec(160):
        return x, [exact(mpmath.mpf(float(v))) for v in x]


def worst_ulp(got, exact):
    """Largest error in ulp; overflow must be where the exact value overflows."""
    worst = 0.0
    limit = float(np.finfo(got.dtype).max)
    with mpmath.workprec(160):
        for value, truth in zip(got, exact, strict=True):
            if abs(truth) > limit:
                error = 0.0 if np.isinf(value) or abs(value) == limit else math.inf
            else:
                error = float(abs(float(value) - truth) / float(np.spacing(abs(got.dtype.type(truth)))))
            worst = max(worst, error) if error == error else math.inf
    return worst


@compiled
@pytest.mark.parametrize("width, dtype", KINDS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy_on_lanes(name, width, dtype):
    x, exact = points(name, dtype)
    assert worst_ulp(on_lanes(getattr(f, name), width, x), exact) <= LIBRARY_BOUND
    assert worst_ulp(on_lanes(portable(name), width, x), exact) <= FUNCTIONS[name][2]


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_accuracy_of_scalars(name, dtype):
    x, exact = points(name, dtype)
    x, exact = x[::8], exact[::8]
    interpreted = np.array([getattr(f, name)(v) for v in x])
    assert interpreted.dtype == dtype
    assert worst_ulp(interpreted, exact) <= LIBRARY_BOUND
    if not config.DISABLE_JIT:
        assert worst_ulp(on_lanes(getattr(f, name), 1, x), exact) <= max(2.0, FUNCTIONS[name][2])


def assert_same(got, expected):
    """Equal within 4 ulp, NaN and infinities alike."""
    with np.errstate(invalid="ignore"):
        assert got.dtype == expected.dtype
        close = (got == expected) | (abs(got - expected) <= 4 * np.spacing(abs(expected)))
    assert (close | (np.isnan(got) & np.isnan(expected))).all()


@compiled
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("name", [*FUNCTIONS, "sqrt", "floor", "absolute", "sign", "sigmoid", "softplus"])
def test_odd_arguments(name, dtype):
    """Zeros, infinities, NaN, denormals, overflow and huge angles as NumPy has them, and signs of zeros."""
    function = getattr(f, name)
    with np.errstate(all="ignore"):
        x = np.array(ODD).astype(dtype)
    expected = np.array([getattr(function, "py_func", function)(v) for v in x]).astype(dtype)
    forms = [on_lanes(function, 8, x)]
    if dtype == np.float64:
        forms.append(on_lanes(function, 1, x))
    if dtype == np.float64 and name in FUNCTIONS and name != "log1p":  # portable log1p serves softplus alone
        forms.append(on_lanes(portable(name), 8, x))
    for got in forms:
        if not (name in ("log1p", "softplus") and f.library() == "portable"):
            assert_same(got, expected)
        if name in ("sin", "tan", "asin", "atan", "sinh", "tanh", "erf", "cbrt"):
            assert (np.signbit(got) == np.signbit(x))[:2].all()


@compiled
@pytest.mark.parametrize("width, dtype", [*KINDS, (1, np.float64)])
def test_power_and_angle(width, dtype):
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0.01, 20, 512).astype(dtype), rng.uniform(-20, 20, 512).astype(dtype)
    exact = [mpmath.power(float(a), float(b)) for a, b in zip(x, y, strict=True)]
    assert worst_ulp(on_lanes(f.pow, width, x, y), exact) <= LIBRARY_BOUND
    exact = [mpmath.atan2(float(b), float(a)) for a, b in zip(x, y, strict=True)]
    assert worst_ulp(on_lanes(f.atan2, width, y, x), exact) <= LIBRARY_BOUND


@compiled
@pytest.mark.parametrize("name", ["pow", "atan2"])
def test_odd_arguments_of_two(name):
    a, b = (m.ravel() for m in np.meshgrid(ODD, [v for v in ODD if abs(v) != 0.5]))
    expected = np.array([getattr(f, name)(*p) for p in zip(a, b, strict=True)])
    alone = lane_function_of_two(name, getattr(math, name), library=False)
    for function, width in ((getattr(f, name), 8), (getattr(f, name), 1), (alone, 8)):
        assert_same(on_lanes(function, width, a, b), expected)


@compiled
def test_constants_take_the_type_of_the_lanes():
    def mixed_types(x):
        return f.pow(x, 2) + f.pow(2.0, x) + f.mod(x, 0.75) + f.atan2(1, x) + f.maximum(x, f.sign(x))

    x = np.linspace(0.1, 3, 16, dtype=np.float32)
    expected = x**2 + 2**x + x % np.float32(0.75) + np.arctan2(np.float32(1), x) + np.maximum(x, 1)
    np.testing.assert_allclose(on_lanes(njit(mixed_types), 16, x), expected, rtol=1e-6)


@pytest.mark.parametrize("width", [0, 1, 4, 8])
def test_mod_stays_below_the_period(width):
    """Width 0: interpreted. The sign of the divisor; exact; 0 where Python's rounding gives the divisor."""
    if width and config.DISABLE_JIT:
        pytest.skip("needs the compiler")
    rng = np.random.default_rng(6)
    a = np.concatenate([powers(-80, 80)[:1000], [-1e-20, 5e-324, -5e-324, -0.0, 1e300, -1e300, 3.0, -3.0]])
    for b in (np.ones(a.size), np.full(a.size, 2 * np.pi), rng.normal(size=a.size)):
        r = (
            np.array([f.mod(*p) for p in zip(a, b, strict=True)])
            if width == 0
            else on_lanes(f.mod, width, a, b)
        )
        expected = np.mod(a, b)
        np.testing.assert_array_equal(r, np.where(expected == b, 0, expected))
        assert (abs(r) < abs(b)).all()


@pytest.mark.parametrize("width", [0, 1, 8])
def test_mod_of_odd_arguments(width):
    if width and config.DISABLE_JIT:
        pytest.skip("needs the compiler")
    a, b = (m.ravel() for m in np.meshgrid(ODD, ODD))
    with np.errstate(all="ignore"):
        expected = np.mod(a, b)
        expected[expected == b] -= b[expected == b]
    r = np.array([f.mod(*p) for p in zip(a, b, strict=True)]) if width == 0 else on_lanes(f.mod, width, a, b)
    np.testing.assert_array_equal(r, expected)


@pytest.mark.parametrize("width", [0, 1, 8])
@pytest.mark.parametrize("name", ["sigmoid", "softplus"])
def test_composed_functions_keep_their_tails(name, width):
    if width and config.DISABLE_JIT:
        pytest.skip("needs the compiler")
    x = mixed(uniform(-700, 700), uniform(-3, 3))
    exact_function = {
        "sigmoid": lambda v: 1 / (1 + mpmath.exp(-v)),
        "softplus": lambda v: mpmath.log1p(mpmath.exp(v)),
    }[name]
    with mpmath.workprec(1100):
        exact = [exact_function(mpmath.mpf(v)) for v in x]
    function = getattr(f, name)
    if width == 0:
        got = np.array([getattr(function, "py_func", function)(v) for v in x])
    else:
        got = on_lanes(function, width, x)
    assert worst_ulp(got, exact) <= 6.0


SCRIPT = """
import numpy as np
from fastlyap.kernel import elementary as f, lanes
from fastlyap.kernel._compile import entry

rows = lanes.rows_of(8)

@entry
def run(a):
    r = rows(a)
    for i in range(a.shape[0]):
        r[i] = f.tanh(f.exp(r[i])) + f.pow(f.sin(r[i]) + 2.0, 0.3)

a = np.linspace(-1, 1, 64).reshape(8, 8)
run(a)
print(sum(run.stats.cache_hits.values()), f.library(), *a.ravel())
"""


def run_script(tmp_path, **environment):
    path = tmp_path / "script.py"
    path.write_text(SCRIPT)
    clean = {k: v for k, v in os.environ.items() if k not in ("FASTLYAP_MATH", "NUMBA_CPU_NAME")}
    command = [sys.executable, "-W", "error", str(path)]
    run = subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=True)
    hits, library, *values = run.stdout.split()
    return int(hits), library, np.array(values, float)


@compiled
@pytest.mark.slow
def test_every_build_gives_the_same_numbers(tmp_path):
    """The second process takes the kernel from disk; other libraries and processors differ in ulps only."""
    x = np.linspace(-1, 1, 64)
    expected = np.tanh(np.exp(x)) + (np.sin(x) + 2) ** 0.3
    cache = {"NUMBA_CACHE_DIR": str(tmp_path / "cache")}
    first, second = run_script(tmp_path, **cache), run_script(tmp_path, **cache)
    assert first[0] == 0 and second[0] == 1
    np.testing.assert_array_equal(first[2], second[2])
    refused = run_script(tmp_path, FASTLYAP_MATH="portable", NUMBA_CACHE_DIR=str(tmp_path / "portable"))
    narrow = run_script(tmp_path, NUMBA_CPU_NAME="generic", NUMBA_CPU_FEATURES="", **cache)
    assert refused[1] == "portable" and narrow[0] == 0
    for _, _, values in (first, refused, narrow):
        np.testing.assert_allclose(values, expected, rtol=2e-15)


@compiled
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")
def test_functions_compile_for_cuda(monkeypatch):
    """In one kernel; float32 must not fall to the approximations that any fast-math flag allows."""
    from numba import cuda, float32
    from numba.cuda import dispatcher

    class Device:
        compute_capability = (8, 0)

    monkeypatch.setattr(dispatcher, "get_current_device", Device)

    @njit(**options())
    def everything(x, y):
        a = f.exp(x) + f.log(x) + f.log1p(x) + f.sqrt(x) + f.cbrt(x) + f.sinh(x) + f.cosh(x) + f.tanh(x)
        b = f.asin(x) + f.acos(x) + f.atan(x) + f.erf(x) + f.sigmoid(x) + f.softplus(x) + f.sign(x)
        c = f.pow(x, y) + f.atan2(x, y) + f.mod(x, y) + f.floor(x) + f.abs(x) + f.minimum(x, y)
        return a + b + c + f.where(x > y, x, y) + f.maximum(x, y)

    def run(x, out):
        i = cuda.grid(1)
        out[i] = everything(x[i], out[i])

    code = cuda.compile_ptx(run, (float32[::1], float32[::1]), cc=(8, 0))[0]
    assert ".f64" not in code
    assert "tanh.approx" not in code and "lg2.approx" not in code
