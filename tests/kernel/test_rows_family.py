"""Systems on rows: the same numbers as on tuples, as the plain reference, and as the laws of their sums say."""

import numpy as np
import pytest
from numba import njit

import fastlyap as fl
from fastlyap import hardware
from fastlyap.backend import cpu
from fastlyap.kernel import frame
from fastlyap.kernel._compile import options
from fastlyap.machines import forms
from fastlyap.request import Integration
from fastlyap.trace.evaluate import evaluate
from tests import tolerances

compiled = pytest.mark.compiled
WIDTHS = [1, pytest.param(hardware.lanes("float64"), marks=compiled)]


@pytest.fixture
def always_rows(monkeypatch):
    """Small systems on rows too."""
    return lambda: monkeypatch.setattr(forms, "LARGEST_TUPLE", 0)


def growth(result):
    """Log growth over the run."""
    return result.exponents * (result.settings["dt"] or 1.0) * result.settings["steps"]


LORENZ = dict(x0=np.array([[1.0, 1.0, 25.0], [2.0, 1.0, 20.0]]), steps=24, transient=3, every=5)
CASES = [
    ("rk4", "tangent", "float64", 1),
    pytest.param("rk4", "adjoint", "float64", 2, marks=compiled),
    pytest.param("dopri5", "adjoint", "float64", 2, marks=[compiled, pytest.mark.slow]),
    pytest.param("euler", "tangent", "float32", 2, marks=compiled),
]


@pytest.mark.parametrize("integrator,direction,dtype,members", CASES)
def test_rows_and_tuples_agree(integrator, direction, dtype, members, always_rows):
    lorenz = fl.systems.lorenz63()
    how = dict(LORENZ, x0=LORENZ["x0"][:members], integrator=integrator, direction=direction, dtype=dtype)
    tuples = fl.spectrum(lorenz, **how)
    always_rows()
    rows = fl.spectrum(lorenz, **how)
    allowed = tolerances.growth(dtype, steps=24, stretch=growth(tuples).max() + 1.0)
    np.testing.assert_allclose(growth(rows), growth(tuples), rtol=0, atol=allowed)
    np.testing.assert_allclose(rows.divergence_error, tuples.divergence_error, rtol=0, atol=allowed)


def starts(system, members, spread):
    return system.x0 + spread * np.random.default_rng(1).standard_normal((members, system.dim))


SYSTEMS = {
    "lorenz96": (lambda: fl.systems.lorenz96(40), None, 3),
    "kuramoto": (lambda: fl.systems.kuramoto(50), None, 2),
    "kuramoto alone, five exponents": (lambda: fl.systems.kuramoto(12), 5, 1),
}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[compiled] * ("alone" not in n)) for n in SYSTEMS])
def test_spectrum_of_a_larger_system(name):
    """Against the plain reference; a run short enough that rounding has not parted the orbits."""
    made, k, members = SYSTEMS[name]
    system = made()
    how = dict(k=k, steps=12, transient=2, every=5, dt=0.02, integrator="rk4")
    x0 = starts(system, members, 0.3)
    found, wanted = (fl.spectrum(system, x0, backend=backend, **how) for backend in ("cpu", "reference"))
    allowed = tolerances.growth("float64", steps=14, stretch=growth(wanted).max() + 1.0)
    np.testing.assert_allclose(growth(found), growth(wanted), rtol=0, atol=allowed)
    if k is None:
        size = np.abs(growth(wanted)).sum(axis=-1).max()
        worst = found.conditioning.max()
        limit = tolerances.sum_rule("float64", n=system.dim, steps=12, log_size=size, conditioning=worst)
        assert np.abs(found.sum_rule * 0.24).max() < limit
        assert np.abs(found.divergence_error).max() < 1e-3


def everything(t, x, p):
    """Every function that can be recorded, on values where it is smooth."""
    m = fl.math
    a = [0.5 + 0.1 * m.tanh(each) for each in x]
    return [
        m.sin(a[0]) + m.cos(a[1]) + m.tan(a[2]) * m.sum(a), m.asin(a[1]) - m.acos(a[2]) * m.atan(a[3]),
        m.atan2(a[2], a[3] + 1) ** 2, m.exp(a[3]) * m.log(a[4]) / m.sqrt(a[5]),
        m.cbrt(a[4]) + m.sinh(a[5]) - m.cosh(a[6]),
        m.sigmoid(a[5]) * m.softplus(a[6]), m.erf(a[6]) + abs(a[7]), m.sign(a[7]) * m.floor(3 * a[8]) + a[8] ** p.c,
        m.minimum(a[8], a[9]) ** -3 + m.maximum(a[0], a[9]) ** 0.5, m.mod(a[9], 0.3) + (a[0] // 0.2) * a[1] + m.cos(t),
        m.where(((a[0] < a[1]) & (a[2] >= 0.1)) | ~(a[3] != a[4]), a[5], -a[6]) ** 7,
    ]  # fmt: skip


@pytest.mark.parametrize("width", WIDTHS)
def test_every_function_on_rows(width):
    system = fl.iterated_map(state=11, parameters={"c": 1.7})(everything)
    kernels = cpu.load(system, Integration("map", 1.0), width, "rows")
    members = width + 1
    x = np.random.default_rng(0).standard_normal((members, 11))
    S = np.concatenate([x, np.zeros((members, 1))], axis=1)
    A = np.zeros((members, 200))
    batch = cpu.CpuBatch(kernels, S, A, np.full((members, 1), 1.7))
    found = batch.follow(Integration("map", 1.0), 0.4, 0, 1, 1)[:, 0]
    wanted = evaluate(system.recording.outputs, x.T, np.full((1, members), 1.7), 0.4).T
    np.testing.assert_allclose(found, wanted, rtol=1e-13)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("k", [1, 3, 4, 5, 8, 13])
def test_frames_of_rows_are_orthonormalised(width, k):
    """By LAPACK's measures, as in `test_frame`; the frames have conditioning up to 1e5."""
    n = 13
    run = orthonormaliser(n, width)
    rng = np.random.default_rng(k)
    A = rng.standard_normal((width, k, n)) * np.geomspace(1.0, 1e-5, k)[:, None] + rng.standard_normal((width, 1, n))
    S = np.zeros((n + 1 + k * n, width))
    S[n + 1 :] = A.reshape(width, -1).T
    R = np.zeros((k, width))
    run(S, R, k)
    Q = S[n + 1 :].T.reshape(width, k, n)
    eps = np.finfo(float).eps
    for lane in range(width):
        L = np.linalg.lstsq(Q[lane].T, A[lane].T)[0].T
        size = 30 * n * eps * np.linalg.norm(A[lane])
        assert np.linalg.norm(A[lane] - np.tril(L) @ Q[lane]) < size
        assert np.linalg.norm(np.eye(k) - Q[lane] @ Q[lane].T) < 30 * n * eps * np.linalg.cond(A[lane])
        np.testing.assert_allclose(R[:, lane], np.diag(L), rtol=0, atol=size)


def orthonormaliser(n, width):
    """frame.reorthonormalise for a system of n states on rows."""
    system = fl.iterated_map(state=n)(lambda t, x, p: [2.0 * each for each in x])
    made = cpu.load(system, Integration("map", 1.0), width, "rows").module
    model, rows = made.model, made.rows

    @njit(**options())
    def run(S, R, k):
        frame.reorthonormalise(model, rows(S), k, rows(R), rows(S), 2.2e-16)  # rows need no scratch

    return run
