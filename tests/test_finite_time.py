"""Finite-time exponents: singular values of the product of all steps, to many digits, where they can be told apart."""

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl
from fastlyap.backend.reference import dynamics
from fastlyap.directional import finite_time_request
from fastlyap.machines import planning, route
from fastlyap.reference import covariant, singular

compiled = pytest.mark.compiled
SMALL = config.DISABLE_JIT


@fl.iterated_map(state=3, parameters={"M": np.eye(3)}, x0=np.zeros(3))
def linear_map(t, x, p):
    return [sum(p.M[i, j] * x[j] for j in range(3)) for i in range(3)]


def jacobians(system, x0, *, steps, transient=0, **options):
    """(B, steps, n, n) of the plain reference path."""
    o = {**fl.finite_time.__kwdefaults__, "steps": steps, "transient": transient, **options}
    request = finite_time_request(system, x0, None, o)
    return covariant.orbit(dynamics(request), request.members.x, transient + steps).jacobian[:, transient:]


def exact(matrices, digits=200):
    """Logarithms of the singular values of the product of (N, n, n) matrices, in `digits` digits."""
    with mp.workdps(digits):
        product = mp.eye(matrices.shape[1])
        for matrix in matrices:
            product = mp.matrix(matrix.tolist()) * product
        return np.array([float(mp.log(value)) for value in mp.svd_r(product, compute_uv=False)])


CASES = {  # name: (steps, transient), so short that chaos does not part the two orbits
    "henon": (14, 5),
    "folded_towel": (25, 5),
    "lorenz63": (300, 10),
    "standard": (6, 2),
}
ANY = pytest.mark.parametrize("name", [pytest.param(n, marks=[compiled] * (n != "henon")) for n in CASES])


@ANY
def test_against_200_digits(name):
    system = getattr(fl.systems, name)()
    steps, transient = CASES[name]
    x0 = system.x0 * (1 + 1e-2 * np.random.default_rng(2).standard_normal((3, system.dim)))
    found = fl.finite_time(system, x0, steps=steps, transient=transient)
    assert np.all(found.status == fl.Status.OK)
    for member, matrices in enumerate(jacobians(system, x0, steps=steps, transient=transient)):
        np.testing.assert_allclose(found.log_singular_values[member], exact(matrices), atol=1e-8)


@given(seed=st.integers(0, 2**32 - 1))
def test_constant_matrix(seed):
    """Powers of a random matrix: values and directions are those of the decomposition."""
    M = np.random.default_rng(seed).standard_normal((3, 3))
    found = fl.finite_time(linear_map, parameters={"M": M}, steps=3)
    if found.status != fl.Status.OK:
        return
    left, values, right = np.linalg.svd(np.linalg.matrix_power(M, 3))
    np.testing.assert_allclose(found.log_singular_values, np.log(values), atol=1e-9 * values[0] / values[2])
    gap = np.diff(-np.log(values)).min()
    if gap > 0.5 and values[0] / values[2] < 1e5:
        np.testing.assert_allclose(np.abs(found.right), np.abs(right), atol=1e-4)
        np.testing.assert_allclose(np.abs(found.left), np.abs(left.T), atol=1e-4)


@compiled
def test_where_the_product_overflows():
    """100 000 steps of Henon's map: the product has entries of 10^18000, and is singular in any floating point."""
    steps = 100_000
    found = fl.finite_time(fl.systems.henon(), steps=steps)
    assert found.status == fl.Status.OK
    total = found.log_singular_values.sum()
    assert total == pytest.approx(steps * np.log(0.3), rel=1e-12)
    near = fl.spectrum(fl.systems.henon(), steps=steps, transient=0)
    assert abs(found.exponents[0] - near.exponents[0]) * steps < 20
    assert np.isfinite(found.right).all()


@ANY
def test_directions(name):
    """The product carries `right` into `left`, by the singular values, where it can be formed at all."""
    system = getattr(fl.systems, name)()
    steps = {"lorenz63": 60}.get(name, 5)
    found = fl.finite_time(system, steps=steps)
    matrices = jacobians(system, None, steps=steps)[0]
    whole = singular.product(matrices)
    np.testing.assert_allclose(found.log_singular_values, whole.sums, atol=1e-9)
    product = np.linalg.multi_dot(list(matrices)[::-1])
    image = found.right @ product.T
    grown = np.exp(found.log_singular_values)[:, None] * found.left
    np.testing.assert_allclose(image, grown, atol=1e-6 * np.abs(image).max())
    np.testing.assert_allclose(found.right @ found.right.T, np.eye(system.dim), atol=1e-13)
    orbit = fl.trajectory(system, steps=steps)
    np.testing.assert_allclose(found.state, orbit.state[-1], rtol=1e-10)


def test_against_the_reference():
    system = fl.systems.henon()
    x0 = system.x0 + 1e-2 * np.random.default_rng(0).standard_normal((2, 2))
    found, wanted = (fl.finite_time(system, x0, steps=8, backend=b) for b in ("cpu", "reference"))
    np.testing.assert_allclose(found.exponents, wanted.exponents, atol=1e-12)
    np.testing.assert_allclose(found.right, wanted.right, atol=1e-10)
    np.testing.assert_allclose(found.left, wanted.left, atol=1e-10)
    np.testing.assert_array_equal(found.n_sweeps, wanted.n_sweeps)


