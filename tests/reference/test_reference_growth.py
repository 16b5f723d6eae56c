"""Growth of frames against exact exponents and exact identities."""

from dataclasses import fields, replace

import numpy as np
import pytest

from fastlyap import math as fm
from fastlyap.reference import adjoint
from fastlyap.reference.dynamics import Dynamics
from fastlyap.reference.growth import begin, grow, growth, reorthonormalise, settled
from fastlyap.reference.spectra import entropy, kaplan_yorke, spectra
from fastlyap.statistics import running_mean
from fastlyap.status import ESCAPED, FAILED, NOT_FINITE

CAT = np.log((3 + np.sqrt(5)) / 2)
RATES = np.array([-1.0, -2.0, -5.0])


def frame(n, k=None, seed=0):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(n, n)))[0].T[:k]


def cat(t, x, p):
    return fm.mod(2.0 * x[0] + x[1], 1.0), fm.mod(x[0] + x[1], 1.0)


def henon(t, x, p):
    return 1.0 - p.a * x.x**2 + x.y, p.b * x.x


def lorenz(t, x, p):
    return p.s * (x.y - x.x), x.x * (p.rho - x.z) - x.y, x.x * x.y - p.beta * x.z


def diagonal(t, x, p):
    return [p.rate[i] * x[i] for i in range(3)]


def henon_maps(members=8):
    p = np.tile([1.4, 0.3], (members, 1))
    return Dynamics(henon, p, ("a", "b"), ((), ()), ("x", "y"))


def lorenz_flows(members=4, integrator="rk4", dt=0.01, **options):
    p = np.tile([10.0, 28.0, 8 / 3], (members, 1))
    return Dynamics(lorenz, p, ("s", "rho", "beta"), ((), (), ()), ("x", "y", "z"), integrator, dt, **options)


def near_attractor(members, seed=5):
    return np.array([1.0, 1.0, 25.0]) + np.random.default_rng(seed).normal(size=(members, 3))


@pytest.fixture(scope="module")
def lorenz_run():
    return growth(lorenz_flows(), near_attractor(4), frame(3), steps=600, transient=100, every=2)


def test_cat_map_is_exact():
    dynamics = Dynamics(cat, np.zeros((2, 0)))
    g = growth(dynamics, np.array([[0.1, 0.2], [0.7, 0.31]]), frame(2), steps=200, transient=50, every=4)
    np.testing.assert_allclose(spectra(g).exponents, np.tile([CAT, -CAT], (2, 1)), atol=1e-13)
    np.testing.assert_allclose(g.log_det, 0.0, atol=1e-12)


@pytest.mark.parametrize(
    "integrator, multiplier",
    [
        ("map", lambda z: z),
        ("euler", lambda z: 1 + z),
        ("rk4", lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24),
        ("dopri5", lambda z: 1 + z + z**2 / 2 + z**3 / 6 + z**4 / 24 + z**5 / 120 + z**6 / 600),
    ],
)
def test_diagonal_linear_dynamics_are_exact(integrator, multiplier):
    dt = 1.0 if integrator == "map" else 0.05
    dynamics = Dynamics(diagonal, RATES[None], ("rate",), ((3,),), (), integrator, dt, rtol=1e12, atol=1e12)
    g = growth(dynamics, np.ones((1, 3)) * 1e-3, frame(3), steps=300, transient=200, every=3, radius=np.inf)
    exact = np.sort(np.log(np.abs(multiplier(RATES * dt))) / dt)[::-1]
    np.testing.assert_allclose(spectra(g, dt).exponents[0], exact, atol=1e-12)
    if integrator != "map":
        assert g.divergence[0] / (300 * dt) == pytest.approx(-8.0, abs=1e-12)
        assert exact == pytest.approx(RATES, abs=0.8 if integrator == "euler" else 3e-3)


def test_henon_sum_is_exact_and_exponents_are_right():
    x = np.linspace(-0.1, 0.1, 32)[:, None] * np.ones(2)
    g = growth(henon_maps(32), x, frame(2), steps=1500, transient=100)
    found = spectra(g)
    np.testing.assert_allclose(found.exponents.sum(axis=1), np.log(0.3), atol=1e-13)
    assert np.all(np.abs(found.sum_rule) < 1e-13) and np.isnan(found.stderr).sum() == 0
    mean, error = found.exponents[:, 0].mean(), found.exponents[:, 0].std(ddof=1) / np.sqrt(32)
    assert abs(mean - 0.419234) < 3.5 * error and error < 2e-3
    z = (found.exponents[:, 0] - 0.419234) / found.stderr[:, 0]
    assert np.sqrt(np.mean(z**2)) < 1.3


