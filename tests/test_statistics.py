"""Cells, standard errors that keep their word, dimension and kind."""

import numpy as np
import pytest
import truth
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fastlyap import statistics
from fastlyap.reference.spectra import kaplan_yorke as one_kaplan_yorke
from fastlyap.statistics import block_stderr, classify, kaplan_yorke, merge, running_mean

FINE = 32  # samples per cell


def correlated(m, tau, members=1200, seed=0):
    """Cells (members, m, 1) of an AR(1) process whose correlation time is `tau` cells; white noise for 0."""
    rng = np.random.default_rng([seed, m, int(100 * tau)])
    phi = np.exp(-1 / (tau * FINE)) if tau else 0.0
    noise = rng.standard_normal((members, m * FINE))
    x = np.empty_like(noise)
    x[:, 0] = noise[:, 0]
    for i in range(1, x.shape[1]):
        x[:, i] = phi * x[:, i - 1] + np.sqrt(1 - phi**2) * noise[:, i]
    return x.reshape(members, m, FINE).sum(axis=-1)[..., None]


def quality(cells):
    """Typical stderr over the true error, rms z-score, share of |z| > 3."""
    mean = cells.mean(axis=1)[:, 0]
    stderr = block_stderr(cells, 1.0)[:, 0]
    z = mean / stderr
    return np.sqrt(np.mean(stderr**2) / np.mean(mean**2)), np.sqrt(np.mean(z**2)), np.mean(np.abs(z) > 3)


@pytest.mark.parametrize("m", [64, 48, 32])
@pytest.mark.parametrize("tau", [0.0, 0.05, 0.2, 0.5, 1.0])
def test_stderr_is_honest_about_correlation(m, tau):
    ratio, z, far = quality(correlated(m, tau))
    assert 0.9 < ratio < 1.2 and 0.85 < z < 1.25 and far < 0.025


@pytest.mark.parametrize("m, tau", [(64, 2.0), (32, 2.0), (20, 1.0), (8, 0.2)])
def test_stderr_holds_its_stated_limit(m, tau):
    assert quality(correlated(m, tau))[0] > 0.75


@pytest.mark.parametrize("m", [4, 5, 8, 16, 20])
def test_few_cells_give_large_errors_with_honest_scores(m):
    ratio, z, _ = quality(correlated(m, 0.0, members=6000))
    assert 1.0 < ratio < 2.0 and 0.8 < z < (1.6 if m < 6 else 1.15)  # few degrees of freedom: heavy tails


@pytest.mark.parametrize("boundary, most", [(1.0, 1.5), (5.0, 1.9), (25.0, 2.8)])
def test_stderr_of_anticorrelated_growth_is_never_small_and_not_much_too_large(boundary, most):
    rng = np.random.default_rng(0)
    edges = np.sqrt(boundary) * rng.standard_normal((2000, 49, 1))
    ratio, _, far = quality(rng.standard_normal((2000, 48, 1)) + np.diff(edges, axis=1))
    assert 1.0 < ratio < most and far < 0.01


def test_stderr_of_simple_cases():
    cells = np.array([1.0, 3.0, 1.0, 3.0])[:, None]  # all three modes: the plain variance, times 3 / (3 - 2)
    assert block_stderr(cells, 1.0)[0] == pytest.approx(np.sqrt(3 * 4 / 3 / 4))
    assert block_stderr(cells, 2.0)[0] == pytest.approx(np.sqrt(3 * 4 / 3 / 4) / 2)
    assert block_stderr(np.ones((20, 2)), 1.0).tolist() == [0, 0]
    assert np.isposinf(block_stderr(np.ones((5, 3, 2)), 1.0)).all() and block_stderr(np.ones((0, 2)), 1.0).shape == (2,)
    batch = np.random.default_rng(1).normal(size=(3, 2, 40, 2))
    times = np.arange(1.0, 7.0).reshape(3, 2)
    np.testing.assert_allclose(block_stderr(batch, times)[2, 1], block_stderr(batch[2, 1], 6.0), rtol=1e-13)


def test_cells_that_are_not_finite_stay_quiet():
    cells = np.ones((30, 4)) + np.arange(30)[:, None] % 3
    cells[3, 1], cells[:, 2], cells[4, 3] = -np.inf, -np.inf, np.nan
    found = block_stderr(cells, 1.0)
    assert found[0] > 0 and found[1] == found[2] == 0 and np.isnan(found[3])
    means = running_mean(cells, 1.0)
    assert np.isfinite(means[2, 1]) and np.isneginf(means[3, 1]) and np.isnan(means[-1, 3])


def test_merging_keeps_sums_and_means():
    cells = np.random.default_rng(0).normal(size=(3, 64, 2))
    half = merge(cells)
    assert half.shape == (3, 32, 2)
    np.testing.assert_allclose(running_mean(half, 2.0), running_mean(cells, 1.0)[:, 1::2], rtol=1e-12, atol=1e-15)


@settings(max_examples=200, deadline=None)
@given(arrays(float, (4, 3), elements=st.floats(-5, 5) | st.just(-np.inf) | st.just(np.nan)))
def test_dimension_agrees_with_the_formula_taken_literally(exponents):
    found = kaplan_yorke(exponents)
    expected = [np.nan if np.isnan(row).any() else one_kaplan_yorke(np.sort(row)[::-1]) for row in exponents]
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    finite = ~np.isnan(found)
    assert np.all((found[finite] >= 0) & (found[finite] <= 3))


