"""Every row of the table of truths that the engine can reach, compared by the table's rules.

The sum first (no statistics), then zeros and pairs (C/T), then numbers, within three standard errors over
independent starts.
"""

import functools

import numpy as np
import pytest
from scipy import stats

import fastlyap as fl
from tests import truth

pytestmark = pytest.mark.compiled

STARTS = 32
STUDENT = stats.t.ppf(stats.norm.cdf(3.0), STARTS - 1) / 3.0  # the error of a mean of few starts is itself uncertain
STEPS = {"map": (100_000, 2_000), "flow": (200_000, 20_000)}
FEWER = {"lorenz96": (10_000, 2_000)}
C = 12.0  # a zero exponent or a pair leaves the log of a bounded ratio (speeds, angles) behind: e^12 is 160 000


@functools.cache
def run(name):
    """(row, spectrum of independent starts)."""
    row = truth.BY_NAME[name]
    system = getattr(fl.systems, row.system)(**row.arguments)
    steps, transient = FEWER.get(row.system, STEPS[system.kind])
    noise = np.random.default_rng(2024).standard_normal((STARTS, system.dim))
    if row.name == "standard K=1":
        starts = 0.01 * noise  # about the hyperbolic fixed point, in the chaotic sea
    else:
        # spread along an orbit: neighbours of one state would keep a common phase where phases diffuse slowly;
        # and pushed off it, so that chaos parts them during the transient
        orbit = fl.trajectory(system, row.x0, row.parameters, steps=STARTS * 97, every=97, transient=transient)
        starts = orbit.state + 1e-3 * (0.1 + np.abs(np.asarray(row.x0 or system.x0))) * noise
    return row, fl.spectrum(system, starts, row.parameters, steps=steps, transient=transient, dt=row.dt)


def catalogue(*compare, having=lambda row: True):
    """Rows that the catalogue can run, compared in one of these ways."""
    wanted = [row for kind in compare or (None,) for row in truth.rows(kind) if having(row)]
    return [pytest.param(row.name, marks=[pytest.mark.slow] if row.system in FEWER else []) for row in wanted]


def total_time(found):
    return found.settings["steps"] * (found.settings["dt"] or 1.0)


@pytest.mark.parametrize("name", catalogue())
def test_sum_rule(name):
    row, found = run(name)
    assert np.all(found.status == fl.Status.OK)
    size = np.abs(found.exponents).sum(axis=-1)
    # rounding, and the conditioning that trailing directions suffer from within an interval
    assert np.all(np.abs(found.sum_rule) <= 1e-13 * size + 1e-14 + 1e-15 * found.conditioning)
    if row.total is None:
        return
    off = found.exponents.sum(axis=-1) - row.total[0]
    if found.system.kind == "map":
        assert np.all(np.abs(off) <= 1e-12 * (1 + size) + 1e-15 * found.conditioning)
    else:  # the divergence is constant: what is missing is the discretisation, and nothing else
        rounding = found.settings["steps"] * np.finfo(float).eps * abs(row.total[0])  # equal terms err all one way
        np.testing.assert_allclose(off, found.divergence_error, rtol=0, atol=1e-13 + rounding)
        assert np.all(np.abs(off) <= 5e-5 * max(1.0, abs(row.total[0])))


@pytest.mark.parametrize("name", catalogue(having=lambda row: row.zeros))
def test_zeros(name):
    row, found = run(name)
    middle = np.sort(np.abs(found.exponents), axis=-1)[:, : row.zeros]
    if row.name != "Henon-Heiles":  # there shear adds log(T)/T
        assert np.all(middle <= C / total_time(found))


@pytest.mark.parametrize("name", catalogue(having=lambda row: row.pairing is not None))
def test_pairs(name):
    row, found = run(name)
    pairs = found.exponents + found.exponents[:, ::-1] - row.pairing
    assert np.all(np.abs(pairs) <= C / total_time(found))


@pytest.mark.parametrize("name", catalogue("statistical"))
def test_numbers(name):
    row, found = run(name)
    errors = STUDENT * found.exponents.std(axis=0, ddof=1) / np.sqrt(STARTS)
    for index, (value, _) in row.exponents.items():
        bias = C / total_time(found) / np.sqrt(STARTS) if value == 0.0 else 0.0
        if found.system.kind == "flow":
            bias += 2e-5 * max(1.0, abs(value))  # of rk4
        off = abs(found.exponents[:, index].mean() - value)
        assert off <= truth.allowed(row, index, errors[index], bias), (index, off, errors[index])


@pytest.mark.parametrize("name", catalogue(having=lambda row: row.kaplan_yorke))
def test_dimension(name):
    row, found = run(name)
    own = found.kaplan_yorke
    reference = sum(stderr for _, stderr in row.exponents.values()) / abs(found.exponents[0, -1])
    allowed = 3 * np.hypot(STUDENT * own.std(ddof=1) / np.sqrt(STARTS), reference) + 1e-4
    assert abs(own.mean() - row.kaplan_yorke) <= allowed


@pytest.mark.parametrize("name", catalogue("exact"))
def test_exact_rows(name):
    """Finite means of exact rows err by C/N at most (logistic: a coboundary, 1.35/N and more for single starts)."""
    row, found = run(name)
    for index, (value, _) in row.exponents.items():
        bound = 40 / found.settings["steps"] if row.system == "logistic" else 1e-11
        assert np.all(np.abs(found.exponents[:, index] - value) <= bound)


def test_sticky_sea():
    """Standard map at K = 1: a loose number and a real spread over starts, which the errors must not hide."""
    _, found = run("standard K=1")
    assert 0.09 < found.exponents[:, 0].mean() < 0.13
    assert found.exponents[:, 0].std(ddof=1) > 5e-4


def test_henon_heiles_is_bimodal():
    """E = 1/8: regular and chaotic starts side by side, nothing between."""
    system = fl.systems.henon_heiles()
    y, py = (values.ravel() for values in np.meshgrid(np.linspace(-0.3, 0.5, 8), np.linspace(-0.3, 0.3, 4)))
    square = 0.25 - y**2 + 2 * y**3 / 3 - py**2
    starts = np.stack([0 * y, y, np.sqrt(np.maximum(square, 0)), py], axis=1)[square > 0]
    found = fl.spectrum(system, starts, dt=0.05, steps=200_000)
    largest = found.exponents[:, 0]
    regular, chaotic = largest < 5e-3, largest > 0.02  # sticky orbits reach some 3e-3 in time 10^4
    assert np.all(regular | chaotic)
    assert regular.sum() >= 3 and chaotic.sum() >= 3
    assert largest[chaotic].max() < 0.06


def test_linear_flows():
    """Real parts of eigenvalues, to the discretisation dt^4."""

    @fl.flow(state="x y z", parameters={"w": 0.0, "c": -5.0}, x0=(1.0, 1.0, 1.0), dt=0.01)
    def linear(t, x, p):
        return -x.x - p.w * x.y, p.w * x.x - x.y, p.c * x.z

    found = fl.spectrum(linear, parameters={"w": [3.0, 0.0], "c": [-5.0, -2.0]}, steps=50_000)
    np.testing.assert_allclose(found.exponents[0], [-1, -1, -5], atol=1e-2)
    np.testing.assert_allclose(found.exponents[1], [-1, -1, -2], atol=1e-2)
    assert np.all(np.abs(found.exponents - [[-1, -1, -5], [-1, -1, -2]]) <= C / 500 + 1e-6)
