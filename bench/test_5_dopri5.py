"""The adaptive integrator with its tangents, against SciPy's on state and variational equations, at equal error.

The error is that of the finite-time exponents over a few intervals, against DOP853 at its tightest. SciPy's time
at our error is read off its own curve of time against error, on logarithmic axes.
"""

import time

import numpy as np
import pytest

from bench.contenders import with_scipy
from bench.timing import Contender, at_error
from bench.workloads import exponents, lorenz63, sweep

SECTION = "5. dopri5 with 3 tangent vectors, Lorenz 63"
INTERVAL, INTERVALS, REPEATS = 0.5, 8, 100
TOLERANCES = {"RK45": 10.0 ** -np.arange(5.0, 13.0), "DOP853": 10.0 ** -np.arange(5.0, 13.0)}
MEMBERS = 1024

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="dopri5")


def ours(steps, **more):
    return exponents(lorenz63, integrator="dopri5", dt=INTERVAL, every=1, steps=steps, **more)


def worst(found, truth):
    return float(np.abs(np.sort(found) - np.sort(truth)).max())


@pytest.mark.parametrize("method", ["RK45", "DOP853"])
def test_against_scipy(compare, book, sizes, method):
    truth = with_scipy.spectrum("DOP853", 1e-13, INTERVAL, INTERVALS)
    error = worst(ours(INTERVALS), truth)
    errors = [worst(with_scipy.spectrum(method, rtol, INTERVAL, INTERVALS), truth) for rtol in TOLERANCES[method]]
    curve = [
        Contender(f"{rtol:.0e}", lambda rtol=rtol: with_scipy.spectrum(method, rtol, INTERVAL, INTERVALS), INTERVALS)
        for rtol in TOLERANCES[method]
    ]
    us = Contender("fastlyap", lambda: ours(INTERVALS * REPEATS), INTERVALS * REPEATS)
    steps = int(100 * sizes.scale)
    rho = sweep(28.0, 30.0, MEMBERS)
    many = Contender("fastlyap, batch", lambda: ours(steps, parameters=dict(rho=rho)), steps * MEMBERS)
    found = compare(us, many, *curve)
    rounds = [at_error(errors, [found.seconds[c.name][i] for c in curve], error) for i in range(sizes.rounds)]
    for one, label in ((us, "one orbit"), (many, f"a member of {MEMBERS}")):
        ratios = np.array(rounds) / np.array(found.seconds[one.name])
        book.add(
            SECTION, f"{label}, against {method}", float(np.median(ratios)), unit="x", low=float(ratios.min()),
            high=float(ratios.max()), aim=">= 20" if one is us else "", note=f"at error {error:.1e}, our default rtol",
        )  # fmt: skip