@compiled
def test_backward_in_time():
    """A stretch walked there, and back from its end: the same singular values upside down."""
    system = fl.systems.lorenz63()
    there = fl.finite_time(system, steps=100, dt=0.002)
    back = fl.finite_time(system, there.state, dt=-0.002, steps=100)
    # rk4 there and back is the identity up to its error, which the way back stretches by exp(14.6 * 0.2)
    np.testing.assert_allclose(back.state, system.x0, atol=1e-5)
    np.testing.assert_allclose(back.exponents, -there.exponents[::-1], atol=1e-4)
    np.testing.assert_allclose(np.abs(back.right[::-1]), np.abs(there.left), atol=1e-4)


@compiled
def test_symplectic_pairs():
    """Finite-time exponents of a symplectic map come in pairs, exactly."""
    found = fl.finite_time(fl.systems.standard(), steps=500)
    assert found.exponents.sum() * 500 == pytest.approx(0.0, abs=1e-10)


@compiled
def test_shared_out_in_any_way(monkeypatch):
    """Chunks, threads, segments: not a bit; each member stops by its own sweeps."""
    system = fl.systems.folded_towel()
    x0 = system.x0 * (1 + 1e-2 * np.random.default_rng(1).standard_normal((21, 3)))
    wanted = fl.finite_time(system, x0, steps=40, threads=1)
    assert len(np.unique(wanted.n_sweeps)) > 1

    def same(found, index=slice(None)):
        for name in ("exponents", "change", "right", "left", "n_sweeps", "state", "status"):
            np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name)[index], err_msg=name)

    same(fl.finite_time(system, x0, steps=40, threads=3))
    same(fl.finite_time(system, x0[::-1], steps=40), slice(None, None, -1))
    monkeypatch.setattr(planning, "CHUNK_BYTES", 1)
    same(fl.finite_time(system, x0, steps=40))
    monkeypatch.setattr(route, "STORED_BYTES", 2000)
    same(fl.finite_time(system, x0, steps=40))


def test_leading_alone():
    system = fl.systems.folded_towel() if not SMALL else fl.systems.henon()
    full, part = fl.finite_time(system, steps=20), fl.finite_time(system, steps=20, k=1)
    np.testing.assert_allclose(part.exponents, full.exponents[:1], atol=1e-9)
    assert part.right.shape == (1, system.dim)


def test_close_pairs_are_told():
    """Two singular values 1 % apart need more sweeps than allowed; equal ones need no telling apart."""
    close, equal = np.diag([1.01, 1.0, 0.1]), np.diag([1.0, 1.0, 0.1])
    rotation = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))[0]
    found = fl.finite_time(linear_map, parameters={"M": rotation @ close}, steps=1, max_sweeps=10)
    assert found.status == fl.Status.NOT_CONVERGED
    assert found.n_sweeps == 10
    np.testing.assert_allclose(found.log_singular_values, np.log(np.diag(close)), atol=0.01)
    patient = fl.finite_time(linear_map, parameters={"M": rotation @ close}, steps=1, max_sweeps=3000)
    assert patient.status == fl.Status.OK
    np.testing.assert_allclose(patient.log_singular_values, np.log(np.diag(close)), atol=1e-9)
    same = fl.finite_time(linear_map, parameters={"M": rotation @ equal}, steps=1)
    assert same.status == fl.Status.OK
    np.testing.assert_allclose(same.log_singular_values, np.log(np.diag(equal)), atol=1e-12)


def test_members_that_fail_and_lost_rank():
    found = fl.finite_time(fl.systems.henon(), parameters={"a": np.array([1.3, 5.0, 1.4])}, steps=50)
    np.testing.assert_array_equal(found.status, [0, fl.Status.ESCAPED, 0])
    assert found.failed_step[1] > 0
    assert np.isnan(found.exponents[1]).all() and np.isnan(found.right[1]).all()
    alone = fl.finite_time(fl.systems.henon(), parameters={"a": np.array([1.3, 1.4])}, steps=50)
    np.testing.assert_array_equal(found.exponents[[0, 2]], alone.exponents)
    flat = fl.finite_time(linear_map, parameters={"M": np.diag([2.0, 1.0, 0.0])}, steps=3)
    np.testing.assert_allclose(flat.log_singular_values, [3 * np.log(2), 0, -np.inf], atol=1e-12)
    assert flat.status == fl.Status.OK


def test_field():
    """A grid of starts is one call, its axes named after the components."""
    gyre = fl.systems.double_gyre()
    x, y = np.linspace(0.1, 1.9, 4), np.linspace(0.1, 0.9, 3)
    found = fl.finite_time(gyre, parameters=fl.grid(x0=dict(x=x, y=y)), steps=20)
    assert found.exponents.shape == (4, 3, 2)
    assert found.dims == ("x", "y")
    np.testing.assert_allclose(found.exponents.sum(axis=-1), 0.0, atol=1e-3)  # the flow keeps areas
    assert found.to_xarray().right.dims[2:] == ("exponent", "component")
    assert "sweeps" in repr(found)


def test_saved(tmp_path):
    found = fl.finite_time(fl.systems.henon(), steps=10)
    fl.save(found, tmp_path / "f.npz")
    np.testing.assert_array_equal(fl.load(tmp_path / "f.npz").right, found.right)
    assert "there and back" in str(fl.plan("finite_time", fl.systems.henon(), steps=10))


@pytest.mark.parametrize(
    "options,message",
    [
        (dict(steps=0), "`steps` must be"),
        (dict(tolerance=0.0), "`tolerance` must be > 0"),
        (dict(max_sweeps=0), "`max_sweeps` must be"),
        (dict(k=5), "`k` must be at most"),
        (dict(transient=-1), "`transient` must be"),
        (dict(dt=0.0), "`dt` must be > 0|`dt` must not be 0"),
    ],
)
def test_wrong_arguments(options, message):
    with pytest.raises(fl.InputError, match=message):
        fl.finite_time(fl.systems.lorenz63(), **{"steps": 10, **options})
