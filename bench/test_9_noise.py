"""Random systems: a noisy Henon map and Lorenz 63 with noise, batches of thousands, all exponents; one core."""

import time

import pytest

from bench import agreement
from bench.contenders import numpy_noisy
from bench.workloads import exponents, henon, lorenz63, ours, sweep, theirs

SECTION = "9. Random systems"
SIGMA = 1e-3

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="noise")


def compared(compare, book, label, us, plain, numpy):
    """Rows of one system: our rate, the cost of the noise, and the ratio to NumPy."""
    found = compare(us, numpy, plain)
    drawn = found.per_unit(us.name) - found.per_unit(plain.name)
    book.add(SECTION, f"{label}, rate", found.rate(us.name) / 1e6, unit="M member-steps/s")
    note = f"the noise takes {drawn * 1e9:.3g} ns of a member-step"
    book.ratio(SECTION, f"{label}, against the same without noise", found.ratio(us.name, plain.name), note=note)
    note = "NumPy draws from one generator for the whole batch"
    book.ratio(SECTION, f"{label}, against NumPy", found.ratio(numpy.name, us.name), note=note)


def test_noisy_henon(compare, book, sizes):
    noisy, few = henon.with_noise(SIGMA), sweep(1.0, 1.2, 8)
    made = numpy_noisy.noisy_henon(few, 40, SIGMA, numpy_noisy.counted)
    agreement.in_all(made, exponents(noisy, steps=40, parameters=dict(a=few)))
    a, steps = sweep(1.0, 1.2, sizes.members), int(2000 * sizes.scale)
    us = ours(noisy, steps, parameters=dict(a=a))
    plain = ours(henon, steps, "fastlyap without noise", parameters=dict(a=a))
    compared(compare, book, "Henon map", us, plain, theirs("NumPy", numpy_noisy.noisy_henon, 100, a, sigma=SIGMA))


def test_noisy_lorenz63(compare, book, sizes):
    noisy, few = lorenz63.with_noise(0.1), sweep(20.0, 30.0, 8)
    made = numpy_noisy.noisy_lorenz63(few, 40, 0.1, numpy_noisy.counted)
    agreement.in_all(made, exponents(noisy, steps=40, parameters=dict(rho=few)))
    rho, steps = sweep(20.0, 30.0, sizes.members), int(1000 * sizes.scale)
    us = ours(noisy, steps, parameters=dict(rho=rho))
    plain = ours(lorenz63, steps, "fastlyap without noise", parameters=dict(rho=rho), integrator="euler")
    numpy = theirs("NumPy", numpy_noisy.noisy_lorenz63, 50, rho, sigma=0.1)
    compared(compare, book, "Lorenz 63, Heun", us, plain, numpy)
