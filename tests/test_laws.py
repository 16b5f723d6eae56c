"""What every spectrum must satisfy, whatever the system: sums, symmetries, invariances, known answers.

Numbers of the laws are those of the design's table of invariants (I1 .. I18). Batches carry the random cases, so
that each system is compiled once.
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import config

import fastlyap as fl
from fastlyap import cast
from fastlyap.machines.chunks import new_batches
from fastlyap.machines.planning import make_plan
from fastlyap.machines.rows import new_rows
from fastlyap.request import SpectrumRequest
from tests import tolerances

SMALL = config.DISABLE_JIT
seeds = st.integers(0, 2**32 - 1)


@fl.iterated_map(state=3, parameters={"M": np.eye(3)}, x0=np.zeros(3))
def linear_map(t, x, p):
    return [sum(p.M[i, j] * x[j] for j in range(3)) for i in range(3)]


@fl.flow(state=3, parameters={"M": -np.eye(3), "c": 1.0}, x0=np.zeros(3), dt=0.01)
def linear_flow(t, x, p):
    return [p.c * sum(p.M[i, j] * x[j] for j in range(3)) for i in range(3)]


@fl.iterated_map(state="x y", parameters={"P": np.eye(2), "inverse": np.eye(2)}, x0=(0.1, 0.1))
def seen_askew(t, x, p):
    """Henon's map in the coordinates (x, y) = P (Henon's)."""
    u = p.inverse[0, 0] * x.x + p.inverse[0, 1] * x.y
    v = p.inverse[1, 0] * x.x + p.inverse[1, 1] * x.y
    u, v = 1 - 1.4 * u**2 + v, 0.3 * u
    return p.P[0, 0] * u + p.P[0, 1] * v, p.P[1, 0] * u + p.P[1, 1] * v


@fl.iterated_map(state="x y", parameters={"a": 1.4, "b": 0.3}, x0=(0.1, 0.1))
def henon_twice(t, x, p):
    u, v = 1 - p.a * x.x**2 + x.y, p.b * x.x
    return 1 - p.a * u**2 + v, p.b * u


@fl.iterated_map(state="q1 q2 p1 p2", parameters={"K": 1.0, "L": 1.0, "b": 0.5}, x0=(0.3, 0.7, 0.1, 0.2))
def froeschle(t, x, p):
    """Two coupled standard maps, symplectic in four dimensions."""
    kick = p.b * fl.math.sin(x.q1 + x.q2)
    p1 = x.p1 + p.K * fl.math.sin(x.q1) + kick
    p2 = x.p2 + p.L * fl.math.sin(x.q2) + kick
    return fl.math.mod(x.q1 + p1, 2 * math.pi), fl.math.mod(x.q2 + p2, 2 * math.pi), p1, p2


@fl.flow(state=6, parameters={"rho": 28.0}, x0=(1.0, 1.0, 25.0, -3.0, 2.0, 20.0), dt=0.01)
def two_lorenz(t, x, p):
    def one(x, y, z):
        return 10 * (y - x), x * (p.rho - z) - y, x * y - 8 / 3 * z

    return *one(*x[:3]), *one(*x[3:])


@fl.flow(state="x y z", parameters={"c": 1.0}, x0=(1.0, 1.0, 25.0), dt=0.01)
def hurried_lorenz(t, x, p):
    return p.c * 10 * (x.y - x.x), p.c * (x.x * (28 - x.z) - x.y), p.c * (x.x * x.y - 8 / 3 * x.z)


def starts(system, count, seed=0, size=1e-2):
    """`count` states around the system's default."""
    noise = np.random.default_rng(seed).standard_normal((count, system.dim))
    return system.x0 + size * (1 + np.abs(system.x0)) * noise


def turned(rng, diagonal):
    """A matrix with eigenvalues `diagonal` and well-conditioned eigenvectors."""
    n = len(diagonal)
    while True:
        P = rng.standard_normal((n, n))
        if np.linalg.cond(P) < 30:
            return P @ np.diag(diagonal) @ np.linalg.inv(P)


