"""Systems with full Jacobians as products of matrices: the numbers of the rows form, of the reference, and the laws."""

import numpy as np
import pytest

import fastlyap as fl
from fastlyap.machines import forms
from fastlyap.machines.forms import products_pay
from fastlyap.trace.dense_printer import is_dense
from tests import tolerances

compiled = pytest.mark.compiled
N = 18  # more than one panel


def weights(n):
    return np.random.default_rng(3).standard_normal((n, n)) / np.sqrt(n)


def network(n, kind="map"):
    """A tanh network with all couplings, one of them missing and one constant; as a map, or as a flow with decay."""
    J = weights(n)
    J[0, 1] = 0.0

    def rule(t, x, p):
        y = [fl.math.tanh(x[i]) for i in range(n)]
        total = [p.g * fl.math.sum([J[i, j] * y[j] for j in range(n)]) for i in range(n)]
        total[2] = total[2] + 0.25 * x[3]
        return total if kind == "map" else [a - x[i] for i, a in enumerate(total)]

    start = np.random.default_rng(4).standard_normal(n)
    if kind == "map":
        return fl.iterated_map(state=n, parameters=dict(g=1.8), x0=start)(rule)
    return fl.flow(state=n, parameters=dict(g=1.8), x0=start, dt=0.1)(rule)


def growth(result):
    return result.exponents * (result.settings["dt"] or 1.0) * result.settings["steps"]


def allowed(result, dtype="float64"):
    """Of log growth: rounding is stretched by the orbit, and by the frame's conditioning within one interval."""
    stretch = growth(result).max() + np.log(result.conditioning.max()) + 1.0
    return tolerances.growth(dtype, steps=24, stretch=stretch)


@pytest.fixture
def form(monkeypatch):
    """Choose the form of larger systems."""

    def choose(name):
        monkeypatch.setattr(forms, "products_pay", lambda n, k, members, lanes: name == "dense")

    return choose


HOW = dict(steps=24, transient=3, every=2)
CASES = [("map", "map", k) for k in (N, 5, 1)]
CASES += [pytest.param("flow", "rk4", k, marks=pytest.mark.slow) for k in (N, 1)]


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("kind,integrator,k", CASES)
def test_it_agrees_with_the_rows_form(kind, integrator, k, direction, form):
    system = network(N, kind)
    how = dict(HOW, k=k, direction=direction) | (dict(integrator=integrator) if kind == "flow" else {})
    form("dense")
    dense = fl.spectrum(system, **how)
    assert "dense" in dense.settings["program"]
    form("rows")
    rows = fl.spectrum(system, **how)
    assert "rows" in rows.settings["program"]
    np.testing.assert_allclose(growth(dense), growth(rows), rtol=0, atol=allowed(rows))
    np.testing.assert_allclose(dense.divergence_error, rows.divergence_error, rtol=0, atol=allowed(rows))


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize(
    "kind,integrator",
    [("map", "map"), *[pytest.param("flow", name, marks=pytest.mark.slow) for name in ("rk4", "dopri5")]],
)
def test_it_agrees_with_the_reference(kind, integrator, direction, form):
    system = network(N, kind)
    how = dict(HOW, k=5, direction=direction) | (dict(integrator=integrator) if kind == "flow" else {})
    form("dense")
    dense, reference = fl.spectrum(system, **how), fl.spectrum(system, backend="reference", **how)
    np.testing.assert_allclose(growth(dense), growth(reference), rtol=0, atol=allowed(dense))


@pytest.mark.slow
@compiled
def test_float32(form):
    form("dense")
    wide = fl.spectrum(network(N), k=5, **HOW)
    narrow = fl.spectrum(network(N), k=5, dtype="float32", **HOW)
    np.testing.assert_allclose(growth(narrow), growth(wide), rtol=0, atol=allowed(wide, "float32"))


def test_the_sum_rule(form):
    form("dense")
    found = fl.spectrum(network(N), **HOW)
    log_size, conditioning = np.abs(growth(found)).sum(), float(found.conditioning)
    bound = tolerances.sum_rule("float64", n=N, steps=24, log_size=log_size, conditioning=conditioning)
    assert abs(found.sum_rule) * 24 < bound


@pytest.mark.slow
def test_the_volume_of_many_shrinking_directions_is_in_range(form):
    """10^-9 in each of 40 directions is below the smallest number there is; the sum rule must hold still."""
    turn = np.linalg.qr(np.random.default_rng(0).standard_normal((40, 40)))[0] * 1e-9
    system = fl.iterated_map(state=40, x0=np.ones(40))(
        lambda t, x, p: [fl.math.sum([turn[i, j] * x[j] for j in range(40)]) for i in range(40)]
    )
    for name in ("dense", "rows"):
        form(name)
        found = fl.spectrum(system, steps=2, transient=0, every=1)
        np.testing.assert_allclose(found.exponents, np.log(1e-9), rtol=1e-12)
        assert abs(found.sum_rule) < 1e-9


def test_lost_rank_and_lost_members(form):
    """A rank of three gives -inf for the others; a member that blows up leaves the others as they are."""
    form("dense")
    A = weights(N)[:, :3] @ weights(N)[:3]
    system = fl.iterated_map(state=N, parameters=dict(c=0.0), x0=np.ones(N))(
        lambda t, x, p: [fl.math.sum([A[i, j] * x[j] for j in range(N)]) + p.c * x[i] * x[i] for i in range(N)]
    )
    found = fl.spectrum(system, parameters=dict(c=[0.0, 1e3]), x0=10.0 * np.ones(N), steps=12, transient=0, every=1)
    assert np.isneginf(found.exponents[0, 3:]).all() and np.isfinite(found.exponents[0, :3]).all()
    assert found.status.tolist() == [fl.Status.DEGENERATE, fl.Status.ESCAPED]
    alone = fl.spectrum(system, parameters=dict(c=[0.0]), x0=10.0 * np.ones(N), steps=12, transient=0, every=1)
    np.testing.assert_array_equal(found.exponents[0], alone.exponents[0])


def test_which_systems_are_dense():
    assert is_dense(network(N).recording)
    assert not is_dense(fl.systems.lorenz96(40).recording)
    assert not is_dense(fl.systems.kuramoto(40).recording)  # its mean field is shared


def test_when_products_pay():
    assert products_pay(60, 60, 1, 8) and products_pay(60, 60, 3, 8)
    assert not products_pay(60, 60, 8, 8) and not products_pay(12, 12, 1, 8)
    assert products_pay(200, 200, 1000, 8) and not products_pay(200, 1, 1000, 8)
    assert not products_pay(1000, 1000, 1, 8)


@compiled
def test_threads_change_nothing(form):
    form("dense")
    g = np.linspace(1.0, 2.0, 5)
    one, two = (fl.spectrum(network(N), parameters=dict(g=g), threads=threads, **HOW) for threads in (1, 2))
    np.testing.assert_array_equal(one.exponents, two.exponents)
    assert "dense" in one.settings["program"]
