"""Lyapunov vectors: eigenvectors where the Jacobian is constant, carried into each other, dual, however computed."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl
from fastlyap.reference import intersection
from tests import truth

compiled = pytest.mark.compiled
SMALL = config.DISABLE_JIT
KINDS = ("covariant", "adjoint_covariant", "backward", "forward")
CHAOTIC = {  # name: (steps, warm-up)
    "henon": (30, 40),
    "folded_towel": (60, 2000),
    "lorenz63": (400, 3000),
    "lorenz84": (300, 15_000),
}
ANY = pytest.mark.parametrize("name", [pytest.param(n, marks=[compiled] * (n != "henon")) for n in CHAOTIC])


@fl.iterated_map(state=3, parameters={"M": np.eye(3)}, x0=np.zeros(3))
def linear_map(t, x, p):
    return [sum(p.M[i, j] * x[j] for j in range(3)) for i in range(3)]


def of(name, kind, **options):
    """Vectors of a catalogue system, three members."""
    system = getattr(fl.systems, name)()
    steps, warmup = CHAOTIC[name]
    members = 1 if SMALL else 3
    x0 = system.x0 * (1 + 1e-3 * np.random.default_rng(1).standard_normal((members, system.dim)))
    return system, fl.vectors(system, x0, kind=kind, **{"steps": steps, "warmup": warmup, **options})


def lines(found, wanted):
    """Largest distance between unit vectors, up to sign."""
    return np.minimum(np.linalg.norm(found - wanted, axis=-1), np.linalg.norm(found + wanted, axis=-1)).max()


@pytest.mark.parametrize("kind", KINDS)
def test_cat_map(kind):
    """Its Jacobian is constant and symmetric: all kinds are the eigenvectors."""
    found = fl.vectors(fl.systems.cat(), kind=kind, steps=20, warmup=40)
    wanted = np.linalg.eigh(np.array([[2.0, 1.0], [1.0, 1.0]]))[1].T[::-1]
    assert lines(found.vectors, wanted) < 1e-14
    np.testing.assert_allclose(found.exponents, [truth.CAT, -truth.CAT], rtol=1e-13)
    np.testing.assert_allclose(found.local_growth, np.broadcast_to(found.exponents, (20, 2)), rtol=1e-13)
    assert found.minimum_angle[0, 1] == pytest.approx(np.pi / 2, abs=1e-13)
    assert found.status == fl.Status.OK


@given(seed=st.integers(0, 2**32 - 1))
def test_constant_jacobian(seed):
    """Covariant: right eigenvectors; adjoint: left ones; backward and forward: those made orthogonal."""
    rng = np.random.default_rng(seed)
    values = np.array([1.5, 1.0, 0.5]) * rng.choice([-1.0, 1.0], 3)
    right = np.linalg.qr(rng.standard_normal((3, 3)))[0] + 0.5 * rng.uniform(-1, 1, (3, 3))
    if np.linalg.cond(right) > 50:
        return
    M = right @ np.diag(values) @ np.linalg.inv(right)
    unit = [rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (right.T, np.linalg.inv(right))]
    wanted = {
        "covariant": unit[0],
        "adjoint_covariant": unit[1],
        "backward": np.linalg.qr(unit[0].T)[0].T,
        "forward": np.linalg.qr(unit[1].T)[0].T,
    }
    for kind in KINDS:
        found = fl.vectors(linear_map, parameters={"M": M}, kind=kind, steps=4, warmup=100)
        assert lines(found.vectors, wanted[kind]) < 1e-11, kind
        if "covariant" in kind:
            np.testing.assert_allclose(found.exponents, np.log(np.abs(values)), atol=1e-12)


@ANY
@pytest.mark.parametrize("kind", ["covariant", "adjoint_covariant"])
def test_covariance(name, kind):
    """Every vector is carried into the next one (I9); the plain reference path does the carrying."""
    system, found = of(name, kind, every=1)
    assert found.covariance_residual(system).max() < 1e-8
    mean = found.local_growth.mean(axis=-2)
    np.testing.assert_allclose(mean, found.exponents, atol=1e-12 * np.abs(found.local_growth).max())


@ANY
def test_duality(name):
    """Independent computations, one basis and its dual (GRADIENTS 1): orthogonality, and the angle identity."""
    _, v = of(name, "covariant")
    _, w = of(name, "adjoint_covariant")
    np.testing.assert_array_equal(v.state, w.state)
    products = np.einsum("...in,...jn->...ij", w.vectors, v.vectors)
    k = products.shape[-1]
    off = np.abs(np.where(np.eye(k, dtype=bool), 0.0, products)).max()
    separation = max(v.separation.max(), w.separation.max())
    assert off < max(1e-10, 10 * separation)
    for i in range(k):
        own = np.arccos(np.minimum(np.abs(products[..., i, i]), 1.0))
        others = np.delete(v.vectors, i, axis=-2)
        basis = np.linalg.qr(np.swapaxes(others, -1, -2))[0]
        along = np.linalg.norm(np.einsum("...nm,...n->...m", basis, v.vectors[..., i, :]), axis=-1)
        sum_of_angles = own + np.arccos(np.minimum(along, 1.0))
        # arccos near 0 turns rounding eps into sqrt(2 eps)
        np.testing.assert_allclose(sum_of_angles, np.pi / 2, atol=max(1e-7, 10 * separation))


@ANY
def test_against_an_independent_algorithm(name):
    """Wolfe & Samelson: from backward and forward vectors alone, without recording or sweeping."""
    _, covariant = of(name, "covariant")
    _, backward = of(name, "backward")
    _, forward = of(name, "forward")
    separation = max(found.separation.max() for found in (covariant, backward, forward))
    for member in range(len(covariant.status)):
        for place in (0, len(covariant.times) // 2, -1):
            wanted = intersection.covariant(backward.vectors[member, place], forward.vectors[member, place])
            assert lines(covariant.vectors[member, place], wanted) < max(1e-9, 100 * separation)


@ANY
def test_frames_meet_covariant_vectors(name):
    """The first backward vector and the last forward one are covariant; the adjoint's the other way round."""
    found = {kind: of(name, kind)[1] for kind in KINDS}
    allowed = max(1e-10, 10 * max(v.separation.max() for v in found.values()))
    for covariant, first, last in (("covariant", "backward", "forward"), ("adjoint_covariant", "forward", "backward")):
        vectors = found[covariant].vectors
        assert lines(vectors[..., 0, :], found[first].vectors[..., 0, :]) < allowed
        assert lines(vectors[..., -1, :], found[last].vectors[..., -1, :]) < allowed


