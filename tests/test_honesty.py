"""Standard errors mean what they say: z-scores of many independent runs have mean 0 and standard deviation 1."""

import numpy as np
import pytest

import fastlyap as fl

pytestmark = pytest.mark.compiled

RUNS = {"map": 400, "flow": 200}


def independent(system, size, seed=7):
    """Starts that have forgotten each other after a transient, by the system's own chaos."""
    noise = np.random.default_rng(seed).standard_normal((RUNS[system.kind], system.dim))
    return system.x0 + size * noise


CASES = {
    # (system, parameters, size of the perturbations, steps, transient, indices)
    "Lorenz 63": (fl.systems.lorenz63(), {}, 1e-2, 200_000, 5_000, (0, 2)),
    "Chen": (fl.systems.chen(), {}, 1e-2, 50_000, 20_000, (0, 2)),
    "logistic, r = 3.9": (fl.systems.logistic(), {"r": 3.9}, 1e-2, 10_000, 1_000, (0,)),
    "Henon": (fl.systems.henon(), {}, 1e-3, 10_000, 1_000, (0,)),
    "Ikeda": (fl.systems.ikeda(), {}, 1e-2, 10_000, 1_000, (0, 1)),
    "folded towel": (fl.systems.folded_towel(), {}, 1e-4, 10_000, 1_000, (0, 1, 2)),
    "standard, K = 10": (fl.systems.standard(), {}, 1.0, 10_000, 1_000, (0,)),
    "skew tent": (fl.systems.skew_tent(), {}, 1e-2, 10_000, 1_000, (0,)),
}


@pytest.mark.parametrize("name", list(CASES))
def test_z_scores(name):
    """Against the mean over longer runs with the same step, whose own error is small beside theirs.

    The estimate sees fluctuations down to a twentieth of the run. Where they are boundary terms (Lorenz: the log of
    speeds on the orbit), it is too high until the run is long against them; hence the length of that case.
    """
    system, parameters, size, steps, transient, indices = CASES[name]
    x0 = independent(system, size)
    found = fl.spectrum(system, x0, parameters, steps=steps, transient=transient)
    assert np.all(found.status == fl.Status.OK)
    x0 = independent(system, size, seed=8)
    long = fl.spectrum(system, x0, parameters, steps=steps * (4 if system.kind == "map" else 2), transient=transient)
    for index in indices:
        z = (found.exponents[:, index] - long.exponents[:, index].mean()) / found.stderr[:, index]
        assert abs(z.mean()) < 0.2, (index, z.mean())
        assert 0.8 < z.std(ddof=1) < 1.25, (index, z.std(ddof=1))


TRAPS = {
    # rates whose variance falls faster than 1/T, at these lengths: errors may be too large, never too small
    "Lorenz 63, short": (fl.systems.lorenz63(), {}, 1e-2, 4_000, 0),
    "Lorenz 63, contraction, short": (fl.systems.lorenz63(), {}, 1e-2, 4_000, 2),
    "logistic, r = 4": (fl.systems.logistic(), {"r": 4.0}, 1e-2, 10_000, 0),
    "zero exponent of Lorenz 63": (fl.systems.lorenz63(), {}, 1e-2, 20_000, 1),
    "zero exponent of Rossler": (fl.systems.rossler(), {}, 1e-2, 40_000, 1),
    "van der Pol's cycle": (fl.systems.van_der_pol(), {}, 1e-1, 20_000, 0),
    "cat": (fl.systems.cat(), {}, 1e-1, 2_000, 0),
    "tent": (fl.systems.tent(), {}, 1e-2, 2_000, 0),
    "circle of Henon-Heiles": (fl.systems.henon_heiles(), {}, 1e-4, 10_000, 1),
}


@pytest.mark.parametrize("name", list(TRAPS))
def test_vanishing_variance_is_not_underestimated(name):
    system, parameters, size, steps, index = TRAPS[name]
    found = fl.spectrum(system, independent(system, size), parameters, steps=steps, transient=5_000)
    spread = found.exponents[:, index].std(ddof=1)
    assert np.all(np.isfinite(found.stderr))
    rounding = 1e-13  # of constant rates
    assert np.sqrt(np.mean(found.stderr[:, index] ** 2)) >= 0.9 * spread - rounding


def test_few_steps_give_no_error_rather_than_a_wrong_one():
    """Fewer than four cells say nothing; from there on errors are finite."""
    for steps, known in ((1, False), (3, False), (4, True), (100, True)):
        found = fl.spectrum(fl.systems.henon(), steps=steps, transient=100, every=1)
        assert np.all(np.isfinite(found.stderr)) == known


def test_errors_shrink_like_the_square_root():
    """Sixteen times the steps, a quarter of the error (mean over the runs)."""
    henon = fl.systems.henon()
    x0 = independent(henon, 1e-3)
    errors = [fl.spectrum(henon, x0, steps=n).stderr[:, 0].mean() for n in (2_000, 32_000)]
    assert 3.4 < errors[0] / errors[1] < 4.6