def test_sum_rule_to_rounding_and_divergence_with_the_order_of_the_method(lorenz_run):
    found = spectra(lorenz_run, 0.01)
    assert np.abs(found.sum_rule).max() < 1e-12
    coarse = np.abs(found.divergence_error)
    assert lorenz_run.divergence / 6.0 == pytest.approx(-41 / 3, abs=1e-12)
    fine = growth(lorenz_flows(dt=0.005), near_attractor(4), frame(3), steps=1200, transient=200, every=4)
    fine = np.abs(spectra(fine, 0.005).divergence_error)
    assert np.all(np.log2(coarse / fine) > 3.7), (coarse, fine)


def test_dopri5_flow_obeys_the_sum_rule():
    dynamics = lorenz_flows(2, "dopri5", 0.1, rtol=1e-5, atol=1e-7)
    found = spectra(growth(dynamics, near_attractor(2), frame(3), steps=60, transient=5), 0.1)
    assert np.abs(found.sum_rule).max() < 1e-12 and np.abs(found.divergence_error).max() < 1e-2


def test_adjoint_and_tangent_have_the_same_sum_and_near_exponents(lorenz_run):
    settings = {"steps": 600, "transient": 100, "every": 2}
    pulled = adjoint.growth(lorenz_flows(), near_attractor(4), frame(3), **settings)
    a, b = spectra(pulled, 0.01), spectra(lorenz_run, 0.01)
    np.testing.assert_allclose(a.exponents.sum(axis=1), b.exponents.sum(axis=1), atol=1e-12)
    np.testing.assert_allclose(pulled.divergence, lorenz_run.divergence, rtol=1e-13)
    assert np.abs(a.sum_rule).max() < 1e-12
    assert np.abs(a.exponents - b.exponents).max() * 6.0 < 8.0  # bounded, so O(1/T)


def test_adjoint_of_henon_and_of_an_adaptive_flow():
    x = np.full((1, 2), 0.1)
    pairs = [run(henon_maps(1), x, frame(2), steps=1000, transient=50) for run in (growth, adjoint.growth)]
    assert np.abs(pairs[0].total - pairs[1].total).max() < 3.0
    assert pairs[1].total.sum() == pytest.approx(1000 * np.log(0.3), abs=1e-9)
    dynamics = lorenz_flows(1, "dopri5", 0.1, rtol=1e-4, atol=1e-6)
    pairs = [run(dynamics, near_attractor(1), frame(3), steps=20, transient=3) for run in (growth, adjoint.growth)]
    assert pairs[0].total.sum() == pytest.approx(pairs[1].total.sum(), abs=1e-10)


def test_interval_between_reorthonormalisations_does_not_matter():
    x = np.full((1, 2), 0.1)
    totals = [growth(henon_maps(1), x, frame(2), steps=60, transient=7, every=every).total for every in (1, 2, 5, 7)]
    for total in totals[1:]:
        np.testing.assert_allclose(total, totals[0], rtol=1e-11)


def test_leading_exponents_of_fewer_vectors_are_the_same(lorenz_run):
    part = growth(lorenz_flows(), near_attractor(4), frame(3, 2), steps=100, transient=100, every=2)
    full = growth(lorenz_flows(), near_attractor(4), frame(3), steps=100, transient=100, every=2)
    np.testing.assert_allclose(part.total, full.total[:, :2], rtol=1e-9)
    assert np.isnan(part.log_det).all() and np.isnan(spectra(part, 0.01).sum_rule).all()


def test_a_run_in_parts_is_one_run_bit_for_bit():
    dynamics, x = henon_maps(3), np.full((3, 2), 0.1)
    whole = grow(dynamics, begin(x, frame(2)), 700, every=3)
    parts = begin(x, frame(2))
    for n in (1, 4, 195, 500):
        parts = grow(dynamics, parts, n, every=3)
    for field in fields(whole):
        assert np.array_equal(getattr(whole, field.name), getattr(parts, field.name)), field.name
    assert whole.cell_steps == 12 and whole.cells.shape == (3, 58, 2)


def test_cells_cover_the_run_and_total_is_their_sum():
    g = growth(henon_maps(2), np.full((2, 2), 0.1), frame(2), steps=130, transient=5, every=2)
    assert g.cell_steps == 4 and g.cells.shape[1] == 32
    np.testing.assert_allclose(g.cells.sum(axis=1) + g.open_cell, g.total, rtol=1e-13)
    np.testing.assert_allclose(running_mean(g.cells, 4)[:, -1], g.cells.sum(axis=1) / 128, rtol=1e-13)
    again = growth(henon_maps(2), np.full((2, 2), 0.1), frame(2), steps=131, transient=5, every=2)
    np.testing.assert_allclose(again.total - g.total, again.open_cell - g.open_cell, atol=1e-11)


def test_one_failed_member_changes_nothing_for_the_others():
    x = np.full((4, 2), 0.1)
    good = growth(henon_maps(4), x, frame(2), steps=40, transient=4, every=2)
    x[1], x[2] = 5.0, np.nan
    mixed = growth(henon_maps(4), x, frame(2), steps=40, transient=4, every=2, radius=1e4)
    assert mixed.status.tolist() == [0, ESCAPED, NOT_FINITE, 0]
    assert mixed.failed_step.tolist() == [-1, 4, 2, -1]
    assert np.array_equal(mixed.total[[0, 3]], good.total[[0, 3]])
    assert np.isnan(spectra(mixed).exponents[1:3]).all()