# --- I1, I2: sums ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["tangent", "adjoint"])
@pytest.mark.parametrize("name", ["henon", "folded_towel", "lorenz63", "double_pendulum"])
def test_sum_of_exponents_is_mean_log_det(name, direction):
    """I1, at any length, interval and member; in the adjoint direction too."""
    system = getattr(fl.systems, name)()
    steps = 60 if SMALL else 2000
    found = fl.spectrum(system, starts(system, 5), steps=steps, transient=20, direction=direction)
    time = steps * (found.settings["dt"] or 1.0)
    size = np.abs(found.exponents).sum(axis=-1).max() * time
    cond = found.conditioning
    allowed = tolerances.sum_rule("float64", n=system.dim, steps=steps, log_size=size, conditioning=cond)
    assert np.all(found.status == fl.Status.OK)
    assert np.all(np.abs(found.sum_rule) * time <= allowed)


@pytest.mark.parametrize("integrator,order", [("euler", 1), ("rk4", 4)])
def test_divergence_error_falls_with_the_order(integrator, order):
    """I2: the sum misses the mean divergence by O(dt^order)."""
    how = dict(transient=0, integrator=integrator)
    errors = [fl.spectrum(fl.systems.lorenz63(), steps=n, dt=0.4 / n, **how).divergence_error for n in (40, 80)]
    assert math.log2(abs(errors[0] / errors[1])) > order - 0.3


# --- I3: known answers -----------------------------------------------------------------------------------------------


@given(seed=seeds)
def test_linear_maps(seed):
    """log |eigenvalue|; the frame turns in with exp(-gap N), its last factor is worth O(1/N)."""
    rng = np.random.default_rng(seed)
    moduli = np.exp(np.cumsum(-rng.uniform(0.2, 1.0, (4, 3)), axis=1) + rng.uniform(0, 2, (4, 1)))
    M = np.stack([turned(rng, row * rng.choice([-1, 1], 3)) for row in moduli])
    found = fl.spectrum(linear_map, parameters={"M": M}, steps=60, transient=120)
    np.testing.assert_allclose(found.exponents, np.log(moduli), rtol=0, atol=1e-7)
    np.testing.assert_allclose(found.sum_rule, 0, atol=1e-11)


@pytest.mark.compiled
@given(seed=seeds)
def test_linear_flows(seed):
    """Real parts of eigenvalues; rk4 damps by the fifth order of (dt * eigenvalue)."""
    rng = np.random.default_rng(seed)
    rates = np.sort(rng.uniform(-2, 1, 3))[::-1].copy()
    rates += np.array([1.0, 0.0, -1.0])
    M = np.stack([turned(rng, rates)] * 2)
    found = fl.spectrum(linear_flow, parameters={"M": M}, steps=400, transient=2000, every=10)
    np.testing.assert_allclose(found.exponents, [rates] * 2, atol=1e-6)
    np.testing.assert_array_equal(found.exponents[0], found.exponents[1])


def test_rotation_with_damping():
    """Complex eigenvalues -1 +- 3i, and -5."""
    M = np.array([[-1.0, -3.0, 0.0], [3.0, -1.0, 0.0], [0.0, 0.0, -5.0]])
    steps = 60 if SMALL else 3000
    found = fl.spectrum(linear_flow, parameters={"M": M}, steps=steps, transient=steps)
    np.testing.assert_allclose(found.exponents, [-1, -1, -5], atol=6.0 / steps)


@given(seed=seeds)
def test_areas_of_henon_shrink_by_b(seed):
    rng = np.random.default_rng(seed)
    b = rng.uniform(-0.3, 0.3, 4)
    found = fl.spectrum(fl.systems.henon(), parameters={"a": rng.uniform(0.1, 1.0, 4), "b": b}, steps=50, transient=10)
    well = found.status == fl.Status.OK
    off = 50 * np.abs(found.exponents.sum(axis=-1) - np.log(np.abs(b)))
    allowed = tolerances.sum_rule("float64", n=2, steps=50, log_size=200, conditioning=found.conditioning)
    assert np.all(off[well] <= allowed[well])


