"""Lorenz 63, full spectrum of a single orbit: the one-lane program, one core."""

import time

import pytest

from bench import agreement
from bench.contenders import numpy_lorenz63
from bench.workloads import exponents, lorenz63, ours, sweep, theirs

SECTION = "2. Lorenz 63, one orbit, 3 exponents"
RHO = 28.0

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="one orbit")


def pynamicalsys(steps):
    from bench.contenders import with_pynamicalsys

    spectrum = with_pynamicalsys.lorenz63_spectrum
    agreement.in_sum(spectrum(RHO, agreement.SHORT), exponents(lorenz63, steps=agreement.SHORT))
    agreement.in_largest(spectrum(RHO, steps), exponents(lorenz63, steps=steps))
    return theirs("pynamicalsys", spectrum, steps, RHO)


def lyapax(name, steps):
    from bench.contenders import with_lyapax

    whole = name == "lyapax inside jax.jit"
    spectrum = with_lyapax.lorenz63_spectra if whole else with_lyapax.lorenz63_spectrum
    agreement.in_sum(spectrum(RHO, agreement.SHORT), exponents(lorenz63, steps=agreement.SHORT))
    agreement.in_largest(spectrum(RHO, steps // 2), exponents(lorenz63, steps=steps // 2))
    return theirs(name, spectrum, steps, RHO)


PEERS = {  # name: (package, how it is made, steps, aim)
    "pynamicalsys": ("pynamicalsys", lambda name, steps: pynamicalsys(steps), 50_000, ">= 10"),
    "lyapax, plain call": ("lyapax", lyapax, 100_000, ""),
    "lyapax inside jax.jit": ("lyapax", lyapax, 200_000, ">= 50"),
}


def test_one_orbit(compare, book, sizes, absent):
    us = ours(lorenz63, int(2_000_000 * sizes.scale))
    often = ours(lorenz63, int(2_000_000 * sizes.scale), name="fastlyap, every=1", every=1)
    others = [theirs("NumPy", numpy_lorenz63.loop, 2000, sweep(RHO, RHO, 1))]
    for name, (package, make, steps, aim) in PEERS.items():
        reason = absent(package)
        if reason:
            book.add(SECTION, f"against {name}", aim=aim, note=reason)
        else:
            others.append(make(name, steps))
    found = compare(us, often, *others)
    for one, note in ((us, "a reorthonormalisation every 10 steps"), (often, "after every step")):
        book.add(SECTION, f"rate, {one.name}", found.rate(one.name) / 1e6, unit="M steps/s", note=note)
    for other in others:
        aim = PEERS.get(other.name, ("", None, 0, ""))[3]
        rate = f"{found.rate(other.name) / 1e6:.3g} M steps/s in calls of {other.work:,.0f} steps"
        book.ratio(SECTION, f"against {other.name}", found.ratio(other.name, us.name), aim=aim, note=rate)
    if "pynamicalsys" in found.seconds:
        ratio = found.ratio("pynamicalsys", often.name)
        book.ratio(SECTION, "against pynamicalsys, both every=1", ratio, note="it offers no other interval")
