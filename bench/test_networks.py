"""Large systems, ten exponents: how the cost grows with the number n of oscillators, and lyapax at n = 1000.

Neither Jacobians nor products of matrices are formed: a stage costs O(n) for every tangent vector, coupling to all
included, where the mean field is one number per vector.
"""

import functools
import time

import numpy as np
import pytest

from bench import agreement
from bench.timing import Contender
from bench.workloads import DT, EVERY, exponents
from fastlyap import systems

SECTION = "N. Networks of n oscillators, 10 exponents"
K, LARGE, MEMBERS = 10, 1000, 8
SIZES = (125, 250, 500, 1000, 2000)
MAKE = {"lorenz96": systems.lorenz96, "kuramoto": systems.kuramoto}

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="networks")


@functools.cache
def network(name, n):
    return MAKE[name](n)


def starts(system, members):
    noise = np.random.default_rng(0).standard_normal((members, system.dim))
    return system.x0 + 0.1 * noise


def ours(name, n, steps, members=None):
    """Work in member-steps."""
    system = network(name, n)
    x0 = system.x0 if members is None else starts(system, members)
    run = functools.partial(exponents, system, x0=x0, steps=steps, k=K, every=EVERY, dt=system.dt)
    return Contender(f"{name}, n = {n}", run, steps * (members or 1))


@pytest.mark.parametrize("name", MAKE)
def test_cost_grows_like_n(compare, book, sizes, name):
    contenders = [ours(name, n, max(20, int(4e5 * sizes.scale) // n), MEMBERS) for n in SIZES]
    found = compare(*contenders)
    for n, one in zip(SIZES, contenders, strict=True):
        label = f"{name}, n = {n}, batch of {MEMBERS}"
        per = 1e9 * found.per_unit(one.name) / (n * K)
        note = f"{per:.2f} ns per member-step, oscillator and exponent"
        book.add(SECTION, f"{label}, rate", found.rate(one.name) / 1e3, unit="k member-steps/s", note=note)
    seconds = np.array([found.per_unit(one.name) for one in contenders])
    for first, span in ((0, "n = 125 to 2000"), (2, "n = 500 to 2000")):  # small ones live in a faster cache
        slope = float(np.polyfit(np.log(SIZES[first:]), np.log(seconds[first:]), 1)[0])
        book.add(SECTION, f"{name}, exponent p of cost ~ n^p, {span}", slope, aim="<= 1.1")


@pytest.mark.parametrize("name", MAKE)
@pytest.mark.parametrize("members", [None, MEMBERS], ids=["one orbit", "batch"])
def test_against_lyapax(compare, book, sizes, absent, name, members):
    label = f"{name}, n = {LARGE}, {'one orbit' if members is None else f'batch of {members}'}, against lyapax"
    reason = absent("lyapax")
    if reason:
        book.add(SECTION, label, aim=">= 10", note=reason)
        pytest.skip(reason)
    from bench.contenders import lyapax_networks

    small = network(name, 16)
    theirs = lyapax_networks.spectra(name, small, small.x0, agreement.SHORT, 16)
    agreement.in_sum(theirs, exponents(small, steps=agreement.SHORT, dt=small.dt))
    us = ours(name, LARGE, int(1000 * sizes.scale), members)
    system, steps = network(name, LARGE), 20
    x0 = system.x0 if members is None else starts(system, members)
    run = functools.partial(lyapax_networks.spectra, name, system, x0, steps, K)
    other = Contender("lyapax", run, steps * (members or 1))
    found = compare(us, other)
    note = f"{found.rate(us.name):.3g} and {found.rate('lyapax'):.3g} member-steps/s, rk4, dt = {system.dt or DT}"
    book.ratio(SECTION, label, found.ratio("lyapax", us.name), aim=">= 10", note=note)