def test_constant_jacobians():
    """Cat: known at every step once the frame has turned in. Tent, skew tent: nothing else is possible."""
    cat = fl.spectrum(fl.systems.cat(), steps=50, transient=50)
    exact = math.log((3 + math.sqrt(5)) / 2)
    np.testing.assert_allclose(cat.exponents, [exact, -exact], rtol=0, atol=1e-13)
    tent = fl.spectrum(fl.systems.tent(), steps=50, transient=5)
    np.testing.assert_allclose(tent.exponents, [math.log(1.9999)], rtol=0, atol=1e-14)
    orbit = fl.trajectory(fl.systems.skew_tent(), steps=49).state[:, 0]
    visited = np.concatenate([fl.systems.skew_tent().x0, orbit])
    mean = np.where(visited < 0.3, -math.log(0.3), -math.log(0.7)).mean()
    skew = fl.spectrum(fl.systems.skew_tent(), steps=50, transient=0)
    np.testing.assert_allclose(skew.exponents, [mean], rtol=0, atol=1e-13)


# --- I4 .. I8: symmetries --------------------------------------------------------------------------------------------


def test_coordinates_do_not_matter():
    """I4: N |difference| <= 2 log cond(P), over a stretch on which rounding has not parted the orbits yet."""
    rng = np.random.default_rng(4)
    P = np.stack([np.eye(2)] + [turned(rng, rng.uniform(0.3, 3, 2)) for _ in range(12)])
    x0 = np.einsum("eij,j->ei", P, [0.1, 0.1])
    found = fl.spectrum(seen_askew, x0, {"P": P, "inverse": np.linalg.inv(P)}, steps=40, transient=25, every=1)
    off = 40 * np.abs(found.exponents - found.exponents[0])
    assert np.all(off <= (2 * np.log(np.linalg.cond(P)) + 1e-4)[:, None])
    assert off.max() > 1e-3  # the bound would hold for nothing at all as well


@pytest.mark.parametrize("name,bound", [("henon", 4.0), ("lorenz63", 8.0), ("folded_towel", 6.0)])
def test_adjoint_spectrum_is_the_tangent_spectrum(name, bound):
    """I5: N |difference| stays bounded; the full sum is the same."""
    system = getattr(fl.systems, name)()
    for steps in (40, 80) if SMALL else (500, 2000):
        how = dict(steps=steps, transient=30 if SMALL else 100, every=2)
        tangent, adjoint = (fl.spectrum(system, direction=d, **how) for d in ("tangent", "adjoint"))
        time = steps * (tangent.settings["dt"] or 1.0)
        off = time * np.abs(tangent.exponents - adjoint.exponents)
        if name == "henon":
            np.testing.assert_allclose(tangent.exponents.sum(), adjoint.exponents.sum(), rtol=1e-12)
        if steps < 100 or name == "lorenz63" and steps < 1000:
            # the two programs may round the orbit differently, so longer ones are not the same orbit
            assert off.max() < bound
        else:
            allowed = 4 * np.hypot(tangent.stderr, adjoint.stderr) + bound / time
            assert np.all(np.abs(tangent.exponents - adjoint.exponents) <= allowed)


@pytest.mark.parametrize("name", ["lorenz63", "folded_towel", "double_pendulum"])
def test_leading_exponents_alone(name):
    """I6: the first k do not depend on how many are asked for."""
    system = getattr(fl.systems, name)()
    x0 = starts(system, 3)
    whole = fl.spectrum(system, x0, steps=40, transient=20, every=2)
    for k in range(1, system.dim):
        part = fl.spectrum(system, x0, k=k, steps=40, transient=20, every=2)
        assert part.exponents.shape == (3, k)
        assert np.all(np.isnan(part.sum_rule)) and np.all(np.isnan(part.divergence_error))
        # unsorted growth is nested; the sorted order of a short run may differ, so compare sets of the frame's order
        cells = [np.asarray(r.state["cells"])[..., :k].sum(axis=-2) for r in (part, whole)]
        np.testing.assert_allclose(cells[0], cells[1], rtol=0, atol=1e-9)


