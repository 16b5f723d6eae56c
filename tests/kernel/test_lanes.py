"""Operations on lanes against NumPy, lane by lane, and what the generated code must look like."""

import importlib.util
import math
import platform

import numpy as np
import pytest
from numba import config, njit

from fastlyap.kernel import lanes
from fastlyap.kernel._compile import kernel, kernel_call, options
from fastlyap.kernel.lane_types import LaneArray, VecType

KINDS = [(2, np.float64), (4, np.float64), (8, np.float64), (16, np.float32)]
ODD = [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -1e-310, 1e-40, 1.0, -1.0, 1e300, -3.5]


def compiled(test):
    """Skip where there is no compiler."""
    return pytest.mark.compiled(pytest.mark.skipif(config.DISABLE_JIT, reason="needs the compiler")(test))


def pairs(dtype):
    """All pairs of odd values, and random ones, as two flat arrays of 16 m values."""
    a, b = (m.ravel() for m in np.meshgrid(ODD, ODD))
    noise = np.random.default_rng(0).normal(size=(2, 160 - a.size))
    with np.errstate(over="ignore"):
        return np.concatenate([a, noise[0]]).astype(dtype), np.concatenate([b, noise[1]]).astype(dtype)


def through(body, width, a, b, n_out):
    """Run ``body(x, y, out)`` on lanes of the flat arrays ``a`` and ``b``; returns (n_out, a.size)."""
    rows = lanes.rows_of(width)

    @njit(**options())
    def run(a, b, out):
        for i in range(a.shape[0]):
            body(rows(a)[i], rows(b)[i], rows(out[i]))

    out = np.empty((a.size // width, n_out, width), a.dtype)
    run(a.reshape(-1, width), b.reshape(-1, width), out)
    return out.transpose(1, 0, 2).reshape(n_out, -1)


@kernel
def arithmetic(x, y, out):
    out[0] = x + y
    out[1] = x - y
    out[2] = x * y
    out[3] = x / y
    out[4] = -x
    out[5] = abs(x)
    out[6] = math.sqrt(abs(x))
    out[7] = 2 * x
    out[8] = y - 0.5
    out[9] = lanes.minimum(x, y)
    out[10] = lanes.maximum(x, y)
    out[11] = lanes.narrow_like(lanes.wide(x) + lanes.wide(y), x)


def arithmetic_of_numpy(x, y):
    two, half = x.dtype.type(2), x.dtype.type(0.5)
    both = (x.astype(float) + y).astype(x.dtype)
    return [
        x + y, x - y, x * y, x / y, -x, abs(x), np.sqrt(abs(x)), two * x, y - half,
        np.minimum(x, y), np.maximum(x, y), both,
    ]  # fmt: skip


@kernel
def comparisons(x, y, out):
    one, zero = lanes.like(x, 1.0), lanes.like(x, 0.0)
    out[0] = lanes.select(x < y, one, zero)
    out[1] = lanes.select(x <= y, one, zero)
    out[2] = lanes.select(x > y, one, zero)
    out[3] = lanes.select(x >= y, one, zero)
    out[4] = lanes.select(x == y, one, zero)
    out[5] = lanes.select(x != y, one, zero)
    out[6] = lanes.select(lanes.both(x > 0, y > 0), one, zero)
    out[7] = lanes.select(lanes.either(x > 0, y > 0), one, zero)
    out[8] = lanes.select(lanes.negate(x > y), one, zero)
    out[9] = lanes.select(lanes.is_finite(x), one, zero)
    out[10] = lanes.select(x > y, x, 0)


def comparisons_of_numpy(x, y):
    return [
        x < y, x <= y, x > y, x >= y, x == y, x != y, (x > 0) & (y > 0), (x > 0) | (y > 0), ~(x > y),
        np.isfinite(x), np.where(x > y, x, 0),
    ]  # fmt: skip


@compiled
@pytest.mark.parametrize("width, dtype", KINDS)
@pytest.mark.parametrize(
    "body, reference", [(arithmetic, arithmetic_of_numpy), (comparisons, comparisons_of_numpy)]
)
def test_operations_agree_with_numpy(width, dtype, body, reference):
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = np.array(reference(a, b), dtype)
    np.testing.assert_array_equal(through(body, width, a, b, len(expected)), expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize(
    "body, reference", [(arithmetic, arithmetic_of_numpy), (comparisons, comparisons_of_numpy)]
)
def test_interpreted_scalars_agree_with_numpy(dtype, body, reference):
    a, b = pairs(dtype)
    with np.errstate(all="ignore"):
        expected = np.array(reference(a, b), dtype)
        out = np.empty_like(expected)
        for i in range(a.size):
            getattr(body, "py_func", body)(a[i], b[i], out[:, i])
    np.testing.assert_array_equal(out, expected)


@compiled
@pytest.mark.parametrize("width", [2, 8, 16])
def test_reductions_of_masks(width):
    rows = lanes.rows_of(width)

    @njit
    def reduce(a):
        mask = rows(a)[0] > 0.0
        return lanes.any_lane(mask), lanes.all_lanes(mask)

    none, full = np.zeros((1, width)), np.ones((1, width))
    assert reduce(none) == (False, False) and reduce(full) == (True, True)
    for i in range(width):
        one = none.copy()
        one[0, i] = 1.0
        assert reduce(one) == (True, False) and reduce(1.0 - one) == (True, False)


@compiled
@pytest.mark.parametrize("width, dtype", KINDS)
def test_split_is_exact(width, dtype):
    info = np.finfo(dtype)
    rng = np.random.default_rng(1)
    a = np.exp2(rng.uniform(info.minexp, info.maxexp, 64)).astype(dtype)
    a[:4] = info.tiny, info.max, 1.0, np.nextafter(dtype(2), dtype(0))

    @kernel
    def body(x, y, out):
        out[0], out[1] = lanes.split(x)

    mantissa, exponent = through(body, width, a, a, 2)
    assert (1 <= mantissa).all() and (mantissa < 2).all()
    np.testing.assert_array_equal(np.ldexp(mantissa, exponent.astype(int)), a)


@pytest.mark.parametrize("value", [np.float64(6.0), np.float32(6.0), 6.0])
def test_split_of_scalars(value):
    mantissa, exponent = lanes.split(value)
    assert (mantissa, exponent) == (1.5, 2.0) and type(mantissa) is type(value)


@compiled
def test_reassociation_does_not_reach_into_split():
    """The exponent is read off 2**52 + exponent; adding to that before the subtraction would round to 1."""

    @kernel
    def body(x, y, out):
        out[0] = lanes.split(x)[1] + y

    a, b = np.full(8, 2.0**-7), np.full(8, 0.123456789)
    np.testing.assert_array_equal(through(body, 8, a, b, 1)[0], -7 + b)


@compiled
def test_scalars_become_lanes():
    """A float starts a sum; constants take the element type (float64 lanes do not fit float32 rows)."""

    @kernel
    def body(x, y, out):
        total = 0.0
        for _ in range(3):
            total += x
        out[0] = total
        out[1] = 1.5
        out[2] = 0.1 * x

    a = np.arange(16, dtype=np.float32)
    expected = np.array([3 * a, np.full(16, 1.5), np.float32(0.1) * a], np.float32)
    np.testing.assert_array_equal(through(body, 16, a, a, 3), expected)


@kernel_call
def _swap(x, y, smaller):
    return lanes.select(smaller, x, y), lanes.select(smaller, y, x), lanes.negate(smaller)


@compiled
@pytest.mark.parametrize("width, dtype", KINDS)
def test_lanes_and_masks_pass_through_calls(width, dtype):
    @kernel
    def body(x, y, out):
        low, high, larger = _swap(x, y, x < y)
        out[0] = low
        out[1] = high
        out[2] = lanes.select(larger, lanes.like(x, 1.0), lanes.like(x, 0.0))

    a, b = np.random.default_rng(2).normal(size=(2, 64)).astype(dtype)
    expected = np.array([np.minimum(a, b), np.maximum(a, b), a >= b], dtype)
    np.testing.assert_array_equal(through(body, width, a, b, 3), expected)


def _shift(rows, count):
    part = lanes.slot(rows, 2, count)
    for i in range(count):
        part[i] = part[i] + lanes.slot(part, i, 1)[0]


@compiled
@pytest.mark.parametrize("width", [1, 4])
@pytest.mark.parametrize("flat", [False, True])
def test_rows_are_views(width, flat):
    rows, shift = lanes.rows_of(width), kernel(_shift)
    block = np.arange(7.0 * width).reshape(7, width)
    expected = block.copy()
    expected[2:5] *= 2
    njit(lambda a: shift(rows(a), 3))(block.reshape(-1) if flat else block)
    np.testing.assert_array_equal(block, expected)


def test_rows_of_one_member_are_a_view_without_the_compiler_too():
    block = np.arange(7.0).reshape(7, 1)
    _shift(getattr(lanes.rows_of(1), "py_func", lanes.rows_of(1))(block), 3)
    np.testing.assert_array_equal(block[:, 0], [0, 1, 4, 6, 8, 5, 6])


@pytest.mark.parametrize("width", [0, 1, 3, -2])
def test_width_must_be_a_power_of_two(width):
    from numba import float64

    for kind in (VecType, LaneArray):
        with pytest.raises(ValueError, match="`width`"):
            kind(float64, width)


@compiled
@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64"), reason="reads x86 assembly")
def test_code_is_packed():
    rows = lanes.rows_of(2)

    @njit(**options())
    def run(a):
        r = rows(a)
        r[2] = math.sqrt(r[0] * r[1]) / r[0]

    run(np.ones((3, 2)))
    code = run.inspect_asm(run.signatures[0])
    assert "mulpd" in code and "sqrtpd" in code and "divpd" in code
    assert "mulsd" not in code and "sqrtsd" not in code and "divsd" not in code


def _device_body(x, y):
    mantissa, exponent = lanes.split(abs(x))
    half = lanes.like(x, 0.5) * y
    inside = lanes.both(x > y, lanes.negate(lanes.either(y > half, lanes.is_finite(x))))
    value = lanes.select(inside, lanes.minimum(x, exponent), lanes.maximum(mantissa, half))
    if lanes.any_lane(value > x) and lanes.all_lanes(value < y):
        value = -value
    return value + math.sqrt(half)


@compiled
@pytest.mark.skipif(importlib.util.find_spec("numba_cuda") is None, reason="needs numba-cuda")
@pytest.mark.parametrize("name, other", [("float32", "f64"), ("float64", "f32")])
def test_scalars_compile_for_cuda_in_one_precision(name, other, device_compiler):
    import numba
    from numba import cuda

    body, kind = kernel(_device_body), getattr(numba, name)

    def run(block, out):

        i = cuda.grid(1)
        rows = lanes.slot(block[:, i], 1, 2)
        out[i] = body(rows[0], rows[1])

    code = device_compiler(run, (kind[:, ::1], kind[::1]))
    assert f".{other}" not in code


@pytest.fixture
def device_compiler(monkeypatch):
    """Compile CUDA kernels to PTX without a GPU; the compiler only asks the device for its generation."""
    from numba import cuda
    from numba.cuda import dispatcher

    class Device:
        compute_capability = (8, 0)

    monkeypatch.setattr(dispatcher, "get_current_device", Device)
    return lambda function, signature: cuda.compile_ptx(function, signature, cc=(8, 0))[0]