def test_dimension_of_special_spectra():
    assert kaplan_yorke([0.9056, 0.0, -14.5723]) == pytest.approx(2.06214, abs=1e-5)
    assert kaplan_yorke([-1.0, -3.0]) == 0 and kaplan_yorke([0.3, -0.1]) == 2 and kaplan_yorke([]) == 0
    assert kaplan_yorke([1.0, -np.inf]) == 1 and kaplan_yorke([-np.inf, -np.inf]) == 0
    assert isinstance(kaplan_yorke([1.0, -2.0]), float) and np.isnan(kaplan_yorke([np.nan, -1.0]))
    assert kaplan_yorke(np.zeros((2, 0, 3))).shape == (2, 0)


FLOWS = {
    "fixed point": (-0.5, -1.0, -2.0),
    "cycle": (1e-4, -1.0, -2.0),
    "torus": (1e-4, -1e-4, -2.0),
    "chaos": (0.9, 1e-4, -14.0),
    "hyperchaos": (0.2, 0.1, -4.0),
    "unknown": (np.nan, np.nan, np.nan),
}
MAPS = {"fixed point or cycle": (-0.5, -1.0), "torus": (1e-4, -0.2), "chaos": (0.42, -1.6), "hyperchaos": (0.43, 0.38)}
DRIVEN = {"stable response": (-0.5, -1.0), "neutral response": (1e-4, -0.2), "chaos": (0.42, -1.6)}


def test_kinds_of_flows_and_maps():
    cases = ((FLOWS, "flow", True), (MAPS, "map", True), (DRIVEN, "flow", False), (DRIVEN, "map", False))
    for kinds, kind, free in cases:
        spectra = np.array(list(kinds.values()))
        errors, time = np.full(spectra.shape, 1e-4), np.full(len(kinds), 1e4)
        assert classify(spectra, errors, kind=kind, total_time=time, autonomous=free).tolist() == list(kinds)
    assert {*FLOWS, *MAPS, *DRIVEN} == set(statistics.KINDS)


@pytest.mark.parametrize("moved,expected", [
    (0.0, "fixed point"), (1e-10, "fixed point"), (1e-3, "cycle"), (np.nan, "fixed point or cycle"),
])  # fmt: skip
def test_one_step_more_tells_fixed_points_from_cycles(moved, expected):
    """Of the way to a fixed point, e^(l T) may be left: here e^-100, then e^-6.9, a thousandth."""
    judge = lambda time: classify([[-0.1]], [[1e-5]], kind="map", total_time=time, moved=np.array([moved]))  # noqa: E731
    assert judge(1000.0) == expected
    assert judge(69.0) == ("fixed point" if moved == 1e-3 else expected)


def test_kind_is_judged_with_the_errors():
    judge = lambda exponents, error, **more: str(  # noqa: E731
        classify(np.array(exponents), np.full(len(exponents), error), **{"kind": "flow", "total_time": 1e4, **more})
    )
    assert judge([0.02, -0.01, -3.0], 0.001) == "chaos"
    assert judge([0.02, -0.01, -3.0], 0.007) == "torus"  # nothing but two zeros can be claimed
    assert judge([0.02, -0.5, -3.0], 0.001, total_time=100.0) == "cycle"
    assert judge([0.02, -0.5, -3.0], np.inf) == judge([0.02, -0.5, -3.0], np.nan) == "unknown"
    assert judge([0.02, -0.5, -3.0], 0.001, total_time=0) == "unknown"
    assert judge([-np.inf, -np.inf], 0.0, kind="map", moved=0.0) == "fixed point"
    assert judge([-0.1, -0.1], 1e-3, autonomous=False) == "stable response"
    assert judge([0.0], 1e-3, dim=3) == "unknown" and judge([0.0], 1e-3) == "cycle"
    assert judge([0.5], 1e-3, dim=3) == "chaos" and judge([-0.5], 1e-3, dim=3) == "fixed point"


def test_table_of_truth_is_consistent():
    assert len(truth.BY_NAME) == len(truth.TABLE) and len(truth.rows()) > 15
    for row in truth.TABLE:
        n = len(row.exponents)
        values = np.array([row.exponents.get(i, (np.nan,))[0] for i in range(n)])
        if np.isnan(values).any() or n < 2:
            continue
        assert np.all(np.diff(values) <= 0) and row.zeros <= (values == 0).sum(), row.name
        if row.total and n == 3 and not row.arguments:
            assert values.sum() == pytest.approx(row.total[0], abs=3e-5), row.name
        if row.kaplan_yorke:
            assert kaplan_yorke(values) == pytest.approx(row.kaplan_yorke, abs=0.03), row.name


def test_formulas_of_the_table_give_the_printed_numbers():
    newman = [-0.065088, -0.141569, -0.231755, -0.341569, -0.481755, -0.674902, -0.981755, -1.674902]
    np.testing.assert_allclose(truth.gaussian_product(8, 8**-0.5), newman, atol=1e-6)
    lattice = [0.693147, 0.601177, 0.601177, 0.336472, 0.336472, -0.024563, -0.024563, -0.223144]
    np.testing.assert_allclose(truth.doubling_lattice(8, 0.3), lattice, atol=1e-6)
    np.testing.assert_allclose(truth.linear_delay(1, 1, 2), [-0.318132, -0.318132, -2.062278, -2.062278], atol=1e-6)
    assert truth.relu_net(64, 2.0) == pytest.approx(-0.020054, abs=1e-6)
    row = truth.BY_NAME["Henon"]
    assert truth.allowed(row, 0, 8e-5, 1e-5) == pytest.approx(3.1e-4)