@given(seed=seeds)
def test_symplectic_pairs(seed):
    """I7: the sum vanishes to rounding, pairs to O(1/N)."""
    rng = np.random.default_rng(seed)
    steps = 40 if SMALL else 400
    x0 = rng.uniform(0, 2 * math.pi, (4, 4))
    found = fl.spectrum(froeschle, x0, {"K": rng.uniform(0, 3, 4)}, steps=steps, transient=50, every=2)
    np.testing.assert_allclose(found.exponents.sum(axis=-1), 0, atol=1e-14)
    pairs = found.exponents + found.exponents[:, ::-1]
    # a symplectic frame would pair exactly; ours differs by bounded factors: angles between the leading directions
    assert np.all(np.abs(pairs) * steps < 30)


@pytest.mark.compiled
@pytest.mark.parametrize("name", ["lorenz63", "rossler", "chen"])
def test_one_exponent_of_a_flow_is_zero(name):
    """I8: the direction of the flow grows as the speed does: |log of a ratio of speeds| / T."""
    system = getattr(fl.systems, name)()
    for steps in (10_000, 40_000):
        found = fl.spectrum(system, steps=steps, transient=5000)
        assert abs(found.exponents[1]) < 12 / (steps * system.dt)


# --- one step of the engine, without the loop around it --------------------------------------------------------------


def batch_of(system, x, vectors, integrator):
    """The engine's batch for members at x (B, n), each with its own vectors (B, k, n)."""
    how = cast.integration(system, dt=system.dt, t0=0.3, integrator=integrator, rtol=1e-9, atol=1e-12,
                           escape_radius=1e8, dtype="float64")  # fmt: skip
    members = cast.members(system, x, None)
    k = vectors.shape[1]
    request = SpectrumRequest(system, how, members, k, 1, 0, 1, "tangent", None, 0, True)
    plan = make_plan("spectrum", system, how, n_members=len(x), k=k, steps=1, name="cpu", threads=1)
    S, A = new_rows(x, vectors[0])
    S[:, system.dim + 1 :] = vectors.reshape(len(x), -1)
    return how, new_batches(request, plan)(S, A, members.p)


def carried(system, x, vectors, integrator, dt=None):
    """(x', vectors') after one step, no reorthonormalisation."""
    from dataclasses import replace

    how, batch = batch_of(system, x, vectors, integrator)
    batch.grow(replace(how, dt=dt or how.dt), how.t0, vectors.shape[1], 0, 1, 10**9)
    S = batch.read()[0]
    return S[:, : system.dim], S[:, system.dim + 1 :].reshape(vectors.shape)


def pulled(system, x, vectors, integrator):
    """Covectors pulled back through the step that starts at x."""
    how, batch = batch_of(system, x, vectors, integrator)
    batch.pull_back(how, how.t0, vectors.shape[1], batch.checkpoint(), 0, 1, 0, 10**9)
    S = batch.read()[0]
    np.testing.assert_array_equal(S[:, : system.dim], x)
    return S[:, system.dim + 1 :].reshape(vectors.shape)


STEPS = [("folded_towel", None), ("lorenz63", "rk4"), ("lorenz63", "dopri5"), ("lorenz63", "euler"),
         ("double_gyre", "rk4"), ("double_pendulum", "rk4")]  # fmt: skip


@pytest.mark.parametrize("name,integrator", STEPS)
def test_adjoint_step_is_the_transpose(name, integrator):
    """I12: <w, J u> = <J' w, u>, J the step's own Jacobian."""
    system = getattr(fl.systems, name)()
    rng = np.random.default_rng(12)
    x = starts(system, 9, size=0.1)
    u, w = rng.standard_normal((2, 9, 1, system.dim))
    _, Ju = carried(system, x, u, integrator)
    Jw = pulled(system, x, w, integrator)
    left, right = (w * Ju).sum(axis=-1), (Jw * u).sum(axis=-1)
    size = np.linalg.norm(w, axis=-1) * np.linalg.norm(Ju, axis=-1)
    assert np.all(np.abs(left - right) <= 10 * system.dim * 4 * tolerances.eps("float64") * size)