def test_failure_after_the_transient_and_of_the_adaptive_step_is_dated():
    p = np.array([[2.0], [0.5]])
    doubling = Dynamics(lambda t, x, p: (p.a * x.u,), p, ("a",), ((),), ("u",))
    g = growth(doubling, np.ones((2, 1)), np.eye(1), steps=20, transient=3, radius=100.0)
    assert g.status.tolist() == [ESCAPED, 0] and g.failed_step.tolist() == [7, -1]
    assert g.total[0, 0] == pytest.approx(3 * np.log(2)) and g.total[1, 0] == pytest.approx(-20 * np.log(2))
    bursting = Dynamics(lambda t, x, p: (x[0] ** 2,), np.zeros((1, 0)), integrator="dopri5", dt=0.1, rtol=1e-3)
    for run in (growth, adjoint.growth):
        g = run(bursting, np.ones((1, 1)), np.eye(1), steps=20, radius=np.inf)
        assert g.status[0] == FAILED and 8 <= g.failed_step[0] <= 11


def test_lost_rank_is_minus_infinity_and_the_rest_goes_on():
    rule = lambda t, x, p: (2.0 * x[0] + 0.0 * x[1], x[0] + 0.0 * x[1], 0.5 * x[2])  # noqa: E731
    g = growth(Dynamics(rule, np.zeros((1, 0))), np.zeros((1, 3)), frame(3), steps=50, transient=40)
    found = spectra(g)
    np.testing.assert_allclose(found.exponents[0], [np.log(2), np.log(0.5), -np.inf], atol=1e-10)
    assert g.status[0] == 0 and found.stderr[0, 2] == 0 and np.isneginf(g.log_det[0])
    dead = growth(Dynamics(lambda t, x, p: (0.0, 1.0), np.zeros((1, 0))), np.zeros((1, 2)), frame(2), steps=5)
    assert np.isneginf(dead.total).all() and dead.status[0] == 0
    np.testing.assert_allclose(dead.frame[0] @ dead.frame[0].T, np.eye(2), atol=1e-15)


@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_reorthonormalisation_keeps_the_flags(scale):
    rng = np.random.default_rng(1)
    V = rng.normal(size=(20, 4, 6))
    Q, r = reorthonormalise(V * scale)
    np.testing.assert_allclose(Q @ Q.swapaxes(1, 2), np.broadcast_to(np.eye(4), (20, 4, 4)), atol=1e-14)
    R = V @ Q.swapaxes(1, 2)
    np.testing.assert_allclose(np.triu(R, 1), 0, atol=1e-13)  # v_j lies in the span of q_1 .. q_j
    np.testing.assert_allclose(np.diagonal(R, axis1=1, axis2=2), r / scale, rtol=1e-11)
    assert np.all(r > 0)


def test_single_precision_stays_single_and_close():
    dynamics = henon_maps(2)
    single = replace(dynamics, p=dynamics.p.astype(np.float32))
    x = np.full((2, 2), 0.1)
    g32 = growth(single, x.astype(np.float32), frame(2), steps=15, transient=0)
    g64 = growth(dynamics, x, frame(2), steps=15, transient=0)
    assert g32.x.dtype == g32.frame.dtype == np.float32 and g32.total.dtype == np.float64
    np.testing.assert_allclose(g32.total, g64.total, atol=1e-3)
    flow = lorenz_flows(1, "dopri5", 0.05, rtol=1e-4, atol=1e-4)
    flow = replace(flow, p=flow.p.astype(np.float32))
    g32 = growth(flow, near_attractor(1).astype(np.float32), frame(3), steps=5)
    assert g32.x.dtype == np.float32 and g32.status[0] == 0


def test_no_steps_and_unfinished_intervals():
    g = growth(henon_maps(1), np.full((1, 2), 0.1), frame(2), steps=1, every=10)
    assert g.steps == 1 and g.cells.shape[1] == 0 and np.isfinite(g.total).all()
    assert np.isinf(spectra(g).stderr).all()
    start = begin(np.full((1, 2), 0.1), frame(2))
    assert settled(start, every=4) is start


def test_dimension_and_entropy_by_their_formulas():
    assert kaplan_yorke(np.array([0.9056, 0.0, -14.5723])) == pytest.approx(2 + 0.9056 / 14.5723)
    assert kaplan_yorke(np.array([-1.0, -2.0])) == 0 and kaplan_yorke(np.array([1.0, -0.5])) == 2
    assert np.isnan(kaplan_yorke(np.array([np.nan, -1.0])))
    assert entropy(np.array([0.3, 0.2, 0.0, -4.0])) == pytest.approx(0.5)
