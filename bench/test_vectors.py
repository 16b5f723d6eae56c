"""Covariant vectors: Lorenz 63, a batch and a single orbit, against other packages; Lorenz 96 against its spectrum."""

import time

import numpy as np
import pytest

import fastlyap as fl
from bench.timing import Contender
from bench.workloads import DT, exponents, lorenz63, lorenz96, sweep

SECTION = "V. Covariant vectors"
MEMBERS, STEPS, WARMUP = 1000, 1000, 500
RHO = 28.0
SMALL = 1e-6
PARALLEL = {"pynamicalsys": 1e-6, "clvlib": 1e-2}  # of |cosine|; clvlib's are carried into each other only to 1e-2

pytestmark = pytest.mark.benchmark(timer=time.process_time, group="vectors")


def vectors(system, **options):
    """Our vectors from the system's x0, one thread, a reorthonormalisation after every step."""
    return fl.vectors(system, **(dict(threads=1, progress=False) | options))


def ours(name, steps, warmup, rho, **options):
    """Ourselves; the work is in member-steps, warm-ups included."""
    how = dict(steps=steps, warmup=warmup, parameters=dict(rho=rho)) | options
    return Contender(name, lambda: vectors(lorenz63, **how), float(np.size(rho) * (steps + 2 * warmup)))


def peer(name, steps):
    """Another package on one orbit, once its vectors are ours."""
    from bench.contenders import with_clv

    run = getattr(with_clv, name)
    short = dict(steps=1000, warmup=1000)  # pynamicalsys 1.7 warms up over the length of its window, whatever is asked
    state, found = run(RHO, **short)
    wanted = vectors(lorenz63, **short)
    first = int(np.abs(state - wanted.state[0]).max(axis=1).argmin())  # a step more or less before the window
    assert np.abs(state[first : first + 100] - wanted.state[:100]).max() < SMALL
    products = np.abs(np.einsum("tin,tin->ti", found[first : first + 100], wanted.vectors[:100]))
    assert np.abs(products - 1).max() < PARALLEL[name]
    return Contender(name, lambda: run(RHO, steps, steps), 3.0 * steps)


PEERS = {  # name: (steps in a call, aim of a batch, aim of one orbit)
    "pynamicalsys": (10_000, ">= 20", ">= 3"),
    "clvlib": (1_000, ">= 400", ""),
}


def against(found, us, book, label, others, aim):
    for other in others:
        rate = f"{found.rate(other.name) / 1e3:.3g} k steps/s"
        wish = PEERS[other.name][aim]
        book.ratio(SECTION, f"{label}, against {other.name}", found.ratio(other.name, us.name), aim=wish, note=rate)


@pytest.mark.parametrize("label", [f"batch of {MEMBERS}", "one orbit"])
def test_lorenz63(label, compare, book, sizes, absent):
    one = label == "one orbit"
    rho = RHO if one else sweep(26.0, 60.0, MEMBERS)
    us = ours("fastlyap", int((50_000 if one else STEPS) * sizes.scale), WARMUP, rho)
    lean = ours("statistics alone", int((50_000 if one else STEPS) * sizes.scale), WARMUP, rho, store=False)
    others = []
    for name, (steps, *aims) in PEERS.items():
        reason = absent(name)
        if reason:
            book.add(SECTION, f"{label}, against {name}", aim=aims[one], note=reason)
        else:
            others.append(peer(name, steps))
    found = compare(us, lean, *others)
    book.add(SECTION, f"{label}, rate", found.rate(us.name) / 1e6, unit="M member-steps/s", note="all vectors kept")
    book.add(SECTION, f"{label}, rate, angle statistics alone", found.rate(lean.name) / 1e6, unit="M member-steps/s")
    against(found, us, book, label, others, 2 if one else 1)


@pytest.mark.parametrize("every", [10, 1])
def test_lorenz96(every, compare, book, sizes):
    """The same steps as a spectrum alone, 40 states and 40 vectors, a batch of 8."""
    system = lorenz96(40)
    steps = int(600 * sizes.scale) // 10 * 10
    parameters = dict(F=sweep(8.0, 9.0, 8))
    how = dict(parameters=parameters, every=every, dt=DT)
    spectrum = Contender("spectrum", lambda: exponents(system, steps=3 * steps, **how), 3.0 * steps)
    us = Contender("vectors", lambda: vectors(system, steps=steps, warmup=steps, **how), 3.0 * steps)
    lean = Contender("lean", lambda: vectors(system, steps=steps, warmup=steps, store=False, **how), 3.0 * steps)
    found = compare(us, lean, spectrum)
    label = f"Lorenz 96, 40 vectors, every {every}, cost over the spectrum's"
    book.ratio(SECTION, label, found.ratio(us.name, spectrum.name), aim="<= 3", note="all vectors kept")
    book.ratio(SECTION, f"{label}, angle statistics alone", found.ratio(lean.name, spectrum.name), aim="<= 3")