@pytest.mark.parametrize("name,integrator", [case for case in STEPS if case[1] != "dopri5"])
def test_tangent_is_the_derivative_of_the_step(name, integrator):
    """Against central differences of the step itself: error O(h^2) + eps/h."""
    system = getattr(fl.systems, name)()
    x, u = starts(system, 5, size=0.1), np.random.default_rng(1).standard_normal((5, 1, system.dim))
    h = 1e-6
    ahead, behind = (carried(system, x + s * h * u[:, 0], u, integrator)[0] for s in (1, -1))
    _, Ju = carried(system, x, u, integrator)
    np.testing.assert_allclose((ahead - behind) / (2 * h), Ju[:, 0], rtol=1e-6, atol=1e-7 * np.abs(Ju).max())


def test_flow_direction_is_carried():
    """I8: |DPhi f(x) - f(Phi x)| falls like dt^5 for rk4, dt^2 for euler."""
    system = fl.systems.lorenz63()
    x = starts(system, 4)
    for integrator, order in (("rk4", 4), ("euler", 1)):
        errors = []
        for dt in (0.04, 0.02, 0.01):
            there, v = carried(system, x, system.rule(x)[:, None], integrator, dt)
            errors.append(np.linalg.norm(v[:, 0] - system.rule(there)))
        assert math.log2(errors[1] / errors[2]) > order + 1 - 0.3


# --- I10, I11: the interval ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("every", [1, 3, 10, "auto"])
def test_frames_are_orthonormal_and_growth_is_never_negative(every):
    """I10: whatever interval the engine accepts, the frame it leaves passes LAPACK's test times its conditioning."""
    for name in ("lorenz63", "double_pendulum"):
        system = getattr(fl.systems, name)()
        n = system.dim
        found = fl.spectrum(system, starts(system, 3), steps=60, transient=30, every=every)
        Q = found.state["rows"][:, n + 1 :].reshape(3, n, n)
        if every != "auto":  # 60 steps are whole intervals of these
            off = np.abs(Q @ Q.swapaxes(1, 2) - np.eye(n)).max(axis=(1, 2))
            assert np.all(off <= 30 * n * tolerances.eps("float64") * found.conditioning)
        assert np.all(found.conditioning >= 1)


def test_interval_does_not_matter():
    """I11: every 1, 2, 5, 10 steps, the same orbit: N |difference| is rounding times conditioning."""
    system, steps = fl.systems.lorenz63(), 60 if SMALL else 2000
    runs = [fl.spectrum(system, starts(system, 3), steps=steps, transient=60, every=e) for e in (1, 2, 5, 10)]
    for run in runs[1:]:
        assert np.all(run.status == fl.Status.OK)
        off = steps * system.dt * np.abs(run.exponents - runs[0].exponents)
        assert off.max() <= tolerances.eps("float64") * steps * 30 * run.conditioning.max()


def test_too_long_an_interval_is_a_status_not_a_number():
    """I11: lengths that overflow or directions that fall together are reported, numbers never silently wrong."""
    system = fl.systems.lorenz63()
    found = fl.spectrum(system, steps=600, transient=0, every=300)
    assert found.status == fl.Status.DEGENERATE
    assert not np.isnan(found.exponents).any()
    assert found.conditioning * tolerances.eps("float64") > 1e-3 or np.isneginf(found.exponents).any()
    overflow = fl.spectrum(linear_map, parameters={"M": 1e9 * np.eye(3)}, steps=100, transient=0, every=50)
    assert overflow.status == fl.Status.NOT_FINITE
    assert np.isnan(overflow.exponents).all()


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_growth_of_any_size_is_measured(dtype):
    """Uniform growth far from 1 must not leave the range of squares between two reorthonormalisations."""
    logs = np.array([-60.0, -9.0, 1.0, 9.0, 60.0]) if dtype == "float64" else np.array([-9.0, -3.0, 1.0, 3.0, 9.0])
    M = np.exp(logs)[:, None, None] * np.eye(3)
    found = fl.spectrum(linear_map, parameters={"M": M}, dtype=dtype, steps=100)
    assert np.all(found.status == fl.Status.OK)
    wanted = np.repeat(logs[:, None], 3, axis=1)
    np.testing.assert_allclose(found.exponents, wanted, rtol=64 * tolerances.eps(dtype))