@ANY
def test_growth_of_tangent_and_adjoint(name):
    """Over one window: the sums of all rates are equal, the rates up to boundary terms (I5)."""
    found = {kind: of(name, kind)[1] for kind in KINDS}
    steps, _ = CHAOTIC[name]
    time = steps * (found["covariant"].settings["dt"] or 1.0)
    sums = found["backward"].exponents.sum(axis=-1)
    size = np.abs(found["backward"].exponents).sum(axis=-1).max()
    np.testing.assert_allclose(found["forward"].exponents.sum(axis=-1), sums, atol=1e-12 * size)
    for kind in KINDS[1:]:
        assert np.abs(found[kind].exponents - found["covariant"].exponents).max() * time < 12, kind


@pytest.mark.parametrize("kind", KINDS)
def test_leading_vectors_alone(kind):
    """k vectors are the first k of all (I6)."""
    system = fl.systems.lorenz84() if not SMALL else fl.systems.henon()
    k = system.dim - 1
    how = dict(kind=kind, steps=12, warmup=60)
    full, part = fl.vectors(system, **how), fl.vectors(system, k=k, **how)
    np.testing.assert_allclose(part.vectors, full.vectors[:, :k], atol=1e-11)
    np.testing.assert_allclose(part.exponents, full.exponents[:k], atol=1e-11)


@compiled
@pytest.mark.parametrize("kind", KINDS)
def test_interval_does_not_matter(kind):
    """Vectors shown every 10 steps are those shown every step, reorthonormalised ten times as often (I11)."""
    how = dict(kind=kind, steps=200, warmup=2000)
    often, rarely = (fl.vectors(fl.systems.lorenz63(), every=every, **how) for every in (1, 10))
    np.testing.assert_array_equal(often.times[9::10], rarely.times)
    np.testing.assert_allclose(often.state[9::10], rarely.state, atol=1e-9)
    assert lines(often.vectors[9::10], rarely.vectors) < 1e-8
    np.testing.assert_allclose(often.exponents, rarely.exponents, atol=1e-8)


@compiled
def test_flow_is_carried():
    """The neutral vector is the flow's direction; what is left is the integrator's error, of order 4 (I8)."""
    angles = []
    for dt in (0.02, 0.01, 0.005):
        steps = round(4 / dt)
        found = fl.vectors(fl.systems.lorenz63(), dt=dt, steps=steps, warmup=round(30 / dt))
        assert found.neutral == 1
        assert found.neutral_angle == found.flow_angle[1]
        assert found.flow_angle[[0, 2]].min() > 0.1
        angles.append(found.neutral_angle)
    assert angles[0] / angles[2] > 30  # 256 in the limit; the orbits differ, and with them the worst place
    assert angles[2] < 1e-5


@pytest.mark.slow
@compiled
def test_integrators():
    for integrator in ("euler", "dopri5"):
        system = fl.systems.lorenz63()
        how = dict(steps=100, warmup=3000, integrator=integrator, dt=0.005)
        v, w = (fl.vectors(system, kind=kind, **how) for kind in ("covariant", "adjoint_covariant"))
        products = np.einsum("tin,tjn->tij", w.vectors, v.vectors)
        off = np.abs(np.where(np.eye(3, dtype=bool), 0.0, products)).max()
        assert off < max(1e-10, 10 * max(v.separation.max(), w.separation.max()))
        assert v.covariance_residual(system).max() < 1e-7  # dopri5 restarts its inner steps