# --- I17, I18: precision and scaling ---------------------------------------------------------------------------------


def test_float32_is_float64_up_to_its_rounding():
    """I17: short runs to rounding, exact exponents to 1e-5."""
    exact = math.log((3 + math.sqrt(5)) / 2)
    cat = fl.spectrum(fl.systems.cat(), dtype="float32", steps=200, transient=50)
    np.testing.assert_allclose(cat.exponents, [exact, -exact], atol=1e-5)
    both = [
        fl.spectrum(fl.systems.lorenz63(), dtype=dtype, steps=40, transient=0, every=2, k=1)
        for dtype in ("float64", "float32")
    ]
    allowed = tolerances.growth("float32", steps=40, stretch=2.0)
    assert abs(both[0].exponents[0] - both[1].exponents[0]) * 0.4 <= allowed


@pytest.mark.compiled
def test_float32_statistics():
    """I17, long runs: within the errors."""
    system = fl.systems.lorenz63()
    both = [fl.spectrum(system, starts(system, 16), dtype=d, steps=20_000) for d in ("float64", "float32")]
    means = [run.exponents.mean(axis=0) for run in both]
    errors = [run.exponents.std(axis=0, ddof=1) / 4 for run in both]
    assert np.all(np.abs(means[0] - means[1]) <= 4 * np.hypot(*errors) + 2e-4)


def test_time_may_run_faster():
    """I18: dx/dt = c f with dt/c gives c times the exponents."""
    found = [
        fl.spectrum(hurried_lorenz, parameters={"c": [c]}, dt=0.01 / c, steps=60, transient=10, every=2)
        for c in (1.0, 4.0, 0.5)
    ]
    np.testing.assert_allclose(found[1].exponents, 4 * found[0].exponents, rtol=1e-10)
    np.testing.assert_allclose(found[2].exponents, found[0].exponents / 2, rtol=1e-10)


def test_two_steps_at_once():
    """I18: exponents of F applied twice are twice those of F."""
    once = fl.spectrum(fl.systems.henon(), [[0.1, 0.1], [0.2, 0.1]], steps=40, transient=10, every=2)
    twice = fl.spectrum(henon_twice, [[0.1, 0.1], [0.2, 0.1]], steps=20, transient=5, every=1)
    np.testing.assert_allclose(twice.exponents, 2 * once.exponents, rtol=0, atol=1e-6)


@pytest.mark.compiled
def test_uncoupled_copies_have_the_union_of_the_spectra():
    """I18: two uncoupled Lorenz systems, each alone and together."""
    x = two_lorenz.x0
    pair = fl.spectrum(two_lorenz, steps=20_000, transient=2000)
    alone = fl.spectrum(fl.systems.lorenz63(), [x[:3], x[3:]], steps=20_000, transient=2000)
    union = np.sort(alone.exponents.ravel())[::-1]
    allowed = 4 * np.hypot(pair.stderr, np.sort(alone.stderr.ravel()).max()) + 10 / 200
    assert np.all(np.abs(pair.exponents - union) <= allowed)
    assert abs(pair.exponents.sum() - alone.exponents.sum()) < 1e-3


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=6), st.integers(0, 5), st.floats(0, 2))
def test_kaplan_yorke_is_monotone(exponents, which, more):
    """I18: raising an exponent never lowers the dimension."""
    raised = list(exponents)
    raised[which % len(raised)] += more
    before, after = fl.kaplan_yorke(np.array(exponents)), fl.kaplan_yorke(np.array(raised))
    assert 0 <= before <= len(exponents)
    assert after >= before - 1e-12
